//! `gov hook claude-code` as a process: whatever is in doubt blocks.

use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use serde_json::{Value, json};

use crate::process::{Place, Ran};

/// Any well-formed token: the servers here do not look at it.
const TOKEN: (&str, &str) = ("GOV_TOKEN", "gov_a_b");

fn call(command: &str) -> Value {
    json!({
        "session_id": "s1", "transcript_path": "/t", "cwd": "/home/me/p",
        "hook_event_name": "PreToolUse", "tool_name": "Bash",
        "tool_input": {"command": command},
    })
}

fn hook(place: &Place, url: &str, input: &[u8]) -> Ran {
    place.run_on(&[TOKEN], &["hook", "claude-code", "--url", url], input)
}

/// It blocked: code 2, nothing on standard output, the reason in one line on standard error.
fn blocked(ran: &Ran, reason: &str) {
    assert_eq!((ran.code, &*ran.out), (2, ""), "{ran:?}");
    assert!(ran.err.contains(reason) && ran.err.lines().count() == 1, "wanted {reason}: {ran:?}");
}

/// A server that reads one request and answers it with this head and body.
fn answering(head: &str, body: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let answer = format!("{head}\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut seen = Vec::new();
        let mut buffer = [0; 4096];
        while !seen.ends_with(b"}") {
            let n = stream.read(&mut buffer).unwrap();
            seen.extend_from_slice(&buffer[..n]);
        }
        stream.write_all(answer.as_bytes()).unwrap();
    });
    url
}

#[test]
fn input_that_cannot_be_judged_is_blocked() {
    let place = Place::new();
    let mut wrong = call("ls");
    wrong["hook_event_name"] = "PostToolUse".into();
    for (input, reason) in [
        (String::new(), "the hook's input is not valid"),
        ("{".to_owned(), "the hook's input is not valid"),
        ("[]".to_owned(), "must be an object"),
        (r#"{"a": 1, "a": 2}"#.to_owned(), "the hook's input is not valid"),
        (json!({"hook_event_name": "PreToolUse"}).to_string(), "`session_id` must be"),
        (wrong.to_string(), "judges PreToolUse events, not `PostToolUse`"),
    ] {
        blocked(&hook(&place, "http://127.0.0.1:1", input.as_bytes()), reason);
    }
}

#[test]
fn input_without_end_is_blocked_at_its_limit() {
    let place = Place::new();
    let input = vec![b' '; 32 * 1024 * 1024 + 1];
    blocked(&hook(&place, "http://127.0.0.1:1", &input), "must be at most 33554432 bytes");
}

#[test]
fn without_a_server_or_with_a_wrong_one_it_is_blocked() {
    let place = Place::new();
    let input = call("ls").to_string();
    let refused = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    blocked(&hook(&place, &format!("http://{refused}"), input.as_bytes()), "no gov server answers");
    blocked(&hook(&place, "nonsense", input.as_bytes()), "is not the URL of a server");
    let url = answering("I am a teapot", "");
    blocked(&hook(&place, &url, input.as_bytes()), "is no gov server");
    let file = ["hook", "claude-code", "--token-file", "/nowhere"];
    let ran = place.run_on(&[], &file, input.as_bytes());
    blocked(&ran, "cannot read the token file `/nowhere`");
}

#[test]
fn a_server_that_never_answers_is_blocked_in_time() {
    let place = Place::new();
    // The kernel takes the connection; nobody ever reads from it.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let command = ["hook", "claude-code", "--url", &url, "--timeout", "1"];
    let ran = place.run_on(&[TOKEN], &command, call("ls").to_string().as_bytes());
    assert_eq!((ran.code, &*ran.out), (2, ""), "{ran:?}");
    assert!(ran.err.contains("within 1s"), "{ran:?}");
}

#[test]
fn every_answer_but_a_plain_yes_is_blocked() {
    let place = Place::new();
    let input = call("ls").to_string();
    let full = r#"{"code":"not-recorded","decision":"allow","detail":"full"}"#;
    let moved = "HTTP/1.1 302 x\r\nlocation: http://127.0.0.1:1/";
    for (head, body, reason) in [
        ("HTTP/1.1 503 x", full, "full (not-recorded, status 503)"),
        ("HTTP/1.1 401 x", r#"{"decision":"allow"}"#, "the server answered with status 401"),
        (moved, r#"{"decision":"allow"}"#, "the server answered with status 302"),
        ("HTTP/1.1 200 x", "{}", "the server's answer is odd"),
    ] {
        blocked(&hook(&place, &answering(head, body), input.as_bytes()), reason);
    }
}

#[test]
fn the_hook_says_nothing_to_what_is_allowed_and_names_the_record_of_what_is_refused() {
    let place = Place::new();
    let settings = place.path("settings.json");
    let install = ["install", "claude-code", "--yes", "--settings", settings.to_str().unwrap()];
    assert_eq!(place.run(&install).code, 0);
    let it = place.serve(&[]);
    let file = place.data_dir().join("credentials/claude-code.token");
    let (url, file) = (it.url(), file.to_str().unwrap().to_owned());
    let command = ["hook", "claude-code", "--url", &url, "--token-file", &file];
    let allowed = place.run_on(&[], &command, call("ls").to_string().as_bytes());
    assert_eq!((allowed.code, &*allowed.out, &*allowed.err), (0, "", ""), "{allowed:?}");
    let refused = place.run_on(&[], &command, call("rm -rf /etc").to_string().as_bytes());
    blocked(&refused, "gov refused this action");
    blocked(&refused, "record rec_");
    let held = place.run_on(&[], &command, call("git push --force").to_string().as_bytes());
    blocked(&held, "a human must approve it first");
    let other = [&command[..], &["--agent", "other"]].concat();
    blocked(&place.run_on(&[], &other, call("ls").to_string().as_bytes()), "speak");
}
