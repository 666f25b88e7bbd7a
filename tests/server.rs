//! A server process, and the plainest client it can have.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal};
use serde_json::{Value, json};

use crate::place::{AGENT, Place};

/// Commands that the starter policy `balanced` judges each in its way.
pub(crate) const ALLOWED: &str = "cargo test";
pub(crate) const WARNED: &str = "curl https://unlisted.example/data.json";
pub(crate) const REFUSED: &str = "rm -rf /etc";
pub(crate) const ASKED: &str = "git push --force origin main";

/// What it says when it has started.
const LINES: usize = 5;

/// Longer than any answer takes, so that a server that hangs fails a story instead of holding it up.
const PATIENCE: Duration = Duration::from_mins(1);

/// A server; killed where a story drops it.
pub(crate) struct Server {
    child: Child,
    messages: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts it and waits until it has said its lines. Its messages go to a file: nobody reads
    /// along, and a full pipe would stop it.
    pub(crate) fn start(mut command: Command, place: &Place) -> Self {
        let messages = place.home().join("messages");
        let err = File::create(&messages).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(err);
        let mut child = command.spawn().unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let lines: Vec<_> = out.lines().take(LINES).map(Result::unwrap).collect();
        let Some(address) = lines.first().and_then(|it| it.rsplit_once("http://")) else {
            let said = std::fs::read_to_string(&messages).unwrap();
            panic!("the server did not start: {:?}, {said}", child.wait());
        };
        Self { child, messages, address: address.1.parse().unwrap() }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Asks about one shell command.
    #[track_caller]
    pub(crate) fn check(&self, token: &str, command: &str) -> Reply {
        check(self.address, token, command).unwrap()
    }

    /// Reads a route.
    #[track_caller]
    pub(crate) fn get(&self, token: &str, path: &str) -> Reply {
        send(self.address, token, &format!("GET {path}"), &Value::Null).unwrap()
    }

    /// Sends JSON to a route.
    #[track_caller]
    pub(crate) fn post(&self, token: &str, path: &str, body: &Value) -> Reply {
        send(self.address, token, &format!("POST {path}"), body).unwrap()
    }

    /// Ends it by a signal and gives its exit code and its messages.
    pub(crate) fn end(mut self, signal: Signal) -> (Option<i32>, String) {
        rustix::process::kill_process(Pid::from_child(&self.child), signal).unwrap();
        let status = self.child.wait().unwrap();
        (status.code(), std::fs::read_to_string(&self.messages).unwrap())
    }

    /// Kills it while others still talk to it.
    pub(crate) fn kill(&self) {
        rustix::process::kill_process(Pid::from_child(&self.child), Signal::KILL).unwrap();
    }

    /// Ends it in order.
    #[track_caller]
    pub(crate) fn stop(self) {
        let (code, messages) = self.end(Signal::TERM);
        assert_eq!(code, Some(0), "{messages}");
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A whole answer.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) json: Value,
}

impl Reply {
    /// The name of the record that the answer points to.
    #[track_caller]
    pub(crate) fn record(&self) -> String {
        self.json["record"]["id"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned()
    }
}

/// Asks about one shell command, over a connection of its own; an error where no whole answer came.
pub(crate) fn check(address: SocketAddr, token: &str, command: &str) -> io::Result<Reply> {
    let action = json!({"kind": "bash", "command": command, "cwd": "/home/me/shop"});
    let body = json!({"agent_id": AGENT, "action": action});
    send(address, token, "POST /v1/actions/check", &body)
}

/// Sends JSON (`null`: nothing) to a route, given as method and path.
pub(crate) fn send(
    address: SocketAddr,
    token: &str,
    route: &str,
    body: &Value,
) -> io::Result<Reply> {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let head = format!(
        "{route} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\
         authorization: Bearer {token}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    stream.write_all(body.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    read(&answer).ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "half an answer"))
}

fn read(answer: &str) -> Option<Reply> {
    let (head, body) = answer.split_once("\r\n\r\n")?;
    let status = head.split(' ').nth(1)?.parse().ok()?;
    Some(Reply { status, json: serde_json::from_str(body).ok()? })
}
