//! The log's checkpoints once more, outside its database: what tells that the database was put
//! back to an earlier state.
//!
//! One line a checkpoint: JCS `{"at": …, "checkpoint": "<signed note>", "v": 1}` and a line feed. A
//! file that has grown large is kept under a number, and the next begins with its last line.
//! `docs/formats/outside-copy.md` has the vectors.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use gov_core::Timestamp;

mod files;
mod line;
mod tail;

pub use self::line::{Copied, line};
use self::tail::{LastLine, Tail};

/// A file that would grow beyond so many bytes is rolled.
pub const ROLL_BYTES: u64 = 16 * 1024 * 1024;

/// What is wrong with a line of an earlier state than the one before it.
const GOES_BACK: &str = "it is of an earlier state than the line before it";

/// What was found when the copy was opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The last checkpoint; `None` if there is none.
    pub last: Option<Copied>,
    /// The length to which a torn last line was cut, in bytes.
    pub cut_at: Option<u64>,
}

/// The copy cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OutsideCopyError {
    /// A line is not as it was written: somebody changed the file.
    #[error("line {line} of `{path}` is corrupt: {why}; compare it with a backup")]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// Which line, from 1.
        line: u64,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The file is shorter than what was written to it.
    #[error("`{path}` must be at least {wanted} bytes long and has {got}: it was cut")]
    Shortened {
        /// Which file.
        path: PathBuf,
        /// How many bytes this process knows of.
        wanted: u64,
        /// How many there are.
        got: u64,
    },
    /// The file system failed.
    #[error("`{path}` cannot be read or written")]
    Io {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// The file, open for appending. It is opened anew for each append: after a failed write or fsync
/// its descriptor must not be trusted.
#[derive(Debug)]
pub struct OutsideCopy {
    path: PathBuf,
    roll_bytes: u64,
    // INVARIANT: the file is whole lines up to here; what is behind is our own torn write.
    length: u64,
    last: Option<Last>,
}

/// The last line, wherever it lies.
#[derive(Debug)]
struct Last {
    note: String,
    line: Vec<u8>,
}

impl OutsideCopy {
    /// Reads the end of the file, cuts a torn last line, and creates nothing yet.
    ///
    /// Where the file is missing or has no line, its last line is that of the one rolled last. The
    /// lines before the last 64 KiB are not read: [`read_all`](Self::read_all) judges them.
    ///
    /// # Errors
    ///
    /// [`OutsideCopyError::Corrupt`] for a line that is whole and wrong: an alarm for a person.
    pub fn open(path: impl Into<PathBuf>) -> Result<(Self, Found), OutsideCopyError> {
        let path = path.into();
        let tail = Tail::read(&path)?;
        let (length, torn) = (tail.length, tail.torn);
        let cut = |path: &Path| OpenOptions::new().write(true).open(path)?.set_len(length);
        if torn {
            cut(&path).map_err(|source| OutsideCopyError::Io { path: path.clone(), source })?;
        }
        let found = last_of(&path, tail)?;
        let copied = found.as_ref().map(|it| it.copied.clone());
        let last = found.map(|it| Last { note: it.copied.note, line: it.bytes });
        let copy = Self { path, roll_bytes: ROLL_BYTES, length, last };
        Ok((copy, Found { last: copied, cut_at: torn.then_some(length) }))
    }

    /// Rolls the file at another size than [`ROLL_BYTES`].
    #[must_use]
    pub fn rolling_at(self, bytes: u64) -> Self {
        Self { roll_bytes: bytes, ..self }
    }

    /// The last checkpoint of the copy at `path`, also beside the process that writes it; changes
    /// nothing. `None` if there is none.
    ///
    /// # Errors
    ///
    /// As from [`open`](Self::open).
    pub fn read_last(path: &Path) -> Result<Option<Copied>, OutsideCopyError> {
        Ok(last_of(path, Tail::read(path)?)?.map(|it| it.copied))
    }

    /// Reads all files and gives every checkpoint in them, each once; changes nothing, a torn last
    /// line is left out. For the last one alone ask [`read_last`](Self::read_last).
    ///
    /// # Errors
    ///
    /// As from [`open`](Self::open).
    pub fn read_all(path: &Path) -> Result<Vec<Copied>, OutsideCopyError> {
        let io = |source| OutsideCopyError::Io { path: path.to_owned(), source };
        loop {
            let files = files::all(path).map_err(io)?;
            let read = read_files(&files);
            // Rolled meanwhile: what was read may have a gap.
            if files::all(path).map_err(io)? == files {
                return read;
            }
        }
    }

    /// Appends one checkpoint and waits until it is on the disk.
    ///
    /// # Errors
    ///
    /// [`OutsideCopyError`]: nothing of it stays in the file; try again later.
    pub fn append(&mut self, at: Timestamp, note: &str) -> Result<(), OutsideCopyError> {
        let path = self.path.clone();
        let io = |source| OutsideCopyError::Io { path: path.clone(), source };
        let line = line(at, note).map_err(|error| io(io::Error::other(error)))?;
        let mut file = self.at_its_end().map_err(io)?;
        let got = file.metadata().map_err(io)?.len();
        if got < self.length {
            return Err(OutsideCopyError::Shortened { path, wanted: self.length, got });
        }
        let grown = self.length.saturating_add(line.len().try_into().unwrap_or(u64::MAX));
        if self.length > 0 && grown > self.roll_bytes {
            self.roll(&file).map_err(io)?;
            file = self.at_its_end().map_err(io)?;
        }
        // A new file says where the one before it ended.
        let carried = self.last.as_ref().filter(|_| self.length == 0);
        let bytes = [carried.map_or(&[][..], |it| &it.line), &line].concat();
        let written = file
            .set_len(self.length)
            .and_then(|()| file.seek(SeekFrom::Start(self.length)))
            .and_then(|_| file.write_all(&bytes))
            .and_then(|()| file.sync_all());
        written.map_err(io)?;
        self.length += u64::try_from(bytes.len()).unwrap_or(0);
        self.last = Some(Last { note: note.to_owned(), line });
        Ok(())
    }

    /// The checkpoint of the last line.
    #[must_use]
    pub fn last_note(&self) -> Option<&str> {
        self.last.as_ref().map(|it| it.note.as_str())
    }

    /// Puts the file aside. Should the process end before the next one has a line, the last line is
    /// read from the one put aside.
    fn roll(&mut self, file: &File) -> io::Result<()> {
        file.set_len(self.length)?;
        file.sync_all()?;
        files::roll(&self.path)?;
        self.length = 0;
        gov_store::crash::point("log-copy-after-roll");
        files::sync_dir(&self.path)
    }

    /// Opens the file; where it is new, its name is made durable too.
    fn at_its_end(&self) -> io::Result<File> {
        let mut options = OpenOptions::new();
        options.write(true);
        match options.open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let dir = self.path.parent().unwrap_or(Path::new("."));
                fs::create_dir_all(dir)?;
                let file = options.create_new(true).open(&self.path)?;
                files::sync_dir(&self.path)?;
                Ok(file)
            }
            opened => opened,
        }
    }
}

