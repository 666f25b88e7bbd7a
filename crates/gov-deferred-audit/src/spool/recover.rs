//! Opening the spool: the lock, what an earlier process left, and what of it is damaged.

use std::{
    collections::{BTreeMap, VecDeque},
    fs::{self, File, TryLockError},
    io,
    ops::Range,
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use tracing::{error, warn};

use crate::spool::{
    Position, Spool, SpoolLimits,
    frame::{self, HEADER_BYTES, Header, HeaderProblem, Mark},
    scan::{self, Stretch},
    segment::{self, Segment},
};

/// The spool cannot be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenSpoolError {
    /// Another process has it: end that one, or give this one another directory.
    #[error("`{}` is in use by another process; end it, or choose another data directory", path.display())]
    Locked {
        /// The spool.
        path: PathBuf,
    },
    /// A newer build wrote it: run that one until the spool is empty.
    #[error("`{}` has format version {version}; this build reads {known}: start the newer one", path.display())]
    NewerFormat {
        /// The segment.
        path: PathBuf,
        /// The version that it has.
        version: u32,
        /// The version that this build reads.
        known: u32,
    },
    /// The file system refuses.
    #[error("cannot open the spool `{}`", path.display())]
    Io {
        /// The spool or one of its segments.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// The operating system gives no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness(#[from] getrandom::Error),
}

/// A damaged range, kept aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gap {
    /// The same for the same damage, so that it is reported once.
    pub(crate) key: String,
    pub(crate) segment: u64,
    pub(crate) offset: u64,
    pub(crate) bytes: u64,
    /// Where the bytes are kept now.
    pub(crate) file: PathBuf,
}

/// An opened spool and what is in it.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) spool: Spool,
    /// Whole frames, oldest first, with the number of their segment.
    pub(crate) pending: Vec<(u64, Stretch)>,
    pub(crate) gaps: Vec<Gap>,
}

/// Opens the spool at `base`, creating it if there is none.
pub(crate) fn open(
    base: &Path,
    quarantine: &Path,
    limits: SpoolLimits,
) -> Result<Recovered, OpenSpoolError> {
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| OpenSpoolError::Io { path, source }
    };
    let lock = Arc::new(Segment::open_file(base).map_err(at(base))?);
    match lock.try_lock() {
        Ok(()) => (),
        Err(TryLockError::WouldBlock) => {
            return Err(OpenSpoolError::Locked { path: base.to_owned() });
        }
        Err(TryLockError::Error(source)) => return Err(at(base)(source)),
    }
    let mut found = Found { quarantine, sealed: BTreeMap::new(), pending: vec![], gaps: vec![] };
    let beside = segment::numbers_beside(base).map_err(at(base))?;
    let next = beside.last().map_or(1, |last| last + 1);
    for number in std::iter::once(0).chain(beside) {
        let path = segment::segment_path(base, number);
        let file = match number {
            0 => lock.clone(),
            _ => Arc::new(Segment::open_file(&path).map_err(at(&path))?),
        };
        found.look(number, path, file)?;
    }
    let Found { sealed, pending, gaps, .. } = found;
    let mark = Mark::random()?;
    let active = if sealed.is_empty() {
        Segment::begin(0, base.to_owned(), lock.clone(), mark)
    } else {
        Segment::create(base, next, mark)
    }
    .map_err(at(base))?;
    let start = Position { segment: active.number, offset: HEADER_BYTES };
    let spool = Spool {
        limits,
        mark,
        _lock: lock,
        bytes: sealed.values().map(|it: &Segment| it.len).sum::<u64>() + active.len,
        active,
        sealed,
        removable: Vec::new(),
        acked: Position { segment: 0, offset: 0 },
        synced: start,
        unsynced: VecDeque::new(),
        doubtful: None,
        broken: None,
        wants_roll: false,
        flusher_idle: false,
    };
    Ok(Recovered { spool, pending, gaps })
}

/// What is known while the segments are looked at.
struct Found<'a> {
    quarantine: &'a Path,
    sealed: BTreeMap<u64, Segment>,
    pending: Vec<(u64, Stretch)>,
    gaps: Vec<Gap>,
}

