//! SIGKILL under load: what was acknowledged is in the log, and nothing is in it twice.

use std::{
    collections::BTreeSet,
    sync::{
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
    thread,
};

use rustix::process::Signal;

use crate::{
    exported::{entries, refusals},
    judge::judge,
    place::Place,
    server::{REFUSED, Server, check},
};

/// Clients that ask at once.
const CLIENTS: usize = 8;

/// Answers that nobody has looked at yet: enough that no client waits for us.
const BACKLOG: usize = 1000;

/// What the clients of one server saw before it was killed.
#[derive(Default)]
struct Load {
    acknowledged: Vec<String>,
    asked: usize,
}

/// Kills the server after `answers` answers, while every client has another question out.
fn kill_under_load(server: Server, token: &str, durability: &str, answers: usize) -> Load {
    let (acknowledge, acknowledged) = mpsc::sync_channel(BACKLOG);
    let (address, asked) = (server.address, AtomicUsize::new(0));
    let mut load = Load::default();
    thread::scope(|it| {
        for _ in 0..CLIENTS {
            let (acknowledge, asked) = (acknowledge.clone(), &asked);
            it.spawn(move || {
                loop {
                    asked.fetch_add(1, Ordering::Relaxed);
                    let Ok(reply) = check(address, token, REFUSED) else { return };
                    assert_eq!(reply.json["record"]["durability"], durability, "{reply:?}");
                    acknowledge.send(reply.record()).unwrap();
                }
            });
        }
        drop(acknowledge);
        load.acknowledged.extend(acknowledged.iter().take(answers));
        assert_eq!(server.end(Signal::KILL).0, None, "it ended by itself");
        // Until the last client has seen that nobody answers any more.
        load.acknowledged.extend(acknowledged);
    });
    load.asked = asked.into_inner();
    load
}

#[test]
fn what_was_acknowledged_before_a_kill_is_in_the_log_exactly_once() {
    let place = Place::new();
    let token = place.agent_token();
    let mut all = Load::default();
    // One directory through all of it: each start takes up what the killed one before left.
    for (durability, answers) in
        [("durable", 1), ("spooled", 150), ("durable", 60), ("spooled", 40)]
    {
        let server = place.serve(&format!("durability.refuse = \"{durability}\""));
        let load = kill_under_load(server, &token, durability, answers);
        assert!(load.acknowledged.len() >= answers);
        all.acknowledged.extend(load.acknowledged);
        all.asked += load.asked;
    }
    place.serve("").stop();

    place.verify(&[]).ok();
    let export = place.export();
    place.verify_export(&export, &[]).ok();
    let entries = entries(&export);
    let logged = refusals(&entries);
    let distinct: BTreeSet<_> = logged.iter().copied().collect();
    assert_eq!(distinct.len(), logged.len(), "a record is in the log twice");
    let lost: Vec<_> =
        all.acknowledged.iter().filter(|it| !distinct.contains(it.as_str())).collect();
    assert_eq!(lost, Vec::<&String>::new(), "of {} acknowledged", all.acknowledged.len());
    // What was not answered any more may be there, but nothing that was never asked.
    assert!(logged.len() <= all.asked, "{} records of {} questions", logged.len(), all.asked);
    assert!(!entries.iter().any(|it| it["kind"] == "audit.gap"), "the machine never went down");
    if let Some(judged) = judge(&export) {
        assert_eq!(judged.ok().out, format!("{} records ok\n", entries.len()));
    }
}
