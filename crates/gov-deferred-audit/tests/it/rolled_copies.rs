//! An outside copy that has grown large is rolled, and its start reads no more than its end.

use std::{
    fs,
    path::{Path, PathBuf},
};

use gov_core::Timestamp;
use gov_deferred_audit::{
    OpenError,
    outside_copy::{Copied, OutsideCopy, OutsideCopyError, line},
    tlog::{checkpoint::Checkpoint, key::PrivateKey, note::Note},
};
use tempfile::TempDir;

use crate::fixture::Fixture;

/// Where a test's copies lie, and who signs them.
struct Copies {
    folder: TempDir,
    key: PrivateKey,
}

impl Copies {
    fn new() -> Self {
        let key = PrivateKey::generate("example.com/gov/e1").unwrap();
        Self { folder: tempfile::tempdir().unwrap(), key }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("checkpoints.log")
    }

    fn rolled(&self, number: u32) -> PathBuf {
        self.folder.path().join(format!("checkpoints.log.{number}"))
    }

    fn note(&self, size: u64) -> String {
        let origin = self.key.verifier().name().to_owned();
        let text = Checkpoint { origin, size, root: [7; 32] }.to_string();
        let signature = self.key.sign(text.as_bytes());
        Note::unsigned(text).with_signature(&self.key.verifier(), signature).to_string()
    }

    fn line(&self, size: u64) -> Vec<u8> {
        line(Timestamp::UNIX_EPOCH, &self.note(size)).unwrap()
    }

    /// Opens the copy and appends checkpoints of these sizes; about three fit into a file.
    fn append(&self, sizes: impl Iterator<Item = u64>) {
        let (copy, _) = OutsideCopy::open(self.path()).unwrap();
        let mut copy = copy.rolling_at(1_000);
        for size in sizes {
            copy.append(Timestamp::UNIX_EPOCH, &self.note(size)).unwrap();
            assert_eq!(copy.last_note(), Some(self.note(size).as_str()));
        }
    }

    fn sizes(&self) -> Vec<u64> {
        sizes(&OutsideCopy::read_all(&self.path()).unwrap())
    }

    fn corrupt(&self) -> (PathBuf, u64) {
        match OutsideCopy::read_all(&self.path()) {
            Err(OutsideCopyError::Corrupt { path, line, .. }) => (path, line),
            other => panic!("{other:?}"),
        }
    }
}

fn sizes(all: &[Copied]) -> Vec<u64> {
    all.iter().map(|it| it.checkpoint.size).collect()
}

fn last_size(path: &Path) -> u64 {
    let (_, found) = OutsideCopy::open(path).unwrap();
    let size = found.last.unwrap().checkpoint.size;
    assert_eq!(OutsideCopy::read_last(path).unwrap().unwrap().checkpoint.size, size);
    size
}

