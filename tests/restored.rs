//! A log that lost its end and got it back from an export, which nobody has to believe.

use std::fs;

use serde_json::Value;

use crate::{
    exported::{entries, refusals},
    place::{Place, Ran},
    server::REFUSED,
};

fn restore(place: &Place, from: &str) -> Ran {
    place.run(&["audit", "restore-tail", "--json", "--from", from])
}

#[test]
fn a_lost_tail_comes_back_from_an_export_and_from_nothing_less() {
    let place = Place::new();
    let token = place.agent_token();
    let path = |name: &str| place.home().join(name).to_str().unwrap().to_owned();
    let export = |name: &str, more: &[&str]| {
        place.run(&[&["audit", "export", &path(name)], more].concat()).ok();
        path(name)
    };
    let log = place.data_dir().join("audit-log.db");
    let server = place.serve("");
    let mut records = vec![server.check(&token, REFUSED).record()];
    server.stop();
    let (copy, early) = (fs::read(&log).unwrap(), export("early", &[]));
    restore(&place, &early).failed(1, "nothing to restore");
    let server = place.serve("");
    records.extend((0..3).map(|_| server.check(&token, REFUSED).record()));
    restore(&place, &early).failed(3, "is in use by process");
    server.stop();
    let (whole, bare) = (export("whole", &[]), export("bare", &["--without-payloads"]));

    fs::write(&log, copy).unwrap();
    place.run(&["serve", "--listen", "127.0.0.1:0"]).failed(4, "rollback detected");
    restore(&place, &early).failed(1, "take a later export");
    restore(&place, &bare).failed(1, "the export has no payloads");
    restore(&place, "/nowhere").failed(3, "/nowhere");
    let entry_file = format!("{whole}/tile/entries/000.p");
    let bundle = fs::read_dir(entry_file).unwrap().next().unwrap().unwrap().path();
    let good = fs::read(&bundle).unwrap();
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    fs::write(&bundle, flipped).unwrap();
    restore(&place, &whole).failed(1, "is not what was signed");
    fs::write(&bundle, good).unwrap();
    assert_eq!(place.verify(&[]).code, Some(1), "nothing came back by halves");

    let restored: Value = serde_json::from_str(&restore(&place, &whole).ok().out).unwrap();
    assert_eq!((&restored["epoch"], &restored["to"]["epoch"]), (&1.into(), &1.into()));
    assert!(restored["from"]["size"].as_u64() < restored["to"]["size"].as_u64(), "{restored}");
    place.verify(&[]).ok();
    let server = place.serve("");
    records.push(server.check(&token, REFUSED).record());
    server.stop();
    place.verify(&[]).ok();
    let export = place.export();
    let entries = entries(&export);
    assert_eq!(refusals(&entries), records, "all of them, in order");
    let said: Vec<_> = entries.iter().filter(|it| it["kind"] == "admin.tail_restored").collect();
    assert_eq!(said.len(), 1);
    assert_eq!(said[0]["id"], restored["record"]);
}

#[test]
fn a_log_that_is_gone_altogether_comes_back_whole() {
    let place = Place::new();
    let token = place.agent_token();
    let server = place.serve("");
    let record = server.check(&token, REFUSED).record();
    server.stop();
    let export = place.export();
    fs::remove_file(place.data_dir().join("audit-log.db")).unwrap();
    restore(&place, export.to_str().unwrap()).ok();
    place.serve("").stop();
    place.verify(&[]).ok();
    place.run(&["audit", "receipt", &record]).ok();
}
