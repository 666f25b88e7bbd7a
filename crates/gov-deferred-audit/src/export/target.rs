//! The directory that an export fills.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::ExportError;

/// A directory, and which of its files belong to this export.
pub(super) struct Target {
    root: PathBuf,
    wanted: BTreeSet<PathBuf>,
    pub(super) written: u64,
    pub(super) removed: u64,
    pub(super) bytes: u64,
}

impl Target {
    /// Takes a directory that is missing, empty, or an export of the log with one of `vkeys`.
    pub(super) fn open(root: &Path, vkeys: &BTreeSet<String>) -> Result<Self, ExportError> {
        let at = |source| ExportError::File { path: root.to_owned(), source };
        fs::create_dir_all(root).map_err(at)?;
        let is_empty = fs::read_dir(root).map_err(at)?.next().is_none();
        let only_ours =
            || fs::read_dir(root).map(|mut it| it.all(|it| it.is_ok_and(|it| is_ours(&it))));
        let is_ours = match fs::read_to_string(root.join("vkey")) {
            Ok(vkey) => vkeys.contains(&vkey) && only_ours().map_err(at)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => is_empty,
            Err(_) => false,
        };
        if !is_ours {
            return Err(ExportError::Foreign(root.to_owned()));
        }
        Ok(Self {
            root: root.to_owned(),
            wanted: BTreeSet::new(),
            written: 0,
            removed: 0,
            bytes: 0,
        })
    }

    /// Makes `file` hold `bytes`.
    pub(super) fn put(&mut self, file: &Path, bytes: &[u8]) -> Result<(), ExportError> {
        self.wanted.insert(file.to_owned());
        self.bytes += u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        let path = self.root.join(file);
        if fs::read(&path).is_ok_and(|there| there == bytes) {
            return Ok(());
        }
        self.written += 1;
        replace(&path, bytes).map_err(|source| ExportError::File { path, source })
    }

    /// Keeps `file` if an earlier export wrote it.
    pub(super) fn keep(&mut self, file: &Path) {
        if let Ok(there) = fs::symlink_metadata(self.root.join(file))
            && there.is_file()
        {
            self.wanted.insert(file.to_owned());
            self.bytes += there.len();
        }
    }

    /// Removes what an earlier export left: partial tiles that have grown, half-written files.
    pub(super) fn finish(&mut self) -> Result<(), ExportError> {
        self.clean(&PathBuf::new())?;
        Ok(())
    }

    /// Whether the directory is empty now, and may go.
    fn clean(&mut self, below: &Path) -> Result<bool, ExportError> {
        let dir = self.root.join(below);
        let at = |source| ExportError::File { path: dir.clone(), source };
        let mut is_empty = true;
        for entry in fs::read_dir(&dir).map_err(at)? {
            let entry = entry.map_err(at)?;
            let path = below.join(entry.file_name());
            if entry.file_type().map_err(at)?.is_dir() {
                if self.clean(&path)? {
                    fs::remove_dir(entry.path()).map_err(at)?;
                } else {
                    is_empty = false;
                }
            } else if self.wanted.contains(&path) {
                is_empty = false;
            } else {
                fs::remove_file(entry.path()).map_err(at)?;
                self.removed += 1;
            }
        }
        Ok(is_empty)
    }
}

/// Whether a name at the top of a directory is one that exports write.
fn is_ours(entry: &fs::DirEntry) -> bool {
    const NAMES: [&str; 6] = ["checkpoint", "epoch", "first-checkpoint", "payload", "tile", "vkey"];
    let name = entry.file_name();
    let name = name.to_string_lossy();
    NAMES.contains(&name.trim_end_matches(UNFINISHED))
}

const UNFINISHED: &str = ".new";

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(UNFINISHED);
    fs::write(&unfinished, bytes)?;
    fs::rename(&unfinished, path)
}
