//! The log's checkpoints once more, outside its database: what tells that the database was put
//! back to an earlier state.
//!
//! One line a checkpoint: JCS `{"at": …, "checkpoint": "<signed note>", "v": 1}` and a line feed.
//! `docs/formats/outside-copy.md` has the vectors.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, BufRead as _, BufReader, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use gov_core::{Timestamp, canonical};
use serde::{Deserialize, Serialize};

use crate::{
    epoch,
    tlog::{checkpoint::Checkpoint, note::Note},
};

/// The format that is written.
const FORMAT_VERSION: u8 = 1;

/// One line, as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    at: Timestamp,
    checkpoint: String,
    v: u8,
}

/// A checkpoint as it was copied; its signature is not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// When it was copied.
    pub at: Timestamp,
    /// The signed note.
    pub note: String,
    /// What the note says.
    pub checkpoint: Checkpoint,
}

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
    // INVARIANT: the file is whole lines up to here; what is behind is our own torn write.
    length: u64,
    last_note: Option<String>,
}

impl OutsideCopy {
    /// Reads the whole file, cuts a torn last line, and creates nothing yet.
    ///
    /// # Errors
    ///
    /// [`OutsideCopyError::Corrupt`] for a line that is whole and wrong: an alarm for a person.
    pub fn open(path: impl Into<PathBuf>) -> Result<(Self, Found), OutsideCopyError> {
        let path = path.into();
        let (last, length, torn) = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => (None, 0, false),
            Err(source) => return Err(OutsideCopyError::Io { path, source }),
            Ok(file) => read(&path, BufReader::new(file))?,
        };
        let cut = |path: &Path| OpenOptions::new().write(true).open(path)?.set_len(length);
        if torn {
            cut(&path).map_err(|source| OutsideCopyError::Io { path: path.clone(), source })?;
        }
        let last_note = last.as_ref().map(|it: &Copied| it.note.clone());
        Ok((Self { path, length, last_note }, Found { last, cut_at: torn.then_some(length) }))
    }

    /// Reads the whole file and gives every checkpoint in it; changes nothing, a torn last line is
    /// left out.
    ///
    /// # Errors
    ///
    /// As from [`open`](Self::open).
    pub fn read_all(path: &Path) -> Result<Vec<Copied>, OutsideCopyError> {
        let io = |source| OutsideCopyError::Io { path: path.to_owned(), source };
        let file = BufReader::new(File::open(path).map_err(io)?);
        let mut all = Vec::new();
        each(path, file, |copied| all.push(copied))?;
        Ok(all)
    }

    /// Appends one checkpoint and waits until it is on the disk.
    ///
    /// # Errors
    ///
    /// [`OutsideCopyError`]: nothing of it stays in the file; try again later.
    pub fn append(&mut self, at: Timestamp, note: &str) -> Result<(), OutsideCopyError> {
        let path = self.path.clone();
        let io = |source| OutsideCopyError::Io { path: path.clone(), source };
        let line = Line { at, checkpoint: note.to_owned(), v: FORMAT_VERSION };
        let mut bytes = canonical::to_bytes(&line).map_err(|error| io(io::Error::other(error)))?;
        bytes.push(b'\n');
        let mut file = self.at_its_end().map_err(io)?;
        let got = file.metadata().map_err(io)?.len();
        if got < self.length {
            return Err(OutsideCopyError::Shortened { path, wanted: self.length, got });
        }
        let written = file
            .set_len(self.length)
            .and_then(|()| file.seek(SeekFrom::Start(self.length)))
            .and_then(|_| file.write_all(&bytes))
            .and_then(|()| file.sync_all());
        written.map_err(io)?;
        self.length += u64::try_from(bytes.len()).unwrap_or(0);
        self.last_note = Some(note.to_owned());
        Ok(())
    }

    /// The checkpoint of the last line.
    #[must_use]
    pub fn last_note(&self) -> Option<&str> {
        self.last_note.as_deref()
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
                File::open(dir)?.sync_all()?;
                Ok(file)
            }
            opened => opened,
        }
    }
}

/// The last checkpoint, the length of all whole lines, and whether a torn one follows.
fn read(
    path: &Path,
    file: BufReader<File>,
) -> Result<(Option<Copied>, u64, bool), OutsideCopyError> {
    let mut last = None;
    let (length, torn) = each(path, file, |copied| last = Some(copied))?;
    Ok((last, length, torn))
}

fn each(
    path: &Path,
    mut file: BufReader<File>,
    mut take: impl FnMut(Copied),
) -> Result<(u64, bool), OutsideCopyError> {
    let (mut length, mut number, mut before) = (0, 0, (0, 0));
    let mut line = Vec::new();
    loop {
        line.clear();
        let bytes = file
            .read_until(b'\n', &mut line)
            .map_err(|source| OutsideCopyError::Io { path: path.to_owned(), source })?;
        let Some(text) = line.strip_suffix(b"\n") else { return Ok((length, bytes > 0)) };
        number += 1;
        let corrupt = |why| OutsideCopyError::Corrupt { path: path.to_owned(), line: number, why };
        let copied = parse(text).map_err(corrupt)?;
        let place = (epoch::of(&copied.checkpoint.origin).unwrap_or(0), copied.checkpoint.size);
        if place < before {
            return Err(corrupt("it is of an earlier state than the line before it"));
        }
        before = place;
        length += u64::try_from(bytes).unwrap_or(0);
        take(copied);
    }
}

fn parse(text: &[u8]) -> Result<Copied, &'static str> {
    let line: Line = serde_json::from_slice(text).map_err(|_| "it is no line of version 1")?;
    if line.v != FORMAT_VERSION {
        return Err("its version is unknown");
    }
    if canonical::to_bytes(&line).map_or(true, |bytes| bytes != text) {
        return Err("it is not canonical");
    }
    let note = Note::parse(line.checkpoint.as_bytes()).map_err(|_| "it has no signed note")?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|_| "its note is no checkpoint")?;
    if epoch::of(&checkpoint.origin).is_none() {
        return Err("its origin names no epoch");
    }
    Ok(Copied { at: line.at, note: line.checkpoint, checkpoint })
}
