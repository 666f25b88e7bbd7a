//! The refusal path with a remote sink: on record, in the buffer, on its subject once and in order,
//! whatever is killed on the way.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use crate::{
    place::Place,
    server::{ALLOWED, REFUSED, Server},
    stream::{Message, Nats},
};

/// Longer than any pause between two tries.
const PATIENCE: Duration = Duration::from_mins(1);

/// Waits until the sink has everything that was answered so far.
#[expect(clippy::disallowed_methods, reason = "bounds the wait for another process")]
fn shipped(server: &Server, admin: &str, at_least: u64) {
    let began = Instant::now();
    loop {
        let status = server.get(admin, "/v1/audit/buffer").json;
        if status["waiting"] == 0 && status["acked"].as_u64() >= Some(at_least) {
            return;
        }
        assert!(began.elapsed() < PATIENCE, "not shipped: {status}");
        std::thread::yield_now();
    }
}

/// The records of refused actions, as the subject has them.
fn refused(messages: &[Message]) -> Vec<String> {
    let refused = messages.iter().filter(|it| it.kind() == "gov.action.refused");
    refused.map(|it| it.record().unwrap()).collect()
}

#[test]
fn a_refused_action_reaches_its_subject_once_in_order_through_an_outage_and_a_killed_gateway() {
    let place = Place::new();
    let (token, admin) = (place.agent_token(), place.admin_token());
    let Some(mut nats) = Nats::start(&place) else { return };
    let mut records = Vec::new();
    let mut allowed = 0;
    let mut ask = |server: &Server, rounds: usize| {
        for _ in 0..rounds {
            records.push(server.check(&token, REFUSED).record());
            assert_eq!(server.check(&token, ALLOWED).json["decision"], json!("allow"));
            allowed += 1;
        }
    };
    let server = place.serve(&nats.section());
    ask(&server, 5);
    shipped(&server, &admin, 10);

    nats.server.kill();
    ask(&server, 5);
    let (code, _) = server.end(Signal::KILL);
    assert_eq!(code, None, "killed while events wait");
    let server = place.serve(&nats.section());
    ask(&server, 5);

    nats.server.restart();
    ask(&server, 5);
    shipped(&server, &admin, 40);
    nats.server.pause();
    ask(&server, 2);
    nats.server.resume();
    shipped(&server, &admin, 44);
    server.stop();

    let messages = nats.messages();
    assert_eq!(refused(&messages), records, "once, and in the order of the log");
    let of_allowed = messages.iter().filter(|it| it.kind() == "gov.action.allowed").count();
    assert_eq!(of_allowed, allowed);
    let seqs: Vec<_> = messages.iter().map(|it| it.seq).collect();
    let all: Vec<_> = (1..=messages.len() as u64).collect();
    assert_eq!(seqs, all, "no gap, no repeat, in order");
    assert!(messages.iter().all(|it| it.subject == messages[0].subject));
    assert!(messages[0].subject.starts_with("gov.audit."), "{}", messages[0].subject);
    place.verify(&[]).ok();
}

#[test]
fn a_gateway_that_stops_while_its_sink_is_away_says_that_work_is_left() {
    let place = Place::new();
    let (token, admin) = (place.agent_token(), place.admin_token());
    let Some(mut nats) = Nats::start(&place) else { return };
    nats.server.stop();
    let section = format!("log.flush_timeout = \"0s\"\n{}", nats.section());
    let server = place.serve(&section);
    let record = server.check(&token, REFUSED).record();
    let (code, messages) = server.end(Signal::TERM);
    assert_eq!(code, Some(10), "{messages}");
    let at_rest = place.run(&["audit", "buffer", "peek", "--limit", "100", "--json"]).ok();
    assert!(at_rest.out.contains(&record), "{}", at_rest.out);

    nats.server.restart();
    let server = place.serve(&nats.section());
    shipped(&server, &admin, 1);
    server.stop();
    assert_eq!(refused(&nats.messages()), [record]);
}

#[test]
fn what_was_shipped_is_in_another_event_store_once_however_often_it_is_taken_in() {
    let place = Place::new();
    let (token, admin) = (place.agent_token(), place.admin_token());
    let Some(nats) = Nats::start(&place) else { return };
    let server = place.serve(&nats.section());
    let records: Vec<_> = (0..3).map(|_| server.check(&token, REFUSED).record()).collect();
    server.check(&token, ALLOWED);
    shipped(&server, &admin, 4);
    server.stop();

    let other = Place::new();
    let url = nats.server.url();
    for durable in ["one", "one", "two"] {
        other.run(&["ingest", "--once", "--url", &url, "--durable", durable]).ok();
    }
    let found = |kind: &str| {
        let asked = ["audit", "events", "--oldest-first", "--json", "--kind", kind];
        let out = other.run(&asked).ok().out;
        let items = out.lines().map(|it| serde_json::from_str::<serde_json::Value>(it).unwrap());
        items.collect::<Vec<_>>()
    };
    let of = |it: &serde_json::Value| it["subjects"]["record_id"].as_str().unwrap().to_owned();
    assert_eq!(found("action.refused").iter().map(of).collect::<Vec<_>>(), records);
    assert_eq!(found("action.allowed").len(), 1);
}