/// The last line: the file's, or where that has none, the one of the file rolled last.
fn last_of(path: &Path, tail: Tail) -> Result<Option<LastLine>, OutsideCopyError> {
    if tail.last.is_some() {
        return Ok(tail.last);
    }
    let rolled = files::rolled(path)
        .map_err(|source| OutsideCopyError::Io { path: path.to_owned(), source })?;
    match rolled.last() {
        Some((_, path)) => Ok(Tail::read(path)?.last),
        None => Ok(None),
    }
}

/// Every checkpoint of some files, in order.
fn read_files(files: &[PathBuf]) -> Result<Vec<Copied>, OutsideCopyError> {
    let mut all: Vec<Copied> = Vec::new();
    for path in files {
        let io = |source| OutsideCopyError::Io { path: path.clone(), source };
        let mut file = BufReader::new(File::open(path).map_err(io)?);
        let mut line = Vec::new();
        for number in 1.. {
            line.clear();
            file.read_until(b'\n', &mut line).map_err(io)?;
            let Some(text) = line.strip_suffix(b"\n") else { break };
            let corrupt = |why| OutsideCopyError::Corrupt { path: path.clone(), line: number, why };
            let copied = line::parse(text).map_err(corrupt)?;
            match all.last() {
                // The line that joins a file to the one before it.
                Some(before) if number == 1 => {
                    if *before != copied {
                        return Err(corrupt("it is not the last line of the file before it"));
                    }
                }
                Some(before) if copied.place() < before.place() => {
                    return Err(corrupt(GOES_BACK));
                }
                _ => all.push(copied),
            }
        }
    }
    Ok(all)
}