impl Found<'_> {
    fn look(&mut self, number: u64, path: PathBuf, file: Arc<File>) -> Result<(), OpenSpoolError> {
        self.look_at(number, &path, file).map_err(|source| match source {
            Problem::Newer(version) => {
                OpenSpoolError::NewerFormat { path, version, known: frame::VERSION }
            }
            Problem::Io(source) => OpenSpoolError::Io { path, source },
        })
    }

    fn look_at(&mut self, number: u64, path: &Path, file: Arc<File>) -> Result<(), Problem> {
        let len = file.metadata()?.len();
        // The header is written before anything is acknowledged, so a shorter file holds nothing.
        if len <= HEADER_BYTES {
            return Ok(discard(number, path)?);
        }
        let unread = Segment { number, path: path.to_owned(), file, mark: Mark([0; 8]), len };
        let bytes = unread.read(0..len)?;
        let header = match Header::decode(&bytes) {
            Ok(header) => header,
            Err(HeaderProblem::Newer(version)) => return Err(Problem::Newer(version)),
            Err(HeaderProblem::Damaged) => {
                self.keep_aside(&unread, digest_mark(&bytes), 0..len)?;
                return Ok(discard(number, path)?);
            }
        };
        let mut segment = Segment { mark: header.mark, ..unread };
        let scan = scan::scan(segment.mark, &bytes);
        if let Some(offset) = scan.torn {
            warn!(path = %path.display(), offset, cut = len - offset, "torn last frame cut off");
            segment.file.set_len(offset)?;
            segment.len = offset;
        }
        // What a killed process left in the page cache must not be lost to a power cut now.
        segment.file.sync_all()?;
        for bad in scan.bad {
            self.keep_aside(&segment, segment.mark, bad)?;
        }
        if segment.len == HEADER_BYTES {
            return Ok(discard(number, path)?);
        }
        self.pending.extend(scan.whole.into_iter().map(|stretch| (number, stretch)));
        self.sealed.insert(number, segment);
        Ok(())
    }

    fn keep_aside(&mut self, from: &Segment, mark: Mark, bytes: Range<u64>) -> io::Result<()> {
        self.gaps.push(quarantine(self.quarantine, from, mark, bytes)?);
        Ok(())
    }
}

/// Copies a damaged range into the quarantine directory, durably.
pub(crate) fn quarantine(
    dir: &Path,
    from: &Segment,
    mark: Mark,
    bytes: Range<u64>,
) -> io::Result<Gap> {
    let (segment, offset) = (from.number, bytes.start);
    let key = frame::quarantine_name(mark, segment, offset);
    let file = dir.join(&key);
    keep(&file, &from.read(bytes.clone())?)?;
    let bytes = bytes.end - bytes.start;
    error!(segment, offset, bytes, file = %file.display(), "damaged frames quarantined");
    Ok(Gap { key, segment, offset, bytes, file })
}

/// Writes `content` into a file that is there after a power loss, and that nobody sees before it is
/// whole: half a record would read as a shorter one.
pub(crate) fn keep(file: &Path, content: &[u8]) -> io::Result<()> {
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir)?;
    }
    let part = file.with_extension("part");
    let mut options = fs::OpenOptions::new();
    let mut out = options.write(true).create(true).truncate(true).mode(0o600).open(&part)?;
    io::Write::write_all(&mut out, content)?;
    out.sync_all()?;
    fs::rename(part, file)?;
    segment::sync_dir(file)
}

/// Removes a segment that holds nothing. Segment 0 stays, since the lock is on it: it is emptied.
pub(crate) fn discard(number: u64, path: &Path) -> io::Result<()> {
    if number == 0 {
        let file = fs::OpenOptions::new().write(true).open(path)?;
        return file.set_len(0);
    }
    fs::remove_file(path)
}

enum Problem {
    Newer(u32),
    Io(io::Error),
}

impl From<io::Error> for Problem {
    fn from(source: io::Error) -> Self {
        Self::Io(source)
    }
}

/// A file without a readable header still needs a name of its own in the quarantine.
fn digest_mark(bytes: &[u8]) -> Mark {
    let digest = gov_core::canonical::sha256(bytes);
    Mark(*digest.first_chunk::<8>().unwrap_or(&[0; 8]))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    #[test]
    fn a_file_that_is_kept_again_is_never_seen_in_part() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("quarantine").join("record.bin");
        keep(&file, b"first").unwrap();
        let mut open = File::open(&file).unwrap();
        keep(&file, b"second").unwrap();
        let mut seen = Vec::new();
        open.read_to_end(&mut seen).unwrap();
        assert_eq!(
            (seen.as_slice(), fs::read(&file).unwrap().as_slice()),
            (&b"first"[..], &b"second"[..])
        );
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1);
    }
}
