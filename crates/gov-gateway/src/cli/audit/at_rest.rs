//! Reads the log's file so that all of it is one state, whoever comes meanwhile.

use std::{fs, path::Path, time::SystemTime};

use crate::cli::{Exit, Failure};

/// So often a server may come or go while the file is read.
const TRIES: u32 = 3;

/// Has `read` read the file at `database`, again where it changed meanwhile.
///
/// Beside a server a read sees one commit. At rest the file is read as it lies, without a lock that
/// would keep a server from starting: what one that started meanwhile moved would be seen by halves.
///
/// # Errors
///
/// [`Failure`] with [`Exit::NotJudged`] where it changed each time.
pub(super) fn read<T>(database: &Path, mut read: impl FnMut(&Path) -> T) -> Result<T, Failure> {
    for _ in 0..TRIES {
        let before = State::of(database);
        let done = read(database);
        if before.has_log || before == State::of(database) {
            return Ok(done);
        }
    }
    let what = "servers came and went while the log was read; run it again";
    Err(Failure::new(Exit::NotJudged, what))
}

/// What tells that a file is as it was; the database's own errors are for who reads it.
#[derive(Debug, PartialEq, Eq)]
struct State {
    /// Whether a write-ahead log lies beside it: a server has it open, or was killed.
    has_log: bool,
    size_and_time: Option<(u64, Option<SystemTime>)>,
}

impl State {
    fn of(database: &Path) -> Self {
        let mut log = database.as_os_str().to_owned();
        log.push("-wal");
        let found = fs::metadata(database).ok();
        Self {
            has_log: Path::new(&log).exists(),
            size_and_time: found.map(|it| (it.len(), it.modified().ok())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_at_rest_is_read_again_and_what_changes_each_time_is_not_judged() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.db");
        fs::write(&file, "1").unwrap();
        let mut reads = 0;
        let mut once = |path: &Path| {
            reads += 1;
            if reads == 1 {
                fs::write(path, "22").unwrap();
            }
            fs::read_to_string(path).unwrap()
        };
        assert_eq!(read(&file, &mut once).unwrap(), "22");
        assert_eq!(read(&file, &mut once).unwrap(), "22");
        assert_eq!(reads, 3, "twice, and once where nothing changed");

        let mut text = "3".to_owned();
        let always = |path: &Path| {
            text.push('3');
            fs::write(path, &text).unwrap();
        };
        assert!(matches!(read(&file, always).unwrap_err().exit, Exit::NotJudged));
    }

    #[test]
    fn beside_a_server_it_is_read_once() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("log.db");
        fs::write(folder.path().join("log.db-wal"), "").unwrap();
        let mut reads = 0;
        read(&file, |path| {
            reads += 1;
            fs::write(path, "1").unwrap();
        })
        .unwrap();
        assert_eq!(reads, 1);
    }
}
