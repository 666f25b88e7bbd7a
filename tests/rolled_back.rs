//! A log that was put back from a copy: found, refused, and gone on from in the open.

use std::fs;

use crate::{
    exported::{entries, files, refusals},
    flipped_bytes::every_flip_is_found,
    judge::judge,
    place::Place,
    server::{REFUSED, Server},
};

/// The verifier's word that what the second epoch admits as lost is settled.
const SETTLED: &[&str] = &["--from-epoch", "2"];

fn refuse(server: &Server, token: &str, count: usize) -> Vec<String> {
    (0..count).map(|_| server.check(token, REFUSED).record()).collect()
}

#[test]
fn a_log_that_was_put_back_is_refused_until_a_person_accepts_it_in_a_new_epoch() {
    let place = Place::new();
    let token = place.agent_token();
    let log = place.data_dir().join("audit-log.db");
    let server = place.serve("");
    let kept = refuse(&server, &token, 3);
    server.stop();
    let copy = fs::read(&log).unwrap();
    let server = place.serve("");
    refuse(&server, &token, 4);
    server.stop();
    let whole = entries(&place.export()).len();
    fs::write(&log, copy).unwrap();

    let outside = place.data_dir().join("checkpoints/checkpoints.log");
    let known = fs::read(&outside).unwrap();
    let ran = place.run(&["serve", "--listen", "127.0.0.1:0"]);
    ran.failed(4, "rollback detected: the outside copy knows");
    ran.failed(4, "gov audit accept-rollback --reason");
    assert_eq!(fs::read(&outside).unwrap(), known, "nothing new was signed");
    assert_eq!(place.verify(&[]).code, Some(1), "the log ends before what is known outside");

    place.accept_rollback("the disk was restored");
    let server = place.serve("");
    let new = refuse(&server, &token, 2);
    place.verify(SETTLED).ok();
    server.stop();
    place.verify(SETTLED).ok();
    let lossy = place.verify(&[]);
    assert_eq!(lossy.code, Some(1), "what was lost stays lost: {lossy:?}");

    fs::remove_dir_all(place.home().join("export")).unwrap();
    let export = place.export();
    place.verify_export(&export, SETTLED).ok();
    assert_eq!(place.verify_export(&export, &[]).code, Some(1));
    let older = entries(&export.join("epoch/1"));
    assert_eq!(refusals(&older), kept, "what survived");
    assert!(older.len() < whole);
    let entries = entries(&export);
    assert_eq!(refusals(&entries), new);
    assert!(entries[0].to_string().contains("rollback"), "{}", entries[0]);
    for dir in [export.clone(), export.join("epoch/1")] {
        if let Some(judged) = judge(&dir) {
            judged.ok();
        }
    }

    let found = every_flip_is_found(&place, &export, SETTLED);
    assert_eq!(found.len(), files(&export).len());
    assert!(found.iter().any(|it| it == "first-checkpoint"), "{found:?}");
    assert!(found.iter().any(|it| it == "epoch/1/checkpoint"), "{found:?}");
}
