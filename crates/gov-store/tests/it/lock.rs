//! The lock on a data directory.

use std::{
    io::{BufRead as _, BufReader},
    process::Stdio,
};

use gov_store::lock::{DataDirLock, FileLock, FileLockError, LockError};

use crate::child;

#[test]
fn a_second_process_is_refused_and_told_who_has_the_lock() {
    let dir = tempfile::tempdir().unwrap();
    let mut holder = child::command("lock", dir.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let said = BufReader::new(holder.stdout.take().unwrap());
    assert!(said.lines().any(|line| line.unwrap().contains("locked")));

    let error = DataDirLock::acquire(dir.path()).unwrap_err();
    let LockError::Held { holder: named, .. } = &error else { panic!("{error}") };
    assert_eq!(*named, format!("process {}", holder.id()));
    assert!(error.to_string().contains("choose another directory"), "{error}");

    // However the holder dies, the kernel gives the lock back.
    holder.kill().unwrap();
    holder.wait().unwrap();
    DataDirLock::acquire(dir.path()).unwrap();
}

#[test]
fn a_lock_lasts_until_it_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let lock = DataDirLock::acquire(dir.path()).unwrap();
    assert!(matches!(DataDirLock::acquire(dir.path()), Err(LockError::Held { .. })));
    drop(lock);
    DataDirLock::acquire(dir.path()).unwrap();
}

#[test]
fn a_missing_directory_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let error = DataDirLock::acquire(&dir.path().join("missing")).unwrap_err();
    assert!(matches!(error, LockError::Io { .. }) && error.to_string().contains("missing"));
}

#[test]
fn a_file_of_any_name_can_be_a_lock_and_stays_when_it_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("some.db.lock");
    let lock = FileLock::acquire(&path).unwrap();
    let Err(FileLockError::Held { holder }) = FileLock::acquire(&path) else { panic!("held") };
    assert_eq!(holder, format!("process {}", std::process::id()));
    drop(lock);
    assert!(path.exists());
    FileLock::acquire(&path).unwrap();
}
