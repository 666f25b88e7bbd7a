//! Why no answer came, and what to do about it.

use std::time::Duration;

/// No whole answer came.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The URL is not one of a server: correct it.
    #[error("`{received}` is not the URL of a server: {why}")]
    BadUrl {
        /// What was given.
        received: String,
        /// What is wrong with it.
        why: String,
    },
    /// The token would travel unencrypted to another machine.
    #[error("`{url}` would carry the token in clear text to another machine; use https://")]
    ClearText {
        /// What was given.
        url: String,
    },
    /// The token cannot stand in a header.
    #[error(transparent)]
    Token(#[from] super::TokenError),
    /// The client itself could not be made: most often no certificates on this machine.
    #[error("cannot prepare the connection")]
    Build(#[source] reqwest::Error),
    /// Nobody listens there.
    #[error(
        "no gov server answers at `{url}`; start one with `gov serve`, or name the right one with \
         `--url` or GOV_URL"
    )]
    Unreachable {
        /// The server's address.
        url: String,
        /// What the connection said.
        source: reqwest::Error,
    },
    /// It took too long.
    #[error("the gov server at `{url}` did not answer within {after:?}; see its log, or try again")]
    TimedOut {
        /// The server's address.
        url: String,
        /// How long was waited.
        after: Duration,
        /// Which part took too long.
        source: reqwest::Error,
    },
    /// The connection broke, or what answers does not speak HTTP.
    #[error(
        "what answers at `{url}` is no gov server, or it broke off; try again, or check the URL"
    )]
    Broken {
        /// The server's address.
        url: String,
        /// What the connection said.
        source: reqwest::Error,
    },
    /// The answer is larger than any answer of ours.
    #[error(
        "the answer from `{url}` is larger than {} bytes; check the URL",
        super::MAX_ANSWER_BYTES
    )]
    TooLarge {
        /// The server's address.
        url: String,
    },
}
