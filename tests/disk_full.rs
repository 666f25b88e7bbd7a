//! A disk that is full: no answer without its record, and nothing that was acknowledged is lost.

use rustix::process::Signal;

use crate::{
    exported::{entries, refusals},
    place::Place,
    server::{ALLOWED, REFUSED, Reply, Server},
};

/// How large a file may become, in the 512 bytes that a POSIX shell counts by.
const BLOCKS: u32 = 2048;

/// More of these than fit.
const TRIES: usize = 400;

/// A server none of whose files can grow beyond [`BLOCKS`].
fn serve_in_small_files(place: &Place, config: &str) -> Server {
    let mut command = place.command("/bin/sh");
    let script = format!("ulimit -f {BLOCKS}; exec \"$0\" \"$@\"");
    command.arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_gov"));
    command.args(place.serve_arguments(config));
    Server::start(command, place)
}

fn what_was_acknowledged_is_kept_when_the_disk_fills(durability: &str) {
    let place = Place::new();
    let token = place.agent_token();
    // A request may take 30 s: who had to wait for that would be told `timeout`.
    let config = format!("durability.refuse = \"{durability}\"\nlog.flush_timeout = \"1s\"");
    let server = serve_in_small_files(&place, &config);
    let long = format!("{REFUSED} {}", "x".repeat(16 * 1024));
    let mut acknowledged = Vec::new();
    let full = (0..TRIES).map(|_| server.check(&token, &long)).find(|reply| {
        if reply.status == 200 {
            acknowledged.push(reply.record());
        }
        reply.status != 200
    });
    let full = full.expect("the disk never was full");
    assert!(!acknowledged.is_empty());
    let is_refused = |reply: &Reply| {
        let said = |key: &str| reply.json[key].as_str();
        (reply.status, said("code"), said("decision"))
            == (503, Some("not-recorded"), Some("refuse"))
    };
    assert!(is_refused(&full), "{full:?}");
    // It goes on: what needs no record is answered, what needs one is refused without.
    assert_eq!(server.check(&token, ALLOWED).json["decision"], "allow");
    let again = server.check(&token, &long);
    assert!(is_refused(&again), "{again:?}");
    let (code, messages) = server.end(Signal::TERM);
    assert!(matches!(code, Some(0 | 10)), "{code:?}: {messages}");

    // Somebody made room.
    place.serve("").stop();
    place.verify(&[]).ok();
    let entries = entries(&place.export());
    let mut logged = refusals(&entries);
    let all = logged.len();
    logged.sort_unstable();
    logged.dedup();
    assert_eq!(logged.len(), all, "a record is in the log twice");
    for id in &acknowledged {
        assert!(logged.binary_search(&id.as_str()).is_ok(), "{id} of {acknowledged:?} is lost");
    }
}

#[test]
fn durable_refusals_are_503_when_the_disk_is_full_and_none_before_is_lost() {
    what_was_acknowledged_is_kept_when_the_disk_fills("durable");
}

#[test]
fn spooled_refusals_are_503_when_the_disk_is_full_and_none_before_is_lost() {
    what_was_acknowledged_is_kept_when_the_disk_fills("spooled");
}
