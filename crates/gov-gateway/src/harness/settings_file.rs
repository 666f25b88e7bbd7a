//! A file of the user's, changed all at once or not at all.

use std::{
    fs::{self, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

/// The largest settings file that is read, in bytes.
pub const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// A file as it was read, to be replaced.
#[derive(Clone, Debug)]
pub struct SettingsFile {
    /// The file itself, behind any symbolic links.
    path: PathBuf,
    text: String,
    /// Its permission bits; `None` where there is no file yet.
    mode: Option<u32>,
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read `{}`", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// It is no settings file.
    #[error("`{}` must be a file of at most {MAX_BYTES} bytes of UTF-8", .0.display())]
    NotSettings(PathBuf),
    /// Somebody changed it in the meantime.
    #[error("`{}` was changed by someone else just now; nothing was written, try again", .0.display())]
    Changed(PathBuf),
    /// It cannot be written; what was there is still there.
    #[error("cannot write `{}`; nothing was changed", path.display())]
    Unwritable {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl SettingsFile {
    /// Reads the file; one that does not exist is empty.
    ///
    /// # Errors
    ///
    /// [`FileError::Unreadable`] and [`FileError::NotSettings`]: name another file.
    pub fn read(path: &Path) -> Result<Self, FileError> {
        let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
        let about = match fs::metadata(path) {
            Ok(about) => about,
            Err(error) if error.kind() == io::ErrorKind::NotFound && !path.is_symlink() => {
                return Ok(Self { path: path.to_owned(), text: String::new(), mode: None });
            }
            Err(error) => return Err(unreadable(error)),
        };
        if !about.is_file() || about.len() > MAX_BYTES {
            return Err(FileError::NotSettings(path.to_owned()));
        }
        // A rename over a link would leave the file behind it as it was.
        let target = fs::canonicalize(path).map_err(unreadable)?;
        let bytes = fs::read(&target).map_err(unreadable)?;
        let text = String::from_utf8(bytes).map_err(|_| FileError::NotSettings(path.to_owned()))?;
        Ok(Self { path: target, text, mode: Some(about.mode() & 0o7777) })
    }

    /// The text, as it was read.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The file that is replaced.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Puts `text` in place of what was read, and keeps that beside it as a backup.
    ///
    /// The change is one rename, fsynced before it. Gives the backup's path, if there was a file.
    ///
    /// # Errors
    ///
    /// [`FileError::Changed`] and [`FileError::Unwritable`]: the file is as it was.
    pub fn replace(&self, text: &str) -> Result<Option<PathBuf>, FileError> {
        let now = Self::read(&self.path)?;
        if now.text != self.text || now.mode.is_some() != self.mode.is_some() {
            return Err(FileError::Changed(self.path.clone()));
        }
        let unwritable = |source| FileError::Unwritable { path: self.path.clone(), source };
        if let Some(dir) = self.path.parent() {
            fs::create_dir_all(dir).map_err(unwritable)?;
        }
        let backup = match self.mode {
            Some(mode) => Some(self.back_up(mode).map_err(unwritable)?),
            None => None,
        };
        write_atomically(&self.path, text.as_bytes(), self.mode.unwrap_or(0o600))
            .map_err(unwritable)?;
        Ok(backup)
    }

    /// `<file>.gov-backup`, or the first free `<file>.gov-backup-<n>`: none is written over.
    fn back_up(&self, mode: u32) -> io::Result<PathBuf> {
        for n in 1..=1000 {
            let number = if n == 1 { String::new() } else { format!("-{n}") };
            let path = beside(&self.path, &format!(".gov-backup{number}"));
            match create_new(&path, mode) {
                Ok(mut file) => {
                    file.write_all(self.text.as_bytes())?;
                    file.sync_all()?;
                    return Ok(path);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => (),
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::other("there are 1000 backups already; remove some"))
    }
}

/// Writes a whole file beside `path` and renames it to `path`: readers see the old one or the new.
///
/// # Errors
///
/// What the operating system says; `path` is as it was.
pub fn write_atomically(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let temporary = beside(path, &format!(".gov-{}.tmp", std::process::id()));
    let written = create_new(&temporary, mode).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    if let Err(error) = written {
        // Best effort: the error that matters is the first.
        let _ = fs::remove_file(&temporary);
        return Err(error);
    }
    // The rename itself is durable once the directory is.
    fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
}

/// The mode holds whatever the umask is.
fn create_new(path: &Path, mode: u32) -> io::Result<fs::File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(mode & 0o600).open(path)?;
    file.set_permissions(fs::Permissions::from_mode(mode))?;
    Ok(file)
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap();
        let mut names: Vec<_> =
            entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_with_its_mode_and_the_old_one_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.json");
        fs::write(&path, "old").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let backup = SettingsFile::read(&path).unwrap().replace("new").unwrap().unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_to_string(backup).unwrap(), "old");
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o640);
        SettingsFile::read(&path).unwrap().replace("newer").unwrap();
        assert_eq!(
            names(dir.path()),
            ["settings.json", "settings.json.gov-backup", "settings.json.gov-backup-2"]
        );
    }

    #[test]
    fn a_missing_file_is_made_with_its_directory_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a/b/settings.json");
        let file = SettingsFile::read(&path).unwrap();
        assert_eq!((file.text(), file.replace("new").unwrap()), ("", None));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_link_stays_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (real, link) = (dir.path().join("real.json"), dir.path().join("settings.json"));
        fs::write(&real, "old").unwrap();
        symlink(&real, &link).unwrap();
        SettingsFile::read(&link).unwrap().replace("new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(fs::read_to_string(&real).unwrap(), "new");
    }

    #[test]
    fn a_file_that_changed_meanwhile_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("settings.json");
        let absent = SettingsFile::read(&path).unwrap();
        fs::write(&path, "theirs").unwrap();
        let read = SettingsFile::read(&path).unwrap();
        assert!(matches!(absent.replace("ours"), Err(FileError::Changed(_))));
        fs::write(&path, "theirs again").unwrap();
        assert!(matches!(read.replace("ours"), Err(FileError::Changed(_))));
        assert_eq!(fs::read_to_string(&path).unwrap(), "theirs again");
        assert_eq!(names(dir.path()), ["settings.json"]);
    }

    #[test]
    fn what_is_no_settings_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(SettingsFile::read(dir.path()), Err(FileError::NotSettings(_))));
        let path = dir.path().join("settings.json");
        fs::write(&path, b"\xff").unwrap();
        assert!(matches!(SettingsFile::read(&path), Err(FileError::NotSettings(_))));
        symlink("nowhere", dir.path().join("dangling")).unwrap();
        let dangling = SettingsFile::read(&dir.path().join("dangling"));
        assert!(matches!(dangling, Err(FileError::Unreadable { .. })));
    }
}
