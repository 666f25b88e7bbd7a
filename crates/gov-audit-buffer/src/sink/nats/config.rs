//! Which stream, where, and who we are there.

use std::{fmt, path::PathBuf, time::Duration};

use async_nats::ServerAddr;

use super::message;

/// How a [`NatsAuditSink`](super::NatsAuditSink) works.
#[derive(Clone, Debug)]
pub struct NatsConfig {
    /// The servers, tried in this order: `nats://host:4222`, or `tls://` for one that must not be
    /// spoken to in the clear. User and password stand in [`NatsConfig::auth`], not here.
    pub servers: Vec<ServerAddr>,
    /// The stream; made if it is missing.
    pub stream: String,
    /// What subjects begin with.
    pub subject_prefix: String,
    /// The node that events come from: the next part of the subject, and of each event's source.
    pub node: String,
    /// Who we are.
    pub auth: NatsAuth,
    /// How the connection is secured.
    pub tls: NatsTls,
    /// On so many servers a stream that we make is kept.
    pub replicas: usize,
    /// At most so many bytes a stream that we make holds; then it takes no more. `None`: no limit.
    pub max_stream_bytes: Option<u64>,
    /// At least so long the stream must remember message ids.
    pub duplicate_window: Duration,
    /// So long a server may take to put on disk what it acknowledged: `sync_interval`, and as much
    /// again. Zero for one with `sync_interval: always`.
    pub resend_horizon: Duration,
    /// So long one call may take.
    pub timeout: Duration,
}

/// Who we are to the server. Its `Debug` shows no secret.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum NatsAuth {
    /// Nobody in particular.
    #[default]
    Anonymous,
    /// A user with a password.
    UserPassword {
        /// The user.
        user: String,
        /// The password.
        password: String,
    },
    /// Whoever has the token.
    Token(String),
    /// Whoever can sign with the seed in a file: `SU…`.
    Nkey {
        /// The file.
        seed_file: PathBuf,
    },
    /// A user of an account, by a signed token and a seed in one file.
    Credentials {
        /// The file, as `nsc` writes it.
        file: PathBuf,
    },
}

impl fmt::Debug for NatsAuth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anonymous => f.write_str("Anonymous"),
            Self::UserPassword { user, .. } => {
                f.debug_struct("UserPassword").field("user", user).finish_non_exhaustive()
            }
            Self::Token(_) => f.debug_struct("Token").finish_non_exhaustive(),
            Self::Nkey { seed_file } => {
                f.debug_struct("Nkey").field("seed_file", seed_file).finish()
            }
            Self::Credentials { file } => {
                f.debug_struct("Credentials").field("file", file).finish()
            }
        }
    }
}

/// How the connection is secured. A server that asks for TLS gets it in any case.
#[derive(Clone, Debug, Default)]
pub struct NatsTls {
    /// Never speak to the server in the clear.
    pub required: bool,
    /// The authorities that may vouch for the server, in PEM; by default the system's.
    pub ca_file: Option<PathBuf>,
    /// Our own certificate and its key, in PEM.
    pub client: Option<(PathBuf, PathBuf)>,
}

/// The configuration cannot work.
#[derive(Debug, thiserror::Error)]
#[error("`{setting}` must be {wanted}, and is `{received}`")]
pub struct NatsConfigError {
    /// Which field.
    pub setting: &'static str,
    /// What it must be.
    pub wanted: &'static str,
    /// What it is; without secrets.
    pub received: String,
}

impl NatsConfig {
    /// For `node`, on `servers`: stream `GOV_AUDIT`, subjects below `gov.audit`, one replica, two
    /// minutes of ids, five minutes of horizon, five seconds a call, nobody in particular.
    #[must_use]
    pub fn new(servers: Vec<ServerAddr>, node: &str) -> Self {
        Self {
            servers,
            stream: "GOV_AUDIT".to_owned(),
            subject_prefix: "gov.audit".to_owned(),
            node: node.to_owned(),
            auth: NatsAuth::Anonymous,
            tls: NatsTls::default(),
            replicas: 1,
            max_stream_bytes: None,
            duplicate_window: Duration::from_mins(2),
            resend_horizon: Duration::from_mins(5),
            timeout: Duration::from_secs(5),
        }
    }

    /// Whether it can work, as far as that can be said without a server.
    ///
    /// # Errors
    ///
    /// [`NatsConfigError`] names the first field that is wrong.
    pub fn check(&self) -> Result<(), NatsConfigError> {
        let wrong = |setting, wanted, received: &str| {
            Err(NatsConfigError { setting, wanted, received: received.to_owned() })
        };
        if self.servers.is_empty() {
            return wrong("servers", "at least one server", "");
        }
        if let Some(server) = self.servers.iter().find(|it| it.has_user_pass()) {
            return wrong("servers", "without user and password", server.host());
        }
        let plain = |text: &str| text.bytes().all(|it| it.is_ascii_graphic());
        if self.stream.is_empty()
            || !plain(&self.stream)
            || self.stream.contains(['.', '*', '>', '/', '\\'])
        {
            return wrong(
                "stream",
                "a name without spaces and without any of `.*>/\\`",
                &self.stream,
            );
        }
        let token = |it: &str| !it.is_empty() && plain(it) && !it.contains(['*', '>']);
        if !self.subject_prefix.split('.').all(token) {
            return wrong("subject_prefix", "words with dots between them", &self.subject_prefix);
        }
        if self.node.is_empty() {
            return wrong("node", "a name", "");
        }
        Ok(())
    }

    /// What the subjects of this node's buffers begin with.
    pub(super) fn subject(&self) -> String {
        format!("{}.{}", self.subject_prefix, message::token(&self.node))
    }
}
