//! The files of an outside copy: the one that grows, and those that were rolled before it.

use std::{
    ffi::OsString,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use crate::tlog::checkpoint::parse_decimal;

/// The rolled files of the copy at `path`, the oldest first, each with its number from 1.
pub(super) fn rolled(path: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let dir = dir_of(path);
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let prefix = prefix_of(path);
    let mut rolled = Vec::new();
    for entry in entries {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| {
            name.strip_prefix(prefix.to_str()?).and_then(parse_decimal).filter(|it| *it > 0)
        });
        rolled.extend(number.map(|number| (number, dir.join(name))));
    }
    rolled.sort_unstable();
    Ok(rolled)
}

/// Every file of the copy, the oldest first; the one that grows may be missing.
pub(super) fn all(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files: Vec<_> = rolled(path)?.into_iter().map(|(_, path)| path).collect();
    if files.is_empty() || path.exists() {
        files.push(path.to_owned());
    }
    Ok(files)
}

/// Gives the file that grew its number, the next free one. Its name is free then.
pub(super) fn roll(path: &Path) -> io::Result<()> {
    let last = rolled(path)?.last().map_or(0, |(number, _)| *number);
    let mut name = prefix_of(path);
    name.push((last + 1).to_string());
    fs::rename(path, dir_of(path).join(name))
}

/// Makes the names in the directory of `path` durable.
pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(dir_of(path))?.sync_all()
}

fn dir_of(path: &Path) -> &Path {
    path.parent().filter(|dir| *dir != Path::new("")).unwrap_or(Path::new("."))
}

fn prefix_of(path: &Path) -> OsString {
    let mut prefix = path.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    prefix
}
