//! Conservation at length: ten thousand mixed checks, and a server that is killed again and again.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc::{SyncSender, sync_channel},
    },
    thread,
};

use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::{
    books::{Answered, Books},
    exported::entries,
    place::{AGENT, Place},
    server::{ALLOWED, REFUSED, Server, WARNED, send},
};

/// Questions in all.
const CHECKS: usize = 10_000;

/// Clients that ask at once.
const CLIENTS: usize = 8;

/// After how many answers each server but the last is killed.
const KILLS: [usize; 4] = [700, 1_900, 2_600, 1_300];

/// What the clients saw.
#[derive(Default)]
struct Seen {
    answers: Vec<Answered>,
    asked: BTreeSet<String>,
    /// Records that were acknowledged: of held questions, and of approvals that were used.
    held: Vec<String>,
    used: Vec<String>,
    /// How often each approval released its action.
    uses: BTreeMap<String, usize>,
}

/// Who asks and who decides.
struct Tokens {
    agent: String,
    approver: String,
}

/// One question after the other, until all are asked or nobody answers any more, which only a server
/// that is killed may do.
fn ask_all(
    server: &Server,
    is_killed: bool,
    tokens: &Tokens,
    next: &AtomicUsize,
    done: &SyncSender<()>,
    seen: &Mutex<Seen>,
) {
    loop {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= CHECKS {
            return;
        }
        if let Err(error) = ask_one(server, tokens, number, seen) {
            assert!(is_killed, "question {number} is not answered: {error}");
            return;
        }
        // Once the server is killed nobody counts any more.
        let _ = done.send(());
    }
}

/// Nine of ten are answered by the policy; of the rest every second is approved and used.
fn ask_one(server: &Server, tokens: &Tokens, number: usize, seen: &Mutex<Seen>) -> io::Result<()> {
    let session = format!("s-{number}");
    seen.lock().asked.insert(session.clone());
    let command = match number % 20 {
        0..12 => ALLOWED.to_owned(),
        12..15 => WARNED.to_owned(),
        15..18 => REFUSED.to_owned(),
        _ => format!("git push --force origin branch-{number}"),
    };
    let check = || -> io::Result<Value> {
        let action = json!({"kind": "bash", "command": command, "cwd": "/home/me/shop"});
        let body = json!({"agent_id": AGENT, "session_id": session, "action": action});
        let reply = send(server.address, &tokens.agent, "POST /v1/actions/check", &body)?;
        assert_eq!(reply.status, 200, "{reply:?}");
        Ok(reply.json)
    };
    let answer = check()?;
    let decision = answer["decision"].as_str().unwrap();
    if decision != "require_approval" {
        seen.lock().answers.push(Answered { session, decision: decision.to_owned() });
        return Ok(());
    }
    seen.lock().held.push(record(&answer));
    if number % 20 == 18 {
        return Ok(());
    }
    let id = answer["approval"]["id"].as_str().unwrap();
    let path = format!("/v1/approvals/{id}");
    let shown = send(server.address, &tokens.approver, &format!("GET {path}"), &Value::Null)?;
    let decision = json!({"decision": "approve", "digest": shown.json["digest"]});
    let route = format!("POST {path}/decision");
    let decided = send(server.address, &tokens.approver, &route, &decision)?;
    assert_eq!(decided.status, 200, "{decided:?}");
    let used = check()?;
    assert_eq!(used["decision"], "allow", "{used}");
    let mut seen = seen.lock();
    seen.used.push(record(&used));
    *seen.uses.entry(id.to_owned()).or_default() += 1;
    Ok(())
}

fn record(answer: &Value) -> String {
    answer["record"]["id"].as_str().unwrap().to_owned()
}

#[test]
fn ten_thousand_mixed_checks_add_up_through_four_kills() {
    let place = Place::new();
    let tokens =
        Tokens { agent: place.agent_token(), approver: place.approver_token("olga", &["ops"]) };
    let (seen, next) = (Mutex::new(Seen::default()), AtomicUsize::new(0));
    let kills = KILLS.map(Some).into_iter().chain([None]);
    for (round, kill_after) in kills.enumerate() {
        let durability = ["durable", "spooled"][round % 2];
        let server = place.serve(&format!("durability.refuse = \"{durability}\""));
        let (done, counted) = sync_channel(CLIENTS);
        let is_killed = kill_after.is_some();
        thread::scope(|it| {
            for _ in 0..CLIENTS {
                let (done, server, tokens, next, seen) =
                    (done.clone(), &server, &tokens, &next, &seen);
                it.spawn(move || ask_all(server, is_killed, tokens, next, &done, seen));
            }
            drop(done);
            let answers = counted.iter().take(kill_after.unwrap_or(CHECKS)).count();
            if kill_after.is_some_and(|it| it == answers) {
                server.kill();
            }
            drop(counted);
        });
        if kill_after.is_none() {
            server.stop();
        }
    }

    let seen = seen.into_inner();
    assert_eq!(seen.asked.len(), CHECKS);
    assert!(seen.uses.values().all(|it| *it == 1), "an approval was used twice");
    let books = Books::read(&place.data_dir());
    books.add_up();
    assert_eq!(books.faults_of(&seen.answers, &seen.asked), Vec::<String>::new());
    assert_eq!(books.gaps(), 0);
    place.verify(&[]).ok();
    let entries = entries(&place.export());
    for (kind, acknowledged) in
        [("approval.requested", &seen.held), ("approval.consumed", &seen.used)]
    {
        let logged: Vec<_> = entries.iter().filter(|it| it["kind"] == kind).collect();
        let ids: BTreeSet<_> = logged.iter().map(|it| it["id"].as_str().unwrap()).collect();
        assert_eq!(ids.len(), logged.len(), "a record of {kind} is in the log twice");
        let lost: Vec<_> = acknowledged.iter().filter(|it| !ids.contains(it.as_str())).collect();
        assert_eq!(lost, Vec::<&String>::new(), "{kind}");
    }
}
