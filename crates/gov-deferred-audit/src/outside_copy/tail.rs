//! The end of a file of lines, read without the rest of it.

use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

use super::{
    OutsideCopyError,
    line::{Copied, parse},
};

/// So much is read at first; twice as much as long as that holds no whole line.
const WINDOW: u64 = 64 * 1024;

/// Longer than any line: a note has at most 64 KiB.
const MAX_WINDOW: u64 = 16 * WINDOW;

/// What a file ends with.
#[derive(Debug, Default)]
pub(super) struct Tail {
    pub(super) last: Option<LastLine>,
    /// The length of all whole lines, in bytes.
    pub(super) length: u64,
    /// Whether a part of a line follows.
    pub(super) torn: bool,
}

/// The last whole line.
#[derive(Debug)]
pub(super) struct LastLine {
    pub(super) copied: Copied,
    /// Its bytes, its line feed included.
    pub(super) bytes: Vec<u8>,
}

impl Tail {
    /// Reads and judges the last lines; a missing file is an empty one.
    pub(super) fn read(path: &Path) -> Result<Self, OutsideCopyError> {
        let io = |source| OutsideCopyError::Io { path: path.to_owned(), source };
        let mut file = match File::open(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            file => file.map_err(io)?,
        };
        let end = file.metadata().map_err(io)?.len();
        let mut window = WINDOW;
        loop {
            let start = end.saturating_sub(window);
            let bytes = part(&mut file, start, end).map_err(io)?;
            // What the window begins in the middle of is left out.
            let skip = match start {
                0 => Some(0),
                _ => bytes.iter().position(|byte| *byte == b'\n').map(|at| at + 1),
            };
            let lines = skip.and_then(|skip| bytes.get(skip..)).unwrap_or_default();
            let whole = lines.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            if whole > 0 || start == 0 {
                let first = end - u64::try_from(lines.len()).unwrap_or(0);
                let (lines, torn) = lines.split_at(whole);
                let last = judge(lines).map_err(|(nth, why)| {
                    let before = count_lines(&mut file, first).unwrap_or(0);
                    OutsideCopyError::Corrupt { path: path.to_owned(), line: before + nth, why }
                })?;
                let length = first + u64::try_from(whole).unwrap_or(0);
                return Ok(Self { last, length, torn: !torn.is_empty() });
            }
            if window >= MAX_WINDOW {
                let line = count_lines(&mut file, start).unwrap_or(0) + 1;
                let why = "it is longer than any line";
                return Err(OutsideCopyError::Corrupt { path: path.to_owned(), line, why });
            }
            window *= 2;
        }
    }
}

/// The last of some whole lines; or which of them is wrong, from 1, and why.
fn judge(lines: &[u8]) -> Result<Option<LastLine>, (u64, &'static str)> {
    let mut last: Option<(Copied, &[u8])> = None;
    for (nth, line) in (1..).zip(lines.split_inclusive(|byte| *byte == b'\n')) {
        let copied = parse(line.strip_suffix(b"\n").unwrap_or(line)).map_err(|why| (nth, why))?;
        if last.as_ref().is_some_and(|(before, _)| copied.place() < before.place()) {
            return Err((nth, super::GOES_BACK));
        }
        last = Some((copied, line));
    }
    Ok(last.map(|(copied, line)| LastLine { copied, bytes: line.to_vec() }))
}

fn part(file: &mut File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(start))?;
    file.take(end - start).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// How many lines end before `end`: only for a message.
fn count_lines(file: &mut File, end: u64) -> io::Result<u64> {
    let mut lines = 0;
    for start in (0..end).step_by(usize::try_from(WINDOW).unwrap_or(usize::MAX)) {
        let bytes = part(file, start, end.min(start + WINDOW))?;
        lines += bytes.iter().filter(|byte| **byte == b'\n').map(|_| 1).sum::<u64>();
    }
    Ok(lines)
}
