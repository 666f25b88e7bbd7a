//! `gov audit`, as an auditor and an operator run it.

use rustix::process::Signal;
use serde_json::Value;

use crate::process::{Place, Ran};

/// A data directory with a log of some records, and its export.
fn exported() -> (Place, String) {
    let place = Place::new();
    assert_eq!(place.run(&["init"]).code, 0);
    for agent in ["a", "b"] {
        let ran = place.run(&["tokens", "create", "--scope", "agent", "--agent", agent]);
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    // The history of these changes reaches the log when a server runs.
    let server = place.serve(&[]);
    assert_eq!(server.end(Signal::TERM).0, Some(0));
    let to = place.path("export").to_str().unwrap().to_owned();
    let ran = place.run(&["audit", "export", &to]);
    assert_eq!(ran.code, 0, "{ran:?}");
    (place, to)
}

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap_or_else(|_| panic!("not JSON: {ran:?}"))
}

#[test]
fn a_good_log_is_ok_in_place_and_exported_and_says_whose_keys_were_trusted() {
    let (place, export) = exported();
    let vkey = format!("{export}/vkey");
    for (arguments, keys) in [
        (&["audit", "verify", "--json"][..], "key_directory"),
        (&["audit", "verify", "--json", "--export", &export], "beside_the_log"),
        (&["audit", "verify", "--json", "--export", &export, "--key", &vkey], "given"),
    ] {
        let ran = place.run(arguments);
        assert_eq!(ran.code, 0, "{ran:?}");
        let report = json(&ran);
        assert_eq!((&report["ok"], &report["keys"]), (&Value::from(true), &Value::from(keys)));
        assert!(report["epochs"][0]["size"].as_u64().unwrap() > 2, "{report}");
    }
    let ran = place.run(&["audit", "verify"]);
    assert!(ran.out.contains("integrity: ok\ncompleteness: ok"), "{ran:?}");
    let ran = place.run(&["audit", "verify", "--export", &export]);
    assert!(ran.out.contains("give the key you trust with --key"), "{ran:?}");
}

#[test]
fn a_log_that_outran_the_kept_checkpoint_is_ok_and_a_shortened_one_is_not() {
    let (place, export) = exported();
    let kept = place.path("kept");
    std::fs::copy(format!("{export}/checkpoint"), &kept).unwrap();
    let kept = kept.to_str().unwrap();
    place.run(&["tokens", "create", "--scope", "agent", "--agent", "c"]);
    assert_eq!(place.serve(&[]).end(Signal::TERM).0, Some(0));
    assert_eq!(place.run(&["audit", "verify", "--from-checkpoint", kept]).code, 0);

    let longer = place.path("longer").to_str().unwrap().to_owned();
    assert_eq!(place.run(&["audit", "export", &longer]).code, 0);
    let newer = format!("{longer}/checkpoint");
    let ran =
        place.run(&["audit", "verify", "--export", &export, "--from-checkpoint", &newer, "--json"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert_eq!(json(&ran)["completeness"]["verdict"], "failed");
}

/// Whoever can rewrite the database can put another key into it; the key directory is apart.
#[test]
fn a_data_directory_is_judged_by_its_key_directory_and_its_outside_copy() {
    let (place, _) = exported();
    let (other, _) = exported();
    let of = |place: &Place, name: &str| place.data_dir().join(name);
    let outside = "checkpoints/checkpoints.log";
    std::fs::copy(of(&other, "audit-log.db"), of(&place, "audit-log.db")).unwrap();
    std::fs::copy(of(&other, outside), of(&place, outside)).unwrap();
    let ran = place.run(&["audit", "verify"]);
    assert!(ran.code == 1 || ran.code == 4, "the database of another log passed: {ran:?}");

    std::fs::remove_file(of(&other, outside)).unwrap();
    let ran = other.run(&["audit", "verify"]);
    assert_eq!(ran.code, 4, "{ran:?}");
    assert!(ran.out.contains("completeness: could not be judged: the outside copy"), "{ran:?}");
}

/// A checkpoint that the auditor kept adds to the outside copy; it does not stand in for it.
#[test]
fn an_older_checkpoint_does_not_hide_a_rollback() {
    let (place, export) = exported();
    let database = place.data_dir().join("audit-log.db");
    let before = std::fs::read(&database).unwrap();
    place.run(&["tokens", "create", "--scope", "agent", "--agent", "c"]);
    assert_eq!(place.serve(&[]).end(Signal::TERM).0, Some(0));
    std::fs::write(&database, before).unwrap();
    let kept = format!("{export}/checkpoint");
    let ran = place.run(&["audit", "verify", "--from-checkpoint", &kept]);
    assert_eq!(ran.code, 1, "{ran:?}");
    std::fs::remove_file(&database).unwrap();
    place.run(&["audit", "verify"]).failed(1, "the database is missing");
}

#[test]
fn the_key_of_another_log_is_not_ok() {
    let (place, export) = exported();
    let (_other, foreign) = exported();
    let key = format!("{foreign}/vkey");
    let ran = place.run(&["audit", "verify", "--export", &export, "--key", &key]);
    assert!(ran.code == 1 || ran.code == 4, "{ran:?}");
}

#[test]
fn a_wrong_argument_is_refused_with_the_way_out() {
    let (place, export) = exported();
    let ran = place.run(&["audit", "verify", "--export", &export, "--key", "no-such-key"]);
    ran.failed(2, "`--key no-such-key` is neither a public key nor a file of one");
    let ran = place.run(&["audit", "verify", "--from-checkpoint", "/nowhere"]);
    ran.failed(2, "cannot read `/nowhere`");
    place.run(&["audit", "verify", "--export", "/nowhere"]).failed(3, "/nowhere");
    place.run(&["audit", "verify", "--data-dir", "/nowhere"]).failed(2, "no data directory");
    let busy = place.path("busy");
    std::fs::create_dir(&busy).unwrap();
    std::fs::write(busy.join("mine.txt"), "mine").unwrap();
    place.run(&["audit", "export", busy.to_str().unwrap()]).failed(2, "name another directory");
    assert_eq!(std::fs::read_to_string(busy.join("mine.txt")).unwrap(), "mine");
}

#[test]
fn a_loss_is_only_accepted_where_there_is_one_with_a_reason_and_without_a_server() {
    let (place, _) = exported();
    for reason in ["", " ", &"x".repeat(1025)] {
        let ran = place.run(&["audit", "accept-rollback", "--reason", reason]);
        ran.failed(2, "`--reason` must be 1 to 1024 bytes long");
    }
    let ran = place.run(&["audit", "accept-rollback", "--reason", "a drill"]);
    assert!(ran.code != 0 && ran.err.contains("nothing to accept"), "{ran:?}");
    let server = place.serve(&[]);
    let ran = place.run(&["audit", "accept-rollback", "--reason", "a drill"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    assert_eq!(server.end(Signal::TERM).0, Some(0));
}
