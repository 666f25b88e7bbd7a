//! One flipped byte, wherever it lies in an export, is found.

use std::{fs, path::Path, thread};

use crate::{
    exported::{entries, files},
    judge::judge,
    place::Place,
    server::{REFUSED, check},
};

/// More than a tile holds, so that there are full and partial tiles on two levels.
const RECORDS: usize = 260;

#[test]
fn one_flipped_byte_in_every_exported_file_in_turn_is_found() {
    let place = Place::new();
    let token = place.agent_token();
    let server = place.serve("durability.refuse = \"spooled\"");
    let address = server.address;
    thread::scope(|it| {
        for _ in 0..4 {
            it.spawn(|| {
                for _ in 0..RECORDS / 4 {
                    check(address, &token, REFUSED).unwrap();
                }
            });
        }
    });
    server.stop();
    let export = place.export();
    assert!(entries(&export).len() >= RECORDS);
    place.verify_export(&export, &[]).ok();
    let found = every_flip_is_found(&place, &export, &[]);
    let kinds =
        ["checkpoint", "vkey", "tile/0/000", "tile/1/000", "tile/entries/000", "payload/000"];
    for kind in kinds {
        assert!(found.iter().any(|it| it.starts_with(kind)), "{kind} is not among {found:?}");
    }
}

/// Flips the first, the middle and the last byte of each file; gives the files' names.
pub(crate) fn every_flip_is_found(place: &Place, export: &Path, more: &[&str]) -> Vec<String> {
    let mut names = Vec::new();
    for file in files(export) {
        let name = file.strip_prefix(export).unwrap().to_str().unwrap().to_owned();
        let whole = fs::read(&file).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&file, flipped).unwrap();
            let ran = place.verify_export(export, more);
            // Not judged is not accepted either: a vkey that is none trusts nobody.
            assert!(matches!(ran.code, Some(1 | 4)), "{name}, byte {at}: {ran:?}");
            if read_by_the_outside_judge(&name)
                && let Some(judged) = judge(export)
            {
                assert_eq!(judged.code, Some(1), "{name}, byte {at}: {judged:?}");
            }
        }
        fs::write(&file, whole).unwrap();
        names.push(name);
    }
    place.verify_export(export, more).ok();
    names
}

/// It reads the current epoch, and knows nothing of payloads.
fn read_by_the_outside_judge(name: &str) -> bool {
    let unknown = ["payload/", "epoch/", "first-checkpoint"];
    !unknown.iter().any(|it| name.starts_with(it))
}
