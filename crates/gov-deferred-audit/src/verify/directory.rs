//! An exported directory as a source.

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    Report, SourceError, Which,
    source::{BundleOf, PayloadsOf, Source},
};
use crate::{
    epoch, payload_file,
    tlog::{
        checkpoint::Checkpoint,
        note::Note,
        tile::{TILE_WIDTH, TilePlace, bundles_of, index_path, tiles_of},
    },
};

/// The directory of an export, current epoch and older ones.
pub(crate) struct Directory {
    root: PathBuf,
    current: u64,
}

impl Directory {
    pub(crate) fn open(root: &Path) -> Result<Self, SourceError> {
        match fs::metadata(root.join("checkpoint")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(SourceError::NoLog(root.display().to_string()))
            }
            Err(source) => Err(at(&root.join("checkpoint"))(source)),
            Ok(_) => Ok(Self { root: root.to_owned(), current: 1 }),
        }
    }

    fn dir(&self, epoch: u64) -> PathBuf {
        if epoch == self.current {
            return self.root.clone();
        }
        self.root.join("epoch").join(epoch.to_string())
    }

    fn file(&self, epoch: u64, file: &str) -> Result<Option<Vec<u8>>, SourceError> {
        let path = self.dir(epoch).join(file);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(bytes)),
            // A directory in a file's place is not the file.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::NotFound
                        | io::ErrorKind::IsADirectory
                        | io::ErrorKind::NotADirectory
                ) =>
            {
                Ok(None)
            }
            Err(source) => Err(at(&path)(source)),
        }
    }

    /// Every file of a log of `size` records, below the directory of its epoch.
    fn wanted(&self, epoch: u64, size: u64) -> BTreeSet<PathBuf> {
        let dir = self.dir(epoch);
        let has_payloads = dir.join("payload").exists();
        let mut files: BTreeSet<_> = ["checkpoint", "vkey"].map(PathBuf::from).into();
        if epoch > 1 {
            files.insert("first-checkpoint".into());
        }
        files.extend(tiles_of(size).map(|place| PathBuf::from(place.path())));
        for (index, width) in bundles_of(size) {
            let path = index_path(index, width);
            let entries = PathBuf::from(format!("tile/entries/{path}"));
            // Where a bundle was pruned its payloads were too.
            let is_there = width < TILE_WIDTH || dir.join(&entries).is_file();
            files.insert(entries);
            if has_payloads && is_there {
                files.insert(format!("payload/{path}").into());
            }
        }
        files
    }
}

impl Source for Directory {
    fn epochs(&mut self, _report: &mut Report) -> Result<Vec<u64>, SourceError> {
        let note = self.file(self.current, "checkpoint")?.unwrap_or_default();
        let checkpoint = Note::parse(&note).and_then(|note| Checkpoint::parse(note.text()));
        let current = checkpoint.ok().and_then(|it| epoch::of(&it.origin));
        // Not believed yet: if it is wrong, it fits no key.
        self.current = current.filter(|epoch| *epoch <= MAX_EPOCH).unwrap_or(1);
        Ok((1..=self.current).collect())
    }

    fn name(&self, epoch: u64, file: &str) -> String {
        if epoch == self.current { file.to_owned() } else { format!("epoch/{epoch}/{file}") }
    }

    fn checkpoint(&mut self, epoch: u64) -> Result<Option<Vec<u8>>, SourceError> {
        self.file(epoch, "checkpoint")
    }

    fn first_checkpoint(&mut self, epoch: u64) -> Result<Option<Vec<u8>>, SourceError> {
        self.file(epoch, "first-checkpoint")
    }

    fn vkey(&mut self, epoch: u64) -> Result<Option<Vec<u8>>, SourceError> {
        self.file(epoch, "vkey")
    }

    fn keeps_partial_tiles(&self) -> bool {
        true
    }

    fn tile(&mut self, epoch: u64, place: TilePlace) -> Result<Option<Vec<u8>>, SourceError> {
        self.file(epoch, &place.path())
    }

    fn bundle(&mut self, epoch: u64, index: u64, width: u16) -> Result<BundleOf, SourceError> {
        let file = format!("tile/entries/{}", index_path(index, width));
        let bytes = self.file(epoch, &file)?;
        Ok(bytes.map_or_else(|| BundleOf::Absent(self.name(epoch, &file)), BundleOf::Bytes))
    }

    fn payloads(&mut self, epoch: u64, index: u64, width: u16) -> Result<PayloadsOf, SourceError> {
        if !self.dir(epoch).join("payload").exists() {
            return Ok(PayloadsOf::NotKept);
        }
        let file = self.file(epoch, &format!("payload/{}", index_path(index, width)))?;
        Ok(match file.map(|bytes| payload_file::parse(&bytes)) {
            None => PayloadsOf::Missing,
            Some(None) => PayloadsOf::Bad,
            Some(Some(lines)) => PayloadsOf::Lines(lines),
        })
    }

    fn find_strays(
        &mut self,
        epoch: u64,
        size: u64,
        report: &mut Report,
    ) -> Result<(), SourceError> {
        let dir = self.dir(epoch);
        let wanted = self.wanted(epoch, size);
        let mut found = Vec::new();
        list(&dir, &PathBuf::new(), &mut found)?;
        let older: Vec<_> =
            (1..self.current).map(|it| Path::new("epoch").join(it.to_string())).collect();
        let belongs = |file: &PathBuf| {
            wanted.contains(file)
                || epoch == self.current && older.iter().any(|dir| file.starts_with(dir))
        };
        for file in found.iter().filter(|file| !belongs(file)) {
            let name = self.name(epoch, &file.display().to_string());
            report.find(Which::Integrity, (epoch, None), name, "it does not belong to the log");
        }
        Ok(())
    }
}

/// Epochs arise by hand: more than this is a mistake, and would be a loop without end.
const MAX_EPOCH: u64 = 10_000;

/// Every file below `dir`, as paths below it; links are files, and are not followed.
fn list(root: &Path, below: &Path, found: &mut Vec<PathBuf>) -> Result<(), SourceError> {
    let dir = root.join(below);
    let entries = match fs::read_dir(&dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(at(&dir))?,
    };
    for entry in entries {
        let entry = entry.map_err(at(&dir))?;
        let path = below.join(entry.file_name());
        if entry.file_type().map_err(at(&dir))?.is_dir() {
            list(root, &path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> SourceError + use<> {
    let path = path.display().to_string();
    |source| SourceError::File { path, source }
}
