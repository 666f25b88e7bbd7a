//! How a server ends, and what the next one finds.

use rustix::process::Signal;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::{
    check_door::REFUSED,
    http,
    process::{Place, Serving, database},
    running::AGENT,
};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

pub(crate) fn agent_token(place: &Place) -> String {
    let ran = place.run(&["tokens", "create", "--scope", "agent", "--agent", AGENT, "--json"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    json["token"].as_str().unwrap().to_owned()
}

fn body(command: &str) -> String {
    let action = serde_json::json!({"kind": "bash", "command": command, "cwd": "/home/me/p"});
    serde_json::json!({"agent_id": AGENT, "action": action}).to_string()
}

fn headers(it: &Serving, token: &str, body: &str) -> Vec<String> {
    vec![
        format!("host: {}", it.address),
        format!("authorization: Bearer {token}"),
        format!("content-length: {}", body.len()),
    ]
}

pub(crate) fn check(it: &Serving, token: &str, command: &str) -> Value {
    let body = body(command);
    let headers = headers(it, token, &body);
    let sent = http::send(it.address, "POST /v1/actions/check", &headers, body.as_bytes());
    runtime().block_on(sent).json()
}

fn kinds(place: &Place) -> Vec<String> {
    let db = database(&place.data_dir(), "audit-log.db");
    let mut rows = db.prepare("select entry from audit_log_entry order by seq").unwrap();
    rows.query_map([], |row| row.get::<_, Vec<u8>>(0))
        .unwrap()
        .map(|it| {
            let entry: Value = serde_json::from_slice(&it.unwrap()).unwrap();
            entry["kind"].as_str().unwrap().to_owned()
        })
        .collect()
}

#[test]
fn both_signals_end_it_in_order_with_0() {
    for signal in [Signal::TERM, Signal::INT] {
        let place = Place::new();
        let (code, error) = place.serve(&[]).end(signal);
        assert_eq!(code, Some(0), "{error}");
        let ended = "select ended_at is not null from gateway_run";
        let db = database(&place.data_dir(), "gov.db");
        assert!(db.query_row(ended, [], |row| row.get::<_, bool>(0)).unwrap());
    }
}

#[test]
fn a_request_in_flight_is_answered_before_the_server_ends() {
    let place = Place::new();
    let token = agent_token(&place);
    let it = place.serve(&[]);
    let body = body(REFUSED);
    let (first, last) = body.split_at(body.len() - 1);
    let head = format!(
        "POST /v1/actions/check HTTP/1.1\r\n{}\r\n\r\n{first}",
        headers(&it, &token, &body).join("\r\n")
    );
    let address = it.address;
    runtime().block_on(async {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        // The server is known to have this connection once it has answered another one behind it.
        let host = [format!("host: {address}")];
        http::send(address, "GET /healthz", &host, b"").await;
        let ending = tokio::task::spawn_blocking(move || it.end(Signal::TERM));
        // It takes no more connections, and waits for this one.
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
        stream.write_all(last.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.contains("\"decision\":\"refuse\""), "{answer}");
        assert_eq!(ending.await.unwrap().0, Some(0));
    });
    assert_eq!(kinds(&place).iter().filter(|it| *it == "action.refused").count(), 1);
}

#[test]
fn what_was_acknowledged_survives_a_kill_in_either_durability() {
    for durability in ["durable", "spooled"] {
        let place = Place::new();
        let token = agent_token(&place);
        let file = place.write("gov.toml", &format!("durability.refuse = \"{durability}\""));
        let it = place.serve(&["--config", file.to_str().unwrap()]);
        for _ in 0..5 {
            assert_eq!(check(&it, &token, REFUSED)["record"]["durability"], durability);
        }
        assert_eq!(it.end(Signal::KILL).0, None);
        let (code, error) = place.serve(&[]).end(Signal::TERM);
        assert_eq!(code, Some(0), "{error}");
        let kinds = kinds(&place);
        assert_eq!(kinds.iter().filter(|it| *it == "action.refused").count(), 5, "{kinds:?}");
        // The machine did not go down, so nothing can be missing.
        assert!(!kinds.contains(&"audit.gap".to_owned()), "{kinds:?}");
    }
}

#[test]
fn a_power_loss_leaves_one_record_that_bounds_what_may_be_missing() {
    let place = Place::new();
    place.serve(&[]).end(Signal::KILL);
    let other_boot = "update gateway_run set boot_id = 'another boot'";
    assert_eq!(database(&place.data_dir(), "gov.db").execute(other_boot, []).unwrap(), 1);
    let gaps = |place: &Place| {
        let db = database(&place.data_dir(), "gov.db");
        let gaps = "select payload from gateway_history where kind = 'audit.gap'";
        let mut rows = db.prepare(gaps).unwrap();
        let rows = rows.query_map([], |row| row.get::<_, Vec<u8>>(0)).unwrap();
        rows.map(|it| serde_json::from_slice::<Value>(&it.unwrap()).unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(place.serve(&[]).end(Signal::TERM).0, Some(0));
    assert_eq!(kinds(&place).iter().filter(|it| *it == "audit.gap").count(), 1);
    let [gap] = &gaps(&place)[..] else { panic!("{:?}", gaps(&place)) };
    assert_eq!((&gap["cause"], &gap["boot_id"]), (&"power_loss".into(), &"another boot".into()));
    assert_eq!(gap["missing_at_most"]["spooled_milliseconds"], 5);
    assert_eq!(gap["missing_at_most"]["spooled_bytes"], 1024 * 1024);

    // The run after that ended in order, so another boot is nothing to report.
    assert_eq!(database(&place.data_dir(), "gov.db").execute(other_boot, []).unwrap(), 1);
    place.serve(&[]).end(Signal::TERM);
    assert_eq!(gaps(&place).len(), 1);
}
