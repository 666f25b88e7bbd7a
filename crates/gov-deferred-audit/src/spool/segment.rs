//! One file of the spool.

use std::{
    ffi::OsString,
    fs::{self, File, OpenOptions},
    io,
    ops::Range,
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    record::LogRecord,
    spool::{
        body,
        frame::{self, Found, HEADER_BYTES, Header, Mark},
    },
};

/// How much is read at once: some hundred usual records.
const CHUNK_BYTES: u64 = 256 * 1024;

/// An open segment. Segment 0 is the spool's own name and is never removed: it carries the lock.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) number: u64,
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<File>,
    pub(crate) mark: Mark,
    /// Where the last whole frame ends.
    pub(crate) len: u64,
}

/// Some frames read back.
#[derive(Debug, Default)]
pub(crate) struct ReadBack {
    /// Each with the offset at which its frame ends.
    pub(crate) records: Vec<(LogRecord, u64)>,
    /// What follows them and is no frame any more.
    pub(crate) damaged: Option<Range<u64>>,
}

impl Segment {
    /// Opens (or creates) a file for reading and writing, without looking at it.
    pub(crate) fn open_file(path: &Path) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        options.open(path)
    }

    /// Creates segment `number`, empty, so that it is found again after a power loss.
    pub(crate) fn create(base: &Path, number: u64, mark: Mark) -> io::Result<Self> {
        let path = segment_path(base, number);
        let file = Self::open_file(&path)?;
        Self::begin(number, path, Arc::new(file), mark)
    }

    /// Empties `file` and makes it segment `number`.
    pub(crate) fn begin(
        number: u64,
        path: PathBuf,
        file: Arc<File>,
        mark: Mark,
    ) -> io::Result<Self> {
        file.set_len(0)?;
        file.write_all_at(&Header { number, mark }.encode(), 0)?;
        file.sync_all()?;
        sync_dir(&path)?;
        Ok(Self { number, path, file, mark, len: HEADER_BYTES })
    }

    /// Writes one frame at the end with one `pwrite(2)`; all of it, or nothing.
    ///
    /// The inner error says that what was written could not even be cut off again.
    pub(crate) fn append(&mut self, frame: &[u8]) -> Result<(), (io::Error, Option<io::Error>)> {
        let error = match self.file.write_at(frame, self.len) {
            Ok(written) if written == frame.len() => {
                self.len += u64::try_from(written).unwrap_or(0);
                return Ok(());
            }
            Ok(written) => {
                let wanted = frame.len();
                let short = format!("only {written} of {wanted} bytes were written");
                io::Error::new(io::ErrorKind::WriteZero, short)
            }
            Err(error) => error,
        };
        Err((error, self.file.set_len(self.len).err()))
    }

    /// Reads at most `limit` frames from the beginning of `bytes`; at least one, or the damage.
    pub(crate) fn read_back(&self, bytes: Range<u64>, limit: usize) -> io::Result<ReadBack> {
        let chunk = self.read(bytes.start..bytes.end.min(bytes.start + CHUNK_BYTES))?;
        let found = self.parse(bytes.start, &chunk, limit);
        if !found.records.is_empty() {
            return Ok(found);
        }
        // The first frame is larger than a chunk, or damaged: only the whole stretch tells.
        let all = self.read(bytes.clone())?;
        let mut found = self.parse(bytes.start, &all, limit);
        if found.records.is_empty() {
            let scan = crate::spool::scan::resume(self.mark, &all);
            found.damaged = Some(bytes.start..bytes.start + scan);
        }
        Ok(found)
    }

    /// The bytes of a range, as they are.
    pub(crate) fn read(&self, bytes: Range<u64>) -> io::Result<Vec<u8>> {
        let len = usize::try_from(bytes.end.saturating_sub(bytes.start)).unwrap_or(0);
        let mut buffer = vec![0; len];
        self.file.read_exact_at(&mut buffer, bytes.start)?;
        Ok(buffer)
    }

    fn parse(&self, start: u64, bytes: &[u8], limit: usize) -> ReadBack {
        let (mut found, mut at, mut rest) = (ReadBack::default(), start, bytes);
        while found.records.len() < limit {
            let Found::Whole(body) = frame::decode(self.mark, rest) else { break };
            let Some(record) = body::decode(body) else { break };
            at += frame::frame_bytes(body);
            rest = rest.get(frame::FRAME_BYTES + body.len()..).unwrap_or_default();
            found.records.push((record, at));
        }
        found
    }
}

/// Segment 0 has the spool's name, the others a number behind it.
pub(crate) fn segment_path(base: &Path, number: u64) -> PathBuf {
    if number == 0 {
        return base.to_owned();
    }
    let mut name = OsString::from(base);
    name.push(format!(".{number}"));
    name.into()
}

/// The numbers of the segments beside `base`, ascending, without segment 0.
pub(crate) fn numbers_beside(base: &Path) -> io::Result<Vec<u64>> {
    let mut numbers = Vec::new();
    for entry in fs::read_dir(parent(base))? {
        let name = entry?.file_name();
        let number: Option<u64> = name
            .to_str()
            .zip(base.file_name().and_then(|it| it.to_str()))
            .and_then(|(name, base)| name.strip_prefix(base)?.strip_prefix('.'))
            .filter(|digits| !digits.starts_with('0'))
            .and_then(|digits| digits.parse().ok());
        numbers.extend(number);
    }
    numbers.sort_unstable();
    Ok(numbers)
}

/// Makes what was created or removed beside `path` outlive a power loss.
pub(crate) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(parent(path))?.sync_all()
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    }
}
