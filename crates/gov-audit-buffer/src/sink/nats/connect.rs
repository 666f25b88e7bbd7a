//! One connection to one server: who we are, how it is secured, and that it is never repaired.
//!
//! A client that reconnects by itself sends what it still held to whoever answers then: to a server
//! that has lost its last messages, say, and counts their numbers a second time. Guards would hold
//! that never should. So a connection that breaks ends, and the next one begins with nothing.

use std::{path::PathBuf, time::Duration};

use async_nats::{Client, ConnectOptions, ServerAddr};

use super::config::{NatsAuth, NatsConfig, NatsTls};

/// Two unanswered pings end a connection.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Nobody listens there, ever.
const NOWHERE: &str = "nats://127.0.0.1:0";

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// No server was named.
    #[error("no NATS server is configured")]
    NoServer,
    /// A file with a secret cannot be read.
    #[error("cannot read `{}`", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The server cannot be reached, or does not let us in.
    #[error("cannot connect to NATS at `{server}`")]
    Server {
        /// Which.
        server: String,
        /// Why.
        source: async_nats::ConnectError,
    },
    /// It went again before it was in use.
    #[error("the connection to NATS broke at once")]
    Broke(#[source] async_nats::client::SetServerPoolError),
}

/// Connects to the first server that answers.
pub(super) async fn connect(config: &NatsConfig) -> Result<Client, ConnectError> {
    let mut last = ConnectError::NoServer;
    for server in &config.servers {
        match connect_to(server, config).await {
            Ok(client) => return Ok(client),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn connect_to(server: &ServerAddr, config: &NatsConfig) -> Result<Client, ConnectError> {
    let options = authenticated(&config.auth).await?;
    let options = secured(options, &config.tls)
        .name("gov")
        .connection_timeout(config.timeout)
        .request_timeout(Some(config.timeout))
        .ping_interval(PING_INTERVAL)
        // The subjects are ours, and were checked when the sink was made.
        .skip_subject_validation(true)
        .ignore_discovered_servers()
        .max_reconnects(1);
    let connected = options.connect(server.clone()).await;
    let client = connected.map_err(|source| {
        let server = format!("{}:{}", server.host(), server.port());
        ConnectError::Server { server, source }
    })?;
    client.set_server_pool(NOWHERE).await.map_err(ConnectError::Broke)?;
    Ok(client)
}

async fn authenticated(auth: &NatsAuth) -> Result<ConnectOptions, ConnectError> {
    let options = ConnectOptions::new();
    Ok(match auth {
        NatsAuth::Anonymous => options,
        NatsAuth::UserPassword { user, password } => {
            options.user_and_password(user.clone(), password.clone())
        }
        NatsAuth::Token(token) => options.token(token.clone()),
        NatsAuth::Nkey { seed_file } => {
            let seed = tokio::fs::read_to_string(seed_file).await.map_err(unreadable(seed_file))?;
            options.nkey(seed.trim().to_owned())
        }
        NatsAuth::Credentials { file } => {
            options.credentials_file(file).await.map_err(unreadable(file))?
        }
    })
}

fn unreadable(path: &std::path::Path) -> impl FnOnce(std::io::Error) -> ConnectError {
    let path = path.to_owned();
    move |source| ConnectError::File { path, source }
}

fn secured(mut options: ConnectOptions, tls: &NatsTls) -> ConnectOptions {
    // The client takes the process's provider; without one, two compiled in would be a panic.
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // Another thread may have been faster, and its provider is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    if let Some(file) = &tls.ca_file {
        options = options.add_root_certificates(file.clone());
    }
    if let Some((certificate, key)) = &tls.client {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    options.require_tls(tls.required)
}
