//! Room for the day on which the disk is full.

use std::{fs, os::unix::fs::MetadataExt as _};

use gov_store::ballast::{Ballast, free_bytes};

const BYTES: u64 = 1 << 20;

#[test]
fn a_ballast_takes_its_room_and_gives_it_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ballast");
    let ballast = Ballast::new(&path, BYTES);
    assert!(ballast.take(0).unwrap());
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.len(), metadata.mode() & 0o777), (BYTES, 0o600));
    assert!(metadata.blocks() * 512 >= BYTES, "a hole takes no room");
    assert!(ballast.take(0).unwrap(), "it is there already");
    assert!(ballast.release().unwrap());
    assert!(!path.exists());
    assert!(!ballast.release().unwrap(), "there is nothing more to give");
}

#[test]
fn a_ballast_that_was_left_half_made_is_completed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ballast");
    // One is too short, one is as long as it should be and takes no room.
    for bytes in [4096, BYTES] {
        fs::File::create(&path).unwrap().set_len(bytes).unwrap();
        assert!(Ballast::new(&path, BYTES).take(0).unwrap());
        assert!(fs::metadata(&path).unwrap().blocks() * 512 >= BYTES);
        fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_ballast_takes_no_room_that_somebody_needs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("ballast");
    let free = free_bytes(dir.path()).unwrap();
    assert!(!Ballast::new(&path, BYTES).take(free).unwrap());
    assert!(!path.exists());
    assert!(!Ballast::new(&path, free + BYTES).take(0).unwrap());
    assert!(!path.exists());
}

#[test]
fn a_missing_directory_is_an_error_and_not_a_full_disk() {
    let dir = tempfile::tempdir().unwrap();
    let ballast = Ballast::new(dir.path().join("missing/ballast"), BYTES);
    assert!(ballast.take(0).is_err());
    assert!(!ballast.release().unwrap());
}
