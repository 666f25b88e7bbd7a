//! Old entries go: the log says so, the proofs stay, and nothing goes that nobody else has.

use std::fs;

use serde_json::Value;

use crate::{
    place::{Place, Ran},
    server::REFUSED,
};

const SPOOLED: &str = "durability.refuse = \"spooled\"";

fn json(ran: &Ran) -> Value {
    serde_json::from_str(&ran.out).unwrap()
}

/// A log at rest with more than one full bundle.
fn served() -> Place {
    let place = Place::new();
    let token = place.agent_token();
    let server = place.serve(SPOOLED);
    for _ in 0..300 {
        server.check(&token, REFUSED);
    }
    server.stop();
    place
}

fn prune(place: &Place, arguments: &[&str]) -> Ran {
    place.run(&[&["audit", "prune", "--reason", "kept for 90 days", "--json"], arguments].concat())
}

#[test]
fn pruned_entries_are_gone_and_every_proof_stays() {
    let place = served();
    let path = |name: &str| place.home().join(name).to_str().unwrap().to_owned();
    let [receipt, entry, whole, later] = ["receipt", "entry", "export", "later"].map(path);
    place.run(&["audit", "receipt", "5", "--entry", &entry]).ok();
    let key = place.export().join("vkey").to_str().unwrap().to_owned();

    let planned = json(&prune(&place, &["--below", "300", "--dry-run"]).ok());
    assert_eq!((&planned["entries"], &planned["record"]), (&256.into(), &Value::Null));
    assert_eq!(json(&place.verify(&["--json"]).ok())["pruned"], 0, "nothing was changed");
    // Nobody else has what the event store has lost: it is carried again first.
    let events = place.data_dir().join("events");
    fs::rename(&events, path("events")).unwrap();
    prune(&place, &["--below", "300"]).failed(1, "the event store has the first 0 records");
    fs::remove_dir_all(&events).unwrap();
    place.serve("").stop();

    let pruned = json(&prune(&place, &["--below", "300"]).ok());
    assert_eq!(pruned["entries"], 256);
    assert_eq!(pruned["below"], serde_json::json!([{"epoch": 1, "below": 256}]));
    let again = json(&prune(&place, &["--older-than", "0s"]).ok());
    assert_eq!((&again["entries"], &again["record"]), (&0.into(), &Value::Null));

    assert_eq!(json(&place.verify(&["--json"]).ok())["pruned"], 256);
    place.run(&["audit", "export", &later]).ok();
    for export in [&whole, &later] {
        place.verify_export(export.as_ref(), &["--key", &key]).ok();
    }
    assert!(!fs::exists(format!("{later}/tile/entries/000")).unwrap());
    // The receipt is made as before; who kept the entry judges it.
    place.run(&["audit", "receipt", "5", "--entry", &path("gone")]).failed(1, "was pruned");
    place.run(&["audit", "receipt", "5", "-o", &receipt]).ok();
    place.run(&["audit", "verify", "--receipt", &receipt, "--entry", &entry, "--key", &key]).ok();
    let record = pruned["record"].as_str().unwrap();
    place.run(&["audit", "receipt", record, "--entry", &path("statement")]).ok();
    assert!(fs::read_to_string(path("statement")).unwrap().contains("admin.log_pruned"));
    place.serve("").stop();
    place.verify(&["--key", &key]).ok();
}

#[test]
fn only_what_is_old_and_fills_a_bundle_goes_and_only_while_no_server_runs() {
    let place = served();
    for (arguments, message) in [
        (&[][..], "--older-than"),
        (&["--older-than", "90x"], "a whole number and a unit"),
        (&["--older-than", "1d", "--below", "256"], "cannot be used with"),
        (&["--below", "0"], "--below"),
        (&["--older-than", "1d", "--epoch", "1"], "cannot be used with"),
        (&["--below", "256", "--epoch", "7"], "`--epoch 7`: the log has none such"),
        (&["--below", "100000"], "which 256 fill bundles"),
    ] {
        prune(&place, arguments).failed(2, message);
    }
    for arguments in [&["--older-than", "1h"][..], &["--below", "255"]] {
        assert_eq!(json(&prune(&place, arguments).ok())["entries"], 0);
    }
    let server = place.serve("");
    prune(&place, &["--below", "256"]).failed(3, "is in use by process");
    server.stop();
    let empty = Place::new();
    empty.run(&["init"]).ok();
    prune(&empty, &["--below", "256"]).failed(3, "holds no log yet");
    assert!(!empty.data_dir().join("audit-log.db").exists());
}
