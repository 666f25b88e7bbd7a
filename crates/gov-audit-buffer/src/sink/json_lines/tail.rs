//! The end of the file: healed when it is opened, and read back through for what it has.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
};

use gov_core::EventId;
use serde::Deserialize;

use super::lines::Last;
use crate::{
    BufferId,
    cloud_event::{self, OnItsWay},
};

/// How far back a crash may have damaged the file: more than any batch.
const HEALED: u64 = 8 * 1024 * 1024;

/// How much is read at once.
const BLOCK: u64 = 1024 * 1024;

#[derive(Deserialize)]
struct Id {
    id: EventId,
}

/// Cuts the file behind its last good line, and gives the length. What is cut is kept in
/// `<path>.torn`.
///
/// A batch is written at once, and a disk that lost power may have kept any part of it, so every
/// line that may be of the last batch is looked at.
pub(super) fn heal(file: &File, path: &Path) -> io::Result<u64> {
    let end = file.metadata()?.len();
    let start = end.saturating_sub(HEALED);
    let bytes = read(file, start, end)?;
    // The first line began before what was read.
    let skipped =
        if start == 0 { 0 } else { position(&bytes, b'\n').map_or(bytes.len(), |it| it + 1) };
    let lines = bytes.get(skipped..).unwrap_or_default();
    let good: usize = lines
        .split_inclusive(|it| *it == b'\n')
        .take_while(|line| is_good(line))
        .map(<[u8]>::len)
        .sum();
    let torn = lines.get(good..).unwrap_or_default();
    let length = end - torn.len() as u64;
    if !torn.is_empty() {
        put_aside(torn, path)?;
        file.set_len(length)?;
        file.sync_all()?;
        tracing::warn!(
            file = %path.display(),
            bytes = torn.len(),
            "the end of the file was torn; it was cut off and is kept in a file of its own",
        );
    }
    Ok(length)
}

/// The last event of the buffer in the first `length` bytes.
pub(super) fn last_of(file: &File, length: u64, buffer: BufferId) -> io::Result<Option<Last>> {
    let place = format!("\"govbuffer\":\"{buffer}\"");
    // The beginning of a line whose rest was read before.
    let (mut end, mut rest) = (length, Vec::new());
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        let mut bytes = read(file, start, end)?;
        bytes.append(&mut rest);
        let whole =
            if start == 0 { 0 } else { position(&bytes, b'\n').map_or(bytes.len(), |it| it + 1) };
        let lines = bytes.get(whole..).unwrap_or_default();
        for line in lines.split(|it| *it == b'\n').rev() {
            // The place stands at the end; who else names a buffer does not get that far.
            let tail = line.get(line.len().saturating_sub(120)..).unwrap_or_default();
            if tail.windows(place.len()).any(|it| it == place.as_bytes())
                && let Some(last) = last_in(line, buffer)
            {
                return Ok(Some(last));
            }
        }
        bytes.truncate(whole);
        (rest, end) = (bytes, start);
    }
    Ok(None)
}

fn last_in(line: &[u8], buffer: BufferId) -> Option<Last> {
    let place = OnItsWay::read_from(line).ok()??;
    let id = serde_json::from_slice::<Id>(line).ok()?;
    (place.buffer_id == buffer).then_some(Last { seq: place.buffer_seq, event_id: id.id })
}

fn is_good(line: &[u8]) -> bool {
    line.strip_suffix(b"\n").is_some_and(|line| {
        cloud_event::decode(line).is_ok() && matches!(OnItsWay::read_from(line), Ok(Some(_)))
    })
}

fn put_aside(torn: &[u8], path: &Path) -> io::Result<()> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".torn");
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o600);
    let mut file = options.open(PathBuf::from(aside))?;
    file.write_all(torn)?;
    file.sync_all()
}

fn read(file: &File, start: u64, end: u64) -> io::Result<Vec<u8>> {
    let length = usize::try_from(end - start).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, start)?;
    Ok(bytes)
}

fn position(bytes: &[u8], wanted: u8) -> Option<usize> {
    bytes.iter().position(|it| *it == wanted)
}
