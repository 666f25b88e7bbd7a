//! The HTTP client of the command line and the hooks.
//!
//! A hook is one process per tool call, so nothing is built that the URL does not need: plain
//! HTTP loads no certificates, and [`block_on`] runs on the calling thread.

use std::{future::Future, io, net::IpAddr, time::Duration};

use reqwest::{
    Method, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue},
    redirect,
};

pub mod credentials;
mod error;
pub mod problem;
pub mod token;

pub use self::{
    error::ClientError,
    token::{Token, TokenError},
};

/// Where the server listens unless it is told otherwise.
pub const DEFAULT_URL: &str = "http://127.0.0.1:7180";

/// The largest answer that is read, in bytes: an approval shows the whole of a check, 1 MiB at most.
pub const MAX_ANSWER_BYTES: usize = 4 * 1024 * 1024;

/// How long a client waits.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// Until the connection stands.
    pub connect: Duration,
    /// Until the answer is read, the connection included.
    pub answer: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), answer: Duration::from_secs(10) }
    }
}

/// Talks to one server, under one token.
///
/// It follows no redirect, which would carry the token elsewhere, and uses no proxy for a server
/// on this machine.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    authorization: Option<HeaderValue>,
    patience: Patience,
}

/// What the server answered, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// The body, at most [`MAX_ANSWER_BYTES`].
    pub body: Vec<u8>,
}

impl Client {
    /// A client of the server at `url`; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`ClientError::BadUrl`] and [`ClientError::ClearText`]: correct the URL.
    /// [`ClientError::Build`]: the certificates of this machine cannot be read.
    pub fn new(url: &str, token: Option<&Token>, patience: Patience) -> Result<Self, ClientError> {
        let base = base_url(url)?;
        let local = is_loopback(&base);
        if base.scheme() == "http" && !local && token.is_some() {
            return Err(ClientError::ClearText { url: url.to_owned() });
        }
        let mut builder = reqwest::Client::builder()
            .connect_timeout(patience.connect)
            .timeout(patience.answer)
            .redirect(redirect::Policy::none());
        if local {
            builder = builder.no_proxy();
        }
        if base.scheme() == "http" {
            // Reading the machine's certificates is most of the start-up time.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(ClientError::Build)?;
        let authorization = token.map(Token::authorization).transpose()?;
        Ok(Self { http, base, authorization, patience })
    }

    /// The server's address, without what follows the port.
    #[must_use]
    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// Whether the server is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        is_loopback(&self.base)
    }

    /// The server's port.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        self.base.port_or_known_default()
    }

    /// Asks for `path`, which begins with a slash.
    ///
    /// # Errors
    ///
    /// [`ClientError`] where no whole answer came; every status is an answer.
    pub async fn get(&self, path: &str) -> Result<Reply, ClientError> {
        self.send(Method::GET, path, None).await
    }

    /// Sends JSON to `path`, which begins with a slash.
    ///
    /// # Errors
    ///
    /// [`ClientError`] where no whole answer came; every status is an answer.
    pub async fn post(&self, path: &str, json: Vec<u8>) -> Result<Reply, ClientError> {
        self.send(Method::POST, path, Some(json)).await
    }

    /// Puts JSON at `path`, which begins with a slash.
    ///
    /// # Errors
    ///
    /// [`ClientError`] where no whole answer came; every status is an answer.
    pub async fn put(&self, path: &str, json: Vec<u8>) -> Result<Reply, ClientError> {
        self.send(Method::PUT, path, Some(json)).await
    }

    /// Asks to take away what is at `path`, which begins with a slash.
    ///
    /// # Errors
    ///
    /// [`ClientError`] where no whole answer came; every status is an answer.
    pub async fn delete(&self, path: &str) -> Result<Reply, ClientError> {
        self.send(Method::DELETE, path, None).await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        json: Option<Vec<u8>>,
    ) -> Result<Reply, ClientError> {
        let url = self.base.join(path).map_err(|error| ClientError::BadUrl {
            received: path.to_owned(),
            why: error.to_string(),
        })?;
        let mut request = self.http.request(method, url);
        if let Some(value) = &self.authorization {
            request = request.header(AUTHORIZATION, value.clone());
        }
        if let Some(body) = json {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let mut response = request.send().await.map_err(|error| self.failed(error))?;
        let status = response.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(error))? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(ClientError::TooLarge { url: self.url().to_owned() });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply { status, body })
    }

    fn failed(&self, error: reqwest::Error) -> ClientError {
        let url = self.url().to_owned();
        // The URL is in our own message.
        let source = error.without_url();
        if source.is_timeout() {
            ClientError::TimedOut { url, after: self.patience.answer, source }
        } else if source.is_connect() {
            ClientError::Unreachable { url, source }
        } else {
            ClientError::Broken { url, source }
        }
    }
}

/// One segment of a path, percent-encoded (RFC 3986 §2.3): a name may hold a slash.
#[must_use]
pub fn segment(text: &str) -> String {
    let keep = |it: u8| it.is_ascii_alphanumeric() || b"-._~".contains(&it);
    let encode = |it: u8| if keep(it) { char::from(it).to_string() } else { format!("%{it:02X}") };
    text.bytes().map(encode).collect()
}

/// Runs one future on this thread, and waits for nothing that it left behind.
///
/// # Errors
///
/// What the operating system says when there is no event loop to be had.
pub fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let output = runtime.block_on(future);
    // A thread that still reads standard input would hold up the end of the process.
    runtime.shutdown_background();
    Ok(output)
}

fn base_url(text: &str) -> Result<Url, ClientError> {
    let bad = |why: &str| ClientError::BadUrl { received: text.to_owned(), why: why.to_owned() };
    let url = Url::parse(text).map_err(|error| bad(&error.to_string()))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("it must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("it must not hold a user name or password"));
    }
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        return Err(bad("it must end after the host and port"));
    }
    Ok(url)
}

/// Whether the host is this machine, by its name or its address.
fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(url: &str) -> Result<Client, ClientError> {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let token = "gov_tok_secret".parse().unwrap();
        Client::new(url, Some(&token), Patience::default())
    }

    #[test]
    fn a_url_that_is_not_a_servers_is_refused_with_what_is_wrong() {
        for (url, why) in [
            ("", "relative URL without a base"),
            ("localhost:7180", "it must begin with http:// or https://"),
            ("ftp://localhost", "it must begin with http:// or https://"),
            ("http://user:secret@localhost", "it must not hold a user name or password"),
            ("http://localhost/v1", "it must end after the host and port"),
            ("http://localhost/?x", "it must end after the host and port"),
        ] {
            let error = client(url).unwrap_err().to_string();
            assert!(error.contains(why), "{url}: {error}");
        }
    }

    #[test]
    fn a_token_does_not_travel_in_clear_text_to_another_machine() {
        let error = client("http://gov.example:7180").unwrap_err();
        assert!(matches!(error, ClientError::ClearText { .. }), "{error}");
        for url in
            ["http://localhost:1", "http://127.8.9.1", "http://[::1]:2", "https://gov.example"]
        {
            assert_eq!(client(url).unwrap().url(), url);
        }
    }

    #[test]
    fn a_name_is_one_segment_whatever_it_holds() {
        assert_eq!(segment("team/a b?c#d%é"), "team%2Fa%20b%3Fc%23d%25%C3%A9");
        assert_eq!(segment("per_0a-b.c~d"), "per_0a-b.c~d");
    }

    #[test]
    fn the_token_does_not_show_in_debug_output() {
        let shown = format!("{:?}", client(DEFAULT_URL).unwrap());
        assert!(!shown.contains("secret"), "{shown}");
    }
}
