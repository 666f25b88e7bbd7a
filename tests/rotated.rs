//! A log that got new keys: nothing of it can be dropped, and each epoch is judged by its own key.

use std::fs;

use serde_json::Value;

use crate::{
    exported::{entries, refusals},
    judge::judge,
    place::Place,
    server::REFUSED,
};

#[test]
fn a_log_goes_on_under_new_keys_and_an_auditor_follows_with_the_public_ones() {
    let place = Place::new();
    let token = place.agent_token();
    let mut records = Vec::new();
    for epoch in 1..=3 {
        let server = place.serve("");
        records.push(server.check(&token, REFUSED).record());
        let rotate = ["audit", "rotate-key", "--json", "--reason", "a year has passed"];
        place.run(&rotate).failed(3, "is in use by process");
        server.stop();
        if epoch < 3 {
            let rotated: Value = serde_json::from_str(&place.run(&rotate).ok().out).unwrap();
            assert_eq!(
                (&rotated["epoch"], &rotated["ended"]["epoch"]),
                (&(epoch + 1).into(), &epoch.into())
            );
            let public = fs::read_to_string(rotated["public_key"].as_str().unwrap()).unwrap();
            assert_eq!(rotated["vkey"].as_str(), Some(public.trim_end()));
        }
    }
    place.verify(&[]).ok();

    let export = place.export();
    let dirs = [export.join("epoch/1"), export.join("epoch/2"), export.clone()];
    for (dir, record) in dirs.iter().zip(&records) {
        assert_eq!(refusals(&entries(dir)), [record]);
        if let Some(judged) = judge(dir) {
            judged.ok();
        }
    }
    for dir in &dirs[1..] {
        let first = &entries(dir)[0];
        assert_eq!(first["kind"], "admin.key_rotated", "{first}");
    }

    // The auditor's own copies of the public keys: all of them, or the last ones are missing.
    let keys = dirs.map(|it| it.join("vkey").to_str().unwrap().to_owned());
    let auditor = Place::new();
    let given = |keys: &[String]| -> Vec<String> {
        keys.iter().flat_map(|it| ["--key".to_owned(), it.clone()]).collect()
    };
    let verify = |keys: &[String]| {
        let given = given(keys);
        auditor.verify_export(&export, &given.iter().map(String::as_str).collect::<Vec<_>>())
    };
    verify(&keys).ok();
    assert_ne!(verify(&keys[..2]).code, Some(0), "the key of the newest epoch is missing");

    // A receipt of an old epoch holds under that epoch's key.
    let [receipt, entry] = ["r", "e"].map(|it| place.home().join(it).to_str().unwrap().to_owned());
    place.run(&["audit", "receipt", &records[0], "-o", &receipt, "--entry", &entry]).ok();
    let judge = |key: &str| {
        let files = ["audit", "verify", "--receipt", &receipt, "--entry", &entry, "--key", key];
        auditor.run(&files)
    };
    judge(&keys[0]).ok();
    judge(&keys[1]).failed(1, "cannot be trusted");
}

#[test]
fn a_key_is_only_rotated_with_a_reason_and_where_there_is_a_log() {
    let place = Place::new();
    place.run(&["init"]).ok();
    let rotate = |arguments: &[&str]| place.run(&[&["audit", "rotate-key"], arguments].concat());
    assert_eq!(rotate(&[]).code, Some(2));
    rotate(&["--reason", "  "]).failed(2, "`--reason` must be 1 to 1024 bytes long");
    let none = rotate(&["--reason", "a drill"]);
    assert!(none.code != Some(0) && none.err.contains("no log"), "{none:?}");
    assert!(!place.data_dir().join("keys/audit-log.e1.key").exists());
    rotate(&["--reason", "a drill", "--data-dir", "/nowhere"]).failed(2, "no data directory");
}
