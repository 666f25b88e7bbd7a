//! Records that no sink took: one file each in the quarantine directory. Everything here blocks.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

use gov_core::{RecordId, Timestamp};

use super::{DeadLetter, LetterPlace, Lies, PAGE_BYTES};
use crate::{
    record::LogRecord,
    spool::{body, segment},
};

/// Why a record lies here: the drainer gives up on nothing else.
pub(crate) const WHY: &str = "the sink panics on this record";

/// A file of the quarantine that holds a record, or should.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Aside {
    pub(crate) place: LetterPlace,
    pub(crate) path: PathBuf,
}

/// Why a file of the quarantine could not be used.
pub(crate) type FileError = (PathBuf, io::Error);

/// What lies there, in the order of death; nothing where there is no directory.
pub(crate) fn entries(dir: &Path) -> Result<Vec<Aside>, FileError> {
    let at = |source| (dir.to_owned(), source);
    let files = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(at)?,
    };
    let mut entries = Vec::new();
    for file in files {
        let file = file.map_err(at)?;
        let name = file.file_name();
        let id = name.to_str().and_then(|it| it.strip_prefix("record-")?.strip_suffix(".bin"));
        let Some(id) = id.and_then(|it| it.parse().ok()) else { continue };
        entries.extend(entry(id, file.path())?);
    }
    entries.sort_by_key(|it| it.place);
    Ok(entries)
}

/// The file of one record, if it is there.
pub(crate) fn find(dir: &Path, id: RecordId) -> Result<Option<Aside>, FileError> {
    entry(id, dir.join(format!("record-{id}.bin")))
}

fn entry(id: RecordId, path: PathBuf) -> Result<Option<Aside>, FileError> {
    let Some(modified) = there(fs::metadata(&path).and_then(|it| it.modified()), &path)? else {
        return Ok(None);
    };
    let since = modified.duration_since(UNIX_EPOCH).unwrap_or_default();
    let place = LetterPlace { dead_at: Timestamp::UNIX_EPOCH + since, id };
    Ok(Some(Aside { place, path }))
}

/// The letter of one record, if it lies here.
pub(crate) fn get(dir: &Path, id: RecordId) -> Result<Option<DeadLetter>, FileError> {
    Ok(find(dir, id)?.as_ref().map(read).transpose()?.flatten())
}

/// The letter in a file; `None` if the file is gone, or holds no record.
fn read(aside: &Aside) -> Result<Option<DeadLetter>, FileError> {
    let letter = |it| DeadLetter::of(it, WHY.to_owned(), aside.place.dead_at, Lies::Quarantine);
    Ok(read_record(aside)?.map(letter))
}

/// The record in a file; `None` if the file is gone, or holds no record.
pub(crate) fn read_record(aside: &Aside) -> Result<Option<LogRecord>, FileError> {
    let Some(bytes) = there(fs::read(&aside.path), &aside.path)? else { return Ok(None) };
    let record = body::decode(&bytes).filter(|it| it.id == aside.place.id);
    if record.is_none() {
        let path = aside.path.display();
        tracing::error!(%path, "a file of the quarantine holds no record, and stays there");
    }
    Ok(record)
}

/// Removes the file of what lies elsewhere now, durably; again is fine.
pub(crate) fn remove(aside: &Aside) -> Result<(), FileError> {
    there(fs::remove_file(&aside.path), &aside.path)?;
    segment::sync_dir(&aside.path).map_err(|source| (aside.path.clone(), source))
}

fn there<T>(done: io::Result<T>, path: &Path) -> Result<Option<T>, FileError> {
    match done {
        Ok(it) => Ok(Some(it)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err((path.to_owned(), source)),
    }
}

/// One page: a page of the table, and what lies in `dir` among its letters or behind them.
///
/// Both are cut by the same bounds, so where the table goes on behind its page this one ends at the
/// last letter of that page, if not before.
pub(crate) fn merge(
    table: Vec<DeadLetter>,
    dir: &Path,
    after: Option<LetterPlace>,
    limit: u64,
) -> Result<Vec<DeadLetter>, FileError> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut asides = entries(dir)?;
    asides.retain(|it| after.is_none_or(|after| it.place > after));
    let (mut asides, mut table) = (asides.into_iter().peekable(), table.into_iter().peekable());
    let (mut page, mut bytes) = (Vec::new(), 0);
    while page.len() < limit && bytes < PAGE_BYTES {
        let next = table.peek().map(DeadLetter::place);
        let letter = match asides.next_if(|it| next.is_none_or(|next| it.place <= next)) {
            // What the table took in already, before its file was removed.
            Some(aside) if Some(aside.place) == next => continue,
            Some(aside) => read(&aside)?,
            None => match table.next() {
                Some(letter) => Some(letter),
                None => break,
            },
        };
        bytes += letter.as_ref().map_or(0, |it| it.payload.as_bytes().len() as u64);
        page.extend(letter);
    }
    Ok(page)
}
