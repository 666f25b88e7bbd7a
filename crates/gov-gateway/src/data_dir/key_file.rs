//! A 256-bit key in a file: 64 hex digits and a line feed, mode 0600.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

use gov_core::hex::{self, Hex};

/// The key cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFileError {
    /// Others can read it.
    #[error(
        "key `{}` must have mode 0600; received {mode:04o}: correct it with `chmod 600`, and \
         replace the key if others may have read it",
        path.display()
    )]
    TooOpen {
        /// The file.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// The file holds something else.
    #[error("key `{}` must hold 64 lower-case hex digits; restore it from a backup", .0.display())]
    Malformed(PathBuf),
    /// The operating system gives no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness(#[from] getrandom::Error),
    /// It cannot be read or made.
    #[error("cannot read or make the key `{}`", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Reads the key, and makes it first where it is missing.
///
/// # Errors
///
/// [`KeyFileError`]: others could read it, it is no key, or the file system fails.
pub fn load_or_create(path: &Path) -> Result<[u8; 32], KeyFileError> {
    let failed = |source| KeyFileError::Io { path: path.to_owned(), source };
    match fs::metadata(path) {
        Ok(metadata) => {
            let mode = metadata.permissions().mode() & 0o7777;
            if mode & 0o077 != 0 {
                return Err(KeyFileError::TooOpen { path: path.to_owned(), mode });
            }
            let text = fs::read_to_string(path).map_err(failed)?;
            let digits = text.strip_suffix('\n').unwrap_or(&text);
            hex::parse(digits).ok_or_else(|| KeyFileError::Malformed(path.to_owned()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let mut key = [0; 32];
            getrandom::fill(&mut key)?;
            create(path, &key).map_err(failed)?;
            Ok(key)
        }
        Err(error) => Err(failed(error)),
    }
}

/// Under another name first, so a crash leaves no half of a key.
fn create(path: &Path, key: &[u8; 32]) -> io::Result<()> {
    let draft = path.with_extension("draft");
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    writeln!(file, "{}", Hex(key))?;
    file.sync_all()?;
    fs::rename(&draft, path)?;
    path.parent().map_or(Ok(()), |dir| File::open(dir)?.sync_all())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        let made = load_or_create(&path).unwrap();
        assert_eq!(load_or_create(&path).unwrap(), made);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_key_that_others_can_read_is_refused_with_the_way_out() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        load_or_create(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        let message = load_or_create(&path).unwrap_err().to_string();
        assert!(
            message.contains("must have mode 0600; received 0644: correct it with `chmod 600`")
        );
    }

    #[test]
    fn a_file_that_holds_no_key_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.key");
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&path).unwrap();
        assert!(matches!(load_or_create(&path), Err(KeyFileError::Malformed(_))));
        assert_eq!(fs::read(&path).unwrap(), b"");
    }
}
