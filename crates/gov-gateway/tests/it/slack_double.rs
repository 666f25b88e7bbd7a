//! Slack's side: it signs clicks, and takes what is sent to a channel or to whoever clicked.

use std::{
    fmt::Write as _, fs, net::SocketAddr, os::unix::fs::PermissionsExt as _, time::Duration,
};

use gov_core::{Clock as _, SystemClock};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinHandle,
};

use crate::{
    deciders::Deciding,
    http::{self, Reply},
};

pub(crate) const PATH: &str = "POST /v1/slack/actions";
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";
const SECRET: &str = "8f742231b10e8888abcd99yyyzzz85a5";

/// How long anything may take.
const PATIENCE: Duration = Duration::from_mins(1);

/// Git is of low risk, and deploying of high.
pub(crate) const POLICY: &str = r#"
@id("all") permit (principal, action, resource);
@id("push") @outcome("require_approval") @risk("low")
forbid (principal, action, resource) when { context.argv0.contains("git") };
@id("deploy") @outcome("require_approval") @risk("high")
forbid (principal, action, resource) when { context.argv0.contains("deploy") };
"#;

/// A server that takes clicks from this Slack.
pub(crate) struct Slack {
    pub(crate) it: Deciding,
    address: SocketAddr,
    told: mpsc::Receiver<Value>,
    listening: JoinHandle<()>,
    _secrets: TempDir,
}

/// What somebody clicks on.
pub(crate) struct Button {
    pub(crate) approval: String,
    pub(crate) digest: String,
}

impl Drop for Slack {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Slack {
    /// Ann is `U1`, Bob `U2` and Kim `U3`; the channel is the target `chat`.
    pub(crate) async fn start(more: &str) -> Self {
        Self::start_with(true, more).await
    }

    /// As [`Slack::start`], with another `slack.allow_private`.
    pub(crate) async fn start_with(allow_private: bool, more: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, told) = mpsc::channel(16);
        let listening = tokio::spawn(listen(listener, sender));
        let secrets = tempfile::tempdir().unwrap();
        let secret = secrets.path().join("slack");
        fs::write(&secret, SECRET).unwrap();
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
        let it = Deciding::start(&format!(
            "slack.signing_secret = \"file:{}\"\nslack.allow_private = {allow_private}\n\
             server.public_url = \"https://gov.example/\"\n{more}\n[notify.chat]\nkind = \"slack\"\n\
             url = \"http://{address}/channel\"\nallow_private = true\n",
            secret.display()
        ))
        .await;
        for (name, user) in [("Ann", "U1"), ("Bob", "U2"), ("Kim", "U3")] {
            let body = json!({ "slack_user": user }).to_string();
            let reply = it.it.put(&format!("/v1/people/{name}/slack"), &it.it.admin, &body).await;
            assert_eq!(reply.status, 200, "{reply:?}");
        }
        it.activate(POLICY).await;
        Self { it, address, told, listening, _secrets: secrets }
    }

    /// Asks about a command.
    pub(crate) async fn ask(&self, command: &str) -> Button {
        let json = self.it.it.check_command(command).await.json();
        assert_eq!(json["decision"], "require_approval", "{json}");
        self.button(json["approval"]["id"].as_str().unwrap()).await
    }

    pub(crate) async fn button(&self, approval: &str) -> Button {
        let digest = self.it.approval(approval).await["digest"].as_str().unwrap().to_owned();
        Button { approval: approval.to_owned(), digest }
    }

    /// What Slack would send.
    pub(crate) fn payload(&self, user: &str, action_id: &str, button: &Button) -> Value {
        let value = format!("{} {}", button.approval, button.digest);
        json!({
            "type": "block_actions", "user": {"id": user, "name": "whoever"},
            "actions": [{"action_id": action_id, "value": value}],
            "response_url": format!("http://{}/reply", self.address),
        })
    }

    /// Somebody clicks: what is answered, and what they are told.
    pub(crate) async fn click(&mut self, user: &str, yes: bool, button: &Button) -> String {
        let action = if yes { "gov_approve" } else { "gov_reject" };
        let reply = self.send(&form(&self.payload(user, action, button))).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let told = self.told().await;
        assert_eq!((&told, &told["path"]), (&with_path(&reply.json()), &json!("/reply")));
        assert_eq!(told["response_type"], "ephemeral", "nobody else sees it");
        assert_eq!(told["replace_original"], false);
        let text = &told["blocks"][0]["text"];
        assert_eq!(text["type"], "plain_text", "names are no markup");
        text["text"].as_str().unwrap().to_owned()
    }

    /// The next body that Slack was sent, with its path.
    pub(crate) async fn told(&mut self) -> Value {
        let told = tokio::time::timeout(PATIENCE, self.told.recv()).await;
        told.expect("nobody was told").unwrap()
    }

    /// Whether nothing else was sent.
    pub(crate) fn told_nothing(&mut self) -> bool {
        self.told.try_recv().is_err()
    }

    /// Sends a body as Slack does.
    pub(crate) async fn send(&self, body: &str) -> Reply {
        self.send_with(FORM, &signed(0, body), body).await
    }

    /// Sends a body under these headers.
    pub(crate) async fn send_with(&self, kind: &str, more: &[String], body: &str) -> Reply {
        let address = self.it.it.address;
        let mut headers = vec![
            format!("host: {address}"),
            format!("content-type: {kind}"),
            format!("content-length: {}", body.len()),
        ];
        headers.extend_from_slice(more);
        http::send(address, PATH, &headers, body.as_bytes()).await
    }
}

/// Slack's two headers, as it would have made them so many seconds from now.
pub(crate) fn signed(seconds: i64, body: &str) -> [String; 2] {
    let at = SystemClock.now().as_unix_seconds() + seconds;
    let mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    let mac = mac.chain_update(format!("v0:{at}:{body}")).finalize().into_bytes();
    let mut hex = String::new();
    mac.iter().for_each(|it| write!(hex, "{it:02x}").unwrap());
    [format!("x-slack-request-timestamp: {at}"), format!("x-slack-signature: v0={hex}")]
}

/// The payload as the one field of a form.
pub(crate) fn form(payload: &Value) -> String {
    let mut body = String::from("payload=");
    for byte in payload.to_string().bytes() {
        write!(body, "%{byte:02X}").unwrap();
    }
    body
}

fn with_path(body: &Value) -> Value {
    let mut body = body.clone();
    body["path"] = json!("/reply");
    body
}

async fn listen(listener: TcpListener, told: mpsc::Sender<Value>) {
    while let Ok((stream, _)) = listener.accept().await {
        let Some(body) = take(stream).await else { continue };
        if told.send(body).await.is_err() {
            return;
        }
    }
}

async fn take(stream: TcpStream) -> Option<Value> {
    let mut stream = BufReader::new(stream);
    let (mut path, mut length) = (String::new(), 0);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        if line.trim().is_empty() {
            break;
        }
        if path.is_empty() {
            path = line.split(' ').nth(1)?.to_owned();
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";
    stream.write_all(answer).await.ok()?;
    let mut body: Value = serde_json::from_slice(&body).ok()?;
    body["path"] = json!(path);
    Some(body)
}
