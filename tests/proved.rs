//! One record, proved to a stranger: who has a receipt, the entry and a public key, and nothing else.

use std::{fs, path::Path};

use serde_json::Value;

use crate::{
    place::{Place, Ran},
    server::REFUSED,
};

/// Has a stranger judge the receipt.
fn judge(stranger: &Place, [receipt, entry, key]: [&Path; 3]) -> Ran {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (receipt, entry, key) = (text(receipt), text(entry), text(key));
    stranger.run(&[
        "audit",
        "verify",
        "--json",
        "--receipt",
        &receipt,
        "--entry",
        &entry,
        "--key",
        &key,
    ])
}

#[test]
fn a_stranger_judges_one_record_with_a_receipt_its_entry_and_the_public_key() {
    let place = Place::new();
    let token = place.agent_token();
    let server = place.serve("");
    let records: Vec<_> = (0..3).map(|_| server.check(&token, REFUSED).record()).collect();
    let [receipt, entry] = ["r.tlog-proof", "r.entry"].map(|it| place.home().join(it));
    let key = place.export().join("vkey");
    let stranger = Place::new();
    let files = ["-o", receipt.to_str().unwrap(), "--entry", entry.to_str().unwrap()];
    let of = |what: &[&str]| place.run(&[&["audit", "receipt"], what, &files].concat()).ok();

    // While the server runs, and at rest; by id, and by sequence number.
    let said = of(&[&records[1]]);
    assert!(said.out.contains("the public key from somewhere else"), "{said:?}");
    let judged: Value =
        serde_json::from_str(&judge(&stranger, [&receipt, &entry, &key]).ok().out).unwrap();
    assert_eq!(
        (&judged["included"], judged["record"].as_str()),
        (&true.into(), Some(&*records[1]))
    );
    server.stop();
    let seq = (judged["index"].as_u64().unwrap() + 1).to_string();
    let of_id = (of(&[&records[1]]), fs::read(&receipt).unwrap(), fs::read(&entry).unwrap());
    let of_seq = of(&[&seq, "--epoch", "1"]);
    let files = (fs::read(&receipt).unwrap(), fs::read(&entry).unwrap());
    assert_eq!((of_id.0.out, of_id.1, of_id.2), (of_seq.out, files.0.clone(), files.1));
    judge(&stranger, [&receipt, &entry, &key]).ok();
    let out = place.run(&["audit", "receipt", &seq]).ok().out;
    assert_eq!(out.as_bytes(), files.0, "without a file it goes to standard output");
    let json: Value =
        serde_json::from_str(&place.run(&["audit", "receipt", &seq, "--json"]).ok().out).unwrap();
    assert_eq!(
        (json["record"].as_str(), json["receipt"].as_str()),
        (Some(&*records[1]), Some(&*out))
    );

    // Another record's entry, a changed one, and the key of another log.
    let mut changed = fs::read(&entry).unwrap();
    changed[20] ^= 1;
    let other = place.home().join("other");
    fs::write(&other, changed).unwrap();
    judge(&stranger, [&receipt, &other, &key]).failed(1, "is not the one at index");
    place.run(&["audit", "receipt", &records[2], "--entry", other.to_str().unwrap()]).ok();
    judge(&stranger, [&receipt, &other, &key]).failed(1, "is not the one at index");
    let foreign = Place::new();
    foreign.serve("").stop();
    let foreign = foreign.export().join("vkey");
    assert_eq!(judge(&stranger, [&receipt, &entry, &foreign]).code, Some(1));
}

#[test]
fn a_record_that_is_not_there_is_1_and_what_is_no_record_is_2() {
    let place = Place::new();
    place.serve("").stop();
    let receipt = |arguments: &[&str]| place.run(&[&["audit", "receipt"], arguments].concat());
    let unknown = format!("rec_{}", "0".repeat(32));
    for arguments in [&["100000"][..], &["1", "--epoch", "7"], &[&unknown]] {
        receipt(arguments).failed(1, "the log has no such record");
    }
    for arguments in [&["0"][..], &["-1"], &["rec_1"], &["evt_1"], &["1", "--epoch", "0"], &[""]] {
        assert_eq!(receipt(arguments).code, Some(2), "{arguments:?}");
    }
    receipt(&[&unknown, "--epoch", "1"]).failed(2, "`--epoch` goes with a sequence number");
    receipt(&["1", "-o", "/nowhere/receipt"]).failed(3, "cannot write `/nowhere/receipt`");
    receipt(&["1", "--data-dir", "/nowhere"]).failed(2, "no data directory");
    let ran = place.run(&["audit", "verify", "--receipt", "/nowhere", "--entry", "/nowhere"]);
    assert!(ran.code == Some(2) && ran.err.contains("--key"), "{ran:?}");
}
