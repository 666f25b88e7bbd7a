//! A small HTTP/1.1 receiver that keeps what it is sent, and fails as a test tells it to.

use std::{collections::BTreeMap, sync::Arc};

use gov_audit_buffer::{cloud_event, sink::conformance::Fault};
use gov_core::AuditEvent;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// One request as it came.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// Method and path.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

/// Listens until it is dropped.
#[derive(Debug)]
pub(crate) struct HttpDouble {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    /// Aborted with it.
    _serving: JoinSet<()>,
}

#[derive(Debug, Default)]
struct State {
    fault: Option<Fault>,
    /// An answer in place of every other: its status, its headers, its body.
    answer: Option<(u16, &'static str, String)>,
    kept: Vec<AuditEvent>,
    seen: Vec<Seen>,
}

impl HttpDouble {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook?key=s3cret", listener.local_addr().unwrap());
        let state = Arc::<Mutex<State>>::default();
        let shared = Arc::clone(&state);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let shared = Arc::clone(&shared);
                connections.spawn(async move { serve(stream, &shared).await });
            }
        });
        Self { url, state, _serving: serving }
    }

    pub(crate) fn stage(&self, fault: Option<Fault>) {
        self.state.lock().fault = fault;
    }

    pub(crate) fn answers(&self, status: u16, headers: &'static str, body: &str) {
        self.state.lock().answer = Some((status, headers, body.to_owned()));
    }

    pub(crate) fn kept(&self) -> Vec<AuditEvent> {
        self.state.lock().kept.clone()
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.state.lock().seen.clone()
    }
}

async fn serve(stream: TcpStream, state: &Mutex<State>) {
    let mut stream = BufReader::new(stream);
    while let Some(seen) = request(&mut stream).await {
        let answer = state.lock().answer(&seen);
        state.lock().seen.push(seen);
        // Without an answer the connection breaks.
        let Some((status, headers, body)) = answer else { return };
        let answer = format!(
            "HTTP/1.1 {status} Said\r\n{headers}content-length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.write_all(answer.as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn request(stream: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok().filter(|it| *it > 0)?;
    let mut headers = BTreeMap::new();
    loop {
        let mut header = String::new();
        stream.read_line(&mut header).await.ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        headers.insert(name.to_ascii_lowercase(), value.to_owned());
    }
    let mut body = vec![0; headers.get("content-length")?.parse().ok()?];
    stream.read_exact(&mut body).await.ok()?;
    Some(Seen { line: line.trim_end().to_owned(), headers, body })
}

impl State {
    fn answer(&mut self, seen: &Seen) -> Option<(u16, &'static str, String)> {
        if let Some(answer) = &self.answer {
            return Some(answer.clone());
        }
        let events = events(&seen.body);
        match &mut self.fault {
            Some(Fault::Down) => return Some((503, "retry-after: 7\r\n", "busy".to_owned())),
            Some(Fault::DownAfter(room)) if events.len() > *room => {
                *room = 0;
                return None;
            }
            Some(Fault::DownAfter(room)) => *room -= events.len(),
            Some(Fault::LosesAnswers) => {
                self.kept.extend(events);
                return None;
            }
            Some(Fault::Refuses(these)) if events.iter().any(|it| these.contains(&it.id)) => {
                return Some((422, "", "one of them is odd".to_owned()));
            }
            Some(Fault::Refuses(_)) | None => (),
        }
        self.kept.extend(events);
        Some((202, "", String::new()))
    }
}

/// Either form, told by what it is.
fn events(body: &[u8]) -> Vec<AuditEvent> {
    let decode = |json: &str| cloud_event::decode(json.as_bytes()).unwrap();
    if body.starts_with(b"[") {
        let all: Vec<&serde_json::value::RawValue> = serde_json::from_slice(body).unwrap();
        return all.iter().map(|it| decode(it.get())).collect();
    }
    let logs: Value = serde_json::from_slice(body).unwrap();
    let records = logs.pointer("/resourceLogs/0/scopeLogs/0/logRecords").unwrap();
    let text = |it: &Value| it.pointer("/body/stringValue").unwrap().as_str().unwrap().to_owned();
    records.as_array().unwrap().iter().map(|it| decode(&text(it))).collect()
}