#[test]
fn a_copy_that_has_grown_is_rolled_and_every_checkpoint_is_read_back_once() {
    let it = Copies::new();
    it.append(0..20);
    it.append(20..40);
    let files = crate::fixture::files(it.folder.path());
    assert!(files.len() > 10, "{files:?}");
    for file in &files {
        let bytes = fs::metadata(file).unwrap().len();
        assert!(bytes <= 1_000, "{} has {bytes}", file.display());
    }
    assert_eq!(it.sizes(), (0..40).collect::<Vec<_>>());
    assert_eq!(last_size(&it.path()), 39);
    // Each begins with the last line of the one before it.
    let [first, second] = [1, 2].map(|number| fs::read(it.rolled(number)).unwrap());
    let lines = |bytes: &[u8]| -> Vec<Vec<u8>> {
        bytes.split_inclusive(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect()
    };
    assert_eq!(lines(&first).last(), lines(&second).first());
}

#[test]
fn wherever_rolling_is_cut_short_the_last_line_is_known_and_nothing_is_read_twice() {
    let (carried, next) = (Copies::new().line(2).len(), Copies::new().line(3).len());
    // The new file is missing, empty, or torn at any byte of its first two lines.
    for length in (0..carried + next).step_by(7).map(Some).chain([None]) {
        let it = Copies::new();
        it.append(0..3);
        fs::rename(it.path(), it.rolled(1)).unwrap();
        let torn = [it.line(2), it.line(3)].concat();
        if let Some(length) = length {
            fs::write(it.path(), &torn[..length]).unwrap();
        }
        assert_eq!(last_size(&it.path()), 2, "{length:?}");
        assert_eq!(it.sizes(), [0, 1, 2], "{length:?}");
        it.append(3..9);
        assert_eq!(it.sizes(), (0..9).collect::<Vec<_>>(), "{length:?}");
    }
}

#[tokio::test]
async fn a_rolled_file_alone_tells_that_the_database_was_put_back() {
    let it = Fixture::with_records(3).await;
    let old = it.keep_database();
    it.append(2).await;
    let log = it.open().await;
    it.copy_outside(&log).await;
    log.close().await;
    it.restore_database(&old);
    let mut rolled = it.config.outside_copy.clone().into_os_string();
    rolled.push(".1");
    fs::rename(&it.config.outside_copy, rolled).unwrap();
    assert!(matches!(it.try_open().await, Err(OpenError::Rollback { .. })));
}

#[test]
fn opening_reads_no_more_than_the_end_and_names_a_wrong_line_by_its_number() {
    let it = Copies::new();
    let lines: Vec<_> = (0..1_000).map(|size| it.line(size)).collect();
    let whole = lines.concat();
    assert!(whole.len() > 3 * 64 * 1024);
    let with = |changed: usize| {
        let mut lines = lines.clone();
        lines[changed][5] ^= 1;
        fs::write(it.path(), lines.concat()).unwrap();
        OutsideCopy::open(it.path()).map(|(_, found)| found.last.unwrap().checkpoint.size)
    };
    // Far from the end only who reads all of it sees that.
    assert_eq!(with(0).unwrap(), 999);
    assert_eq!(it.corrupt(), (it.path(), 1));
    for changed in [990, 999] {
        let Err(OutsideCopyError::Corrupt { line, .. }) = with(changed) else { panic!() };
        assert_eq!(line, changed as u64 + 1);
        assert_eq!(it.corrupt(), (it.path(), line));
    }
    // Cut anywhere near its end, it is what it was before the cut line.
    for cut in (1..2_000).step_by(137) {
        fs::write(it.path(), &whole[..whole.len() - cut]).unwrap();
        let left = whole[..whole.len() - cut].split(|byte| *byte == b'\n').count() - 1;
        assert_eq!(last_size(&it.path()), left as u64 - 1, "{cut}");
    }
}

#[test]
fn the_longest_line_there_is_can_be_the_last() {
    let it = Copies::new();
    it.append(0..1);
    let text = Note::parse(it.note(1).as_bytes()).unwrap().text().to_owned();
    let note = (0..500)
        .fold(Note::unsigned(text), |note, _| note.with_signature(&it.key.verifier(), [9; 64]));
    assert!((50_000..64 * 1024).contains(&note.to_string().len()));
    let (copy, _) = OutsideCopy::open(it.path()).unwrap();
    let mut copy = copy.rolling_at(1_000);
    copy.append(Timestamp::UNIX_EPOCH, &note.to_string()).unwrap();
    assert_eq!(last_size(&it.path()), 1);
    it.append(2..3);
    assert_eq!(it.sizes(), [0, 1, 2]);
    // Longer than that is no line at all.
    fs::write(it.path(), vec![b'x'; 3 * 1024 * 1024]).unwrap();
    let error = OutsideCopy::open(it.path()).unwrap_err();
    assert!(matches!(error, OutsideCopyError::Corrupt { line: 1, .. }), "{error}");
}

#[test]
fn the_oldest_files_may_be_moved_away_and_one_in_the_middle_may_not() {
    let it = Copies::new();
    it.append(0..20);
    fs::remove_file(it.rolled(1)).unwrap();
    let left = it.sizes();
    assert_eq!(left, (left[0]..20).collect::<Vec<_>>());
    assert!(left[0] > 0);
    // What only looks like one is none.
    for other in ["checkpoints.log.0", "checkpoints.log.01", "checkpoints.log.bak", "other.log.1"] {
        fs::write(it.folder.path().join(other), "x").unwrap();
    }
    assert_eq!(it.sizes(), left);
    fs::remove_file(it.rolled(3)).unwrap();
    assert_eq!(it.corrupt(), (it.rolled(4), 1));
    assert_eq!(last_size(&it.path()), 19);
}
