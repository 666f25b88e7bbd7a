//! A server inside the test's process: real files, a loopback port.

use std::{fmt::Write as _, net::SocketAddr, sync::Arc};

use gov_core::SystemClock;
use gov_gateway::{
    config::Config,
    server::{Ended, Server},
};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::http::{self, Reply};

/// A running server, its tokens and its directory.
pub(crate) struct Running {
    pub(crate) address: SocketAddr,
    pub(crate) admin: String,
    pub(crate) agent: String,
    pub(crate) home: TempDir,
    shutdown: CancellationToken,
    server: JoinHandle<Ended>,
}

/// The agent that the token of [`Running::agent`] speaks for.
pub(crate) const AGENT: &str = "coder";

/// The defaults, with `more` lines of TOML, on a free port.
pub(crate) fn config(home: &TempDir, more: &str) -> Config {
    let mut text = String::from("server.listen = \"127.0.0.1:0\"\n");
    writeln!(text, "server.data_dir = '{}'", home.path().join("gov").display()).unwrap();
    text.push_str(more);
    let file = Some(("test.toml".into(), text));
    let sources = gov_gateway::config::Sources { file, ..Default::default() };
    gov_gateway::config::load(&sources).unwrap().config
}

impl Running {
    /// Starts on a fresh directory, with `more` lines of TOML.
    pub(crate) async fn start(more: &str) -> Self {
        let home = tempfile::tempdir().unwrap();
        let config = config(&home, more);
        let server = Server::start(&config, Arc::new(SystemClock)).await.unwrap();
        let started = server.started();
        let (address, admin) = (started.address, started.admin_token.as_ref().unwrap().to_text());
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(server.run(shutdown.clone()));
        let mut it = Self { address, admin, agent: String::new(), home, shutdown, server };
        it.agent = it.create_token(&format!(r#"{{"scope":"agent","agent_id":"{AGENT}"}}"#)).await;
        it
    }

    /// Starts on a directory that has been a server's, with the tokens of then.
    pub(crate) async fn start_on(home: TempDir, more: &str, admin: String, agent: String) -> Self {
        let server = Server::start(&config(&home, more), Arc::new(SystemClock)).await.unwrap();
        let address = server.started().address;
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(server.run(shutdown.clone()));
        Self { address, admin, agent, home, shutdown, server }
    }

    /// Makes a token over HTTP and gives its text.
    pub(crate) async fn create_token(&self, body: &str) -> String {
        let reply = self.post("/v1/tokens", &self.admin, body).await;
        assert_eq!(reply.status, 201, "{reply:?}");
        reply.json()["token"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn post(&self, path: &str, token: &str, body: &str) -> Reply {
        let headers = [
            format!("host: {}", self.address),
            format!("authorization: Bearer {token}"),
            format!("content-length: {}", body.len()),
        ];
        http::send(self.address, &format!("POST {path}"), &headers, body.as_bytes()).await
    }

    pub(crate) async fn put(&self, path: &str, token: &str, body: &str) -> Reply {
        let headers = [
            format!("host: {}", self.address),
            format!("authorization: Bearer {token}"),
            format!("content-length: {}", body.len()),
        ];
        http::send(self.address, &format!("PUT {path}"), &headers, body.as_bytes()).await
    }

    pub(crate) async fn get(&self, path: &str, token: &str) -> Reply {
        let headers = [format!("host: {}", self.address), format!("authorization: Bearer {token}")];
        http::send(self.address, &format!("GET {path}"), &headers, b"").await
    }

    /// Sends a check body under the agent's token.
    pub(crate) async fn check(&self, body: &str) -> Reply {
        self.post("/v1/actions/check", &self.agent, body).await
    }

    /// Asks about one shell command.
    pub(crate) async fn check_command(&self, command: &str) -> Reply {
        let action = serde_json::json!({"kind": "bash", "command": command, "cwd": "/home/me/p"});
        let body = serde_json::json!({"agent_id": AGENT, "action": action});
        self.check(&body.to_string()).await
    }

    /// Ends the server in order; the directory stays.
    pub(crate) async fn stop(self) -> (Ended, TempDir) {
        self.shutdown.cancel();
        (self.server.await.unwrap(), self.home)
    }
}
