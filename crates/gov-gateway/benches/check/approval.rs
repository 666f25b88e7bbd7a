//! An approval from the question to its use, one after the other on one connection.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};

use crate::{
    load::{Client, request},
    server::AGENT,
};

/// How long each step took, sorted.
#[derive(Default)]
pub(crate) struct Spans {
    /// The question that a human must answer, until it is held.
    pub(crate) held: Vec<Duration>,
    /// The human's answer.
    pub(crate) decided: Vec<Duration>,
    /// The same question again, until it is allowed.
    pub(crate) used: Vec<Duration>,
}

/// Asks, approves and asks again, `count` times with an action of its own.
pub(crate) fn walk(address: SocketAddr, [agent, approver]: [&str; 2], count: usize) -> Spans {
    let mut client = Client::connect(address);
    let mut spans = Spans::default();
    for number in 0..count {
        let command = format!("git push --force origin branch-{number}");
        let action = json!({"kind": "bash", "command": command, "cwd": "/home/me/project"});
        let check = json!({"agent_id": AGENT, "session_id": "bench", "action": action}).to_string();
        let check = request("POST /v1/actions/check", address, agent, &check);

        let (span, held) = client.send(&check);
        spans.held.push(span);
        let id = read(&held, "/approval/id");
        let path = format!("/v1/approvals/{id}");
        let (_, shown) = client.send(&request(&format!("GET {path}"), address, approver, ""));
        let decision = json!({"decision": "approve", "digest": read(&shown, "/digest")});
        let route = format!("POST {path}/decision");
        let (span, _) = client.send(&request(&route, address, approver, &decision.to_string()));
        spans.decided.push(span);
        let (span, used) = client.send(&check);
        assert_eq!(read(&used, "/decision"), "allow", "{used}");
        spans.used.push(span);
    }
    for spans in [&mut spans.held, &mut spans.decided, &mut spans.used] {
        spans.sort();
    }
    spans
}

fn read(answer: &str, pointer: &str) -> String {
    let json: Value = serde_json::from_str(answer).unwrap();
    let text = json.pointer(pointer).and_then(Value::as_str);
    text.unwrap_or_else(|| panic!("no `{pointer}` in {answer}")).to_owned()
}
