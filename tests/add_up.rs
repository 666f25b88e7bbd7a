//! Conservation: through kills, history, log and event store add up, and what does not is named.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use rusqlite::Connection;
use rustix::process::Signal;
use serde_json::json;

use crate::{
    books::{Answered, Books},
    place::{AGENT, Place},
    server::{ALLOWED, REFUSED, Server, WARNED, send},
};

/// Asks in a session of its own; nothing where no whole answer came.
fn ask(server: &Server, token: &str, session: &str, command: &str) -> Option<Answered> {
    let action = json!({"kind": "bash", "command": command, "cwd": "/home/me/shop"});
    let body = json!({"agent_id": AGENT, "session_id": session, "action": action});
    let reply = send(server.address, token, "POST /v1/actions/check", &body).ok()?;
    assert_eq!(reply.status, 200, "{reply:?}");
    let decision = reply.json["decision"].as_str().unwrap().to_owned();
    Some(Answered { session: session.to_owned(), decision })
}

/// A directory at rest in which every way of the books was gone.
fn at_rest() -> Place {
    let place = Place::new();
    let token = place.agent_token();
    let server = place.serve("");
    for (session, command) in [("s-1", ALLOWED), ("s-2", WARNED), ("s-3", REFUSED)] {
        ask(&server, &token, session, command).unwrap();
    }
    server.stop();
    place
}

/// Changes one file of a directory at rest by hand.
fn change(path: &Path, sql: &str) {
    Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

/// The only day, or the one of two in which `session` is.
fn day_of(place: &Place, session: &str) -> PathBuf {
    let days = fs::read_dir(place.data_dir().join("events")).unwrap();
    let mut days = days.map(|it| it.unwrap().path()).filter(|it| it.extension().unwrap() == "db");
    let sql = "select count(*) from retention_event where session_id = ?1";
    days.find(|it| {
        let day = Connection::open(it).unwrap();
        day.query_row(sql, [session], |row| row.get::<_, i64>(0)).unwrap() > 0
    })
    .unwrap()
}

#[test]
fn mixed_checks_add_up_through_a_kill() {
    let place = Place::new();
    let token = place.agent_token();
    let (mut answers, mut asked) = (Vec::new(), BTreeSet::new());
    let mut check = |server: &Server, number: usize| {
        let command = [ALLOWED, WARNED, REFUSED][number % 3];
        let session = format!("s-{number}");
        asked.insert(session.clone());
        answers.extend(ask(server, &token, &session, command));
    };
    let server = place.serve("durability.refuse = \"spooled\"");
    for number in 0..60 {
        check(&server, number);
    }
    assert_eq!(server.end(Signal::KILL).0, None);
    let server = place.serve("");
    for number in 60..100 {
        check(&server, number);
    }
    server.stop();

    let books = Books::read(&place.data_dir());
    books.add_up();
    assert_eq!(answers.len(), 100);
    assert_eq!(books.faults_of(&answers, &asked), Vec::<String>::new());
    assert_eq!(books.gaps(), 0);
}

#[test]
fn an_event_that_is_gone_is_named() {
    for (session, fault) in [("s-1", "session s-1 was told allow"), ("s-3", "has no event")] {
        let place = at_rest();
        Books::read(&place.data_dir()).add_up();
        let sql = format!("delete from retention_event where session_id = '{session}'");
        change(&day_of(&place, session), &sql);
        let books = Books::read(&place.data_dir());
        let answers = [Answered { session: "s-1".to_owned(), decision: "allow".to_owned() }];
        let asked = ["s-1", "s-2", "s-3"].map(str::to_owned).into();
        let faults = [books.faults(), books.faults_of(&answers, &asked)].concat();
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert!(faults[0].contains(fault), "{faults:?}");
    }
}

#[test]
fn an_event_that_is_there_twice_or_came_from_nowhere_is_named() {
    let copy = |id: &str, more: &str| {
        format!(
            "insert into retention_event
             select at + 1, {id}, kind, agent_id, session_id, team_id, {more}, trace_id, salt, payload
             from retention_event where session_id = 's-3'"
        )
    };
    for (sql, faults) in [
        (copy("event_id", "subjects"), &["has 2 events", "is there twice"][..]),
        (copy("randomblob(16)", "subjects"), &["(action.refused) has no source"]),
    ] {
        let place = at_rest();
        change(&day_of(&place, "s-3"), &sql);
        let found = Books::read(&place.data_dir()).faults();
        assert_eq!(found.len(), faults.len(), "{found:?}");
        for (found, fault) in found.iter().zip(faults) {
            assert!(found.contains(fault), "{found}");
        }
    }
    let place = at_rest();
    let none: &[Answered] = &[];
    let asked = ["s-1", "s-3"].map(str::to_owned).into();
    let faults = Books::read(&place.data_dir()).faults_of(none, &asked);
    assert!(faults[0].contains("of a session that never asked"), "{faults:?}");
}

#[test]
fn a_record_that_is_gone_is_named_with_what_it_leaves_behind() {
    let place = at_rest();
    let log = place.data_dir().join("audit-log.db");
    let first = "delete from audit_log_entry where seq = 1";
    change(&log, &format!("drop trigger audit_log_entry_remains; {first}"));
    let faults = Books::read(&place.data_dir()).faults();
    for fault in ["history row gateway/1 has no record", "record 1 of ", "has no source"] {
        assert!(faults.iter().any(|it| it.contains(fault)), "{fault}: {faults:?}");
    }
}

#[test]
fn a_history_row_that_is_gone_and_a_cursor_that_lags_are_named() {
    let place = at_rest();
    change(
        &place.data_dir().join("gov.db"),
        "delete from gateway_history where history_id = (select max(history_id) from gateway_history)",
    );
    let day = day_of(&place, "s-3");
    change(&day, "update retention_source set seq = 2");
    let faults = Books::read(&place.data_dir()).faults();
    assert_eq!(faults.len(), 2, "{faults:?}");
    assert!(faults[0].ends_with("has no history row"), "{faults:?}");
    assert!(faults[1].starts_with("the event store has 2 of the "), "{faults:?}");
}
