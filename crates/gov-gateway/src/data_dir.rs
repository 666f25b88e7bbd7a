//! The data directory: where it is, what lies in it, and who may read it.

use std::{
    fs, io,
    os::unix::fs::{DirBuilderExt as _, PermissionsExt as _},
    path::{Path, PathBuf},
};

pub mod key_file;
pub mod node_name;

/// A data directory that exists and that only its owner can enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataDir {
    root: PathBuf,
    created: bool,
}

/// The directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// Neither variable that the default place is made of is set.
    #[error("no data directory: set `--data-dir`, `$XDG_DATA_HOME` or `$HOME`")]
    NoPlace,
    /// It is not there, and this command does not make one.
    #[error("no data directory at `{}`; `gov init` makes one", .0.display())]
    Missing(PathBuf),
    /// The path names something else.
    #[error("`{}` is not a directory; name another with `--data-dir`", .0.display())]
    NotADirectory(PathBuf),
    /// Others can enter it.
    #[error(
        "data directory `{}` must have mode 0700; received {mode:04o}: correct it with `chmod 700`",
        path.display()
    )]
    TooOpen {
        /// The directory.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
    /// It cannot be made or read.
    #[error("cannot use `{}` as data directory; name another with `--data-dir`", path.display())]
    Io {
        /// The path.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

impl DataDir {
    /// `gov` in `$XDG_DATA_HOME`, else `~/.local/share/gov`.
    ///
    /// # Errors
    ///
    /// [`DataDirError::NoPlace`] where the environment names neither.
    pub fn default_path(
        variable: impl Fn(&str) -> Option<std::ffi::OsString>,
    ) -> Result<PathBuf, DataDirError> {
        let absolute = |name: &str| variable(name).map(PathBuf::from).filter(|it| it.is_absolute());
        absolute("XDG_DATA_HOME")
            .or_else(|| absolute("HOME").map(|it| it.join(".local/share")))
            .map(|it| it.join("gov"))
            .ok_or(DataDirError::NoPlace)
    }

    /// Uses the directory that is there.
    ///
    /// # Errors
    ///
    /// [`DataDirError`]: nothing there, or others could enter it.
    pub fn open(root: &Path) -> Result<Self, DataDirError> {
        let failed = |source| DataDirError::Io { path: root.to_owned(), source };
        let metadata = match fs::metadata(root) {
            Ok(it) => it,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(DataDirError::Missing(root.to_owned()));
            }
            Err(error) => return Err(failed(error)),
        };
        if !metadata.is_dir() {
            return Err(DataDirError::NotADirectory(root.to_owned()));
        }
        let mode = metadata.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(DataDirError::TooOpen { path: root.to_owned(), mode });
        }
        // What is handed on must not depend on the working directory.
        let root = fs::canonicalize(root).map_err(failed)?;
        Ok(Self { root, created: false })
    }

    /// Uses the directory, and makes it and what lies in it where it is missing.
    ///
    /// # Errors
    ///
    /// [`DataDirError`] as from [`DataDir::open`], or it cannot be made.
    pub fn open_or_create(root: &Path) -> Result<Self, DataDirError> {
        let created = !root.exists();
        let make = |path: &Path| {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(path)
                .map_err(|source| DataDirError::Io { path: path.to_owned(), source })
        };
        if created {
            make(root)?;
        }
        let dir = Self { created, ..Self::open(root)? };
        make(&dir.keys())?;
        make(&dir.root.join("checkpoints"))?;
        Ok(dir)
    }

    /// Whether this call made it.
    #[must_use]
    pub fn was_created(&self) -> bool {
        self.created
    }

    /// The directory itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Tokens, agents and policies.
    #[must_use]
    pub fn gov_db(&self) -> PathBuf {
        self.root.join("gov.db")
    }

    /// The audit events, a file a day.
    #[must_use]
    pub fn events(&self) -> PathBuf {
        self.root.join("events")
    }

    /// What waits for a sink of audit events.
    #[must_use]
    pub fn audit_buffer(&self) -> PathBuf {
        self.root.join("audit-buffer.db")
    }

    /// The file of the sink `json-lines`, unless the configuration names another.
    #[must_use]
    pub fn audit_lines(&self) -> PathBuf {
        self.root.join("audit-events.jsonl")
    }

    /// The keys.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.root.join("keys")
    }

    /// What this server is called, unless the configuration says it.
    #[must_use]
    pub fn node_name(&self) -> PathBuf {
        self.root.join("node")
    }

    /// The key that fingerprints secrets.
    #[must_use]
    pub fn redaction_key(&self) -> PathBuf {
        self.keys().join("redaction.key")
    }

    /// The outside copy of the log's checkpoints, unless the configuration names another.
    #[must_use]
    pub fn checkpoint_log(&self) -> PathBuf {
        self.root.join("checkpoints/checkpoints.log")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_directory_is_for_its_owner_only_and_opens_again() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path().join("a/gov");
        assert!(matches!(DataDir::open(&root), Err(DataDirError::Missing(_))));
        assert!(DataDir::open_or_create(&root).unwrap().was_created());
        for path in [root.clone(), root.join("keys"), root.join("checkpoints")] {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        assert!(!DataDir::open_or_create(&root).unwrap().was_created());
        assert!(DataDir::open(&root).is_ok());
    }

    #[test]
    fn a_directory_that_others_can_enter_is_refused_with_the_way_out() {
        let temp = tempfile::tempdir().unwrap();
        fs::set_permissions(temp.path(), fs::Permissions::from_mode(0o750)).unwrap();
        let message = DataDir::open_or_create(temp.path()).unwrap_err().to_string();
        assert!(
            message.ends_with("must have mode 0700; received 0750: correct it with `chmod 700`")
        );
    }

    #[test]
    fn a_place_where_nothing_can_be_made_is_refused() {
        let message = DataDir::open_or_create(Path::new("/proc/gov")).unwrap_err().to_string();
        assert!(message.starts_with("cannot use `/proc/gov` as data directory"), "{message}");
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(matches!(DataDir::open(file.path()), Err(DataDirError::NotADirectory(_))));
    }

    #[test]
    fn the_default_place_follows_the_environment() {
        let place = |set: &[(&str, &str)]| {
            DataDir::default_path(|name| {
                set.iter().find(|(it, _)| *it == name).map(|(_, value)| value.into())
            })
        };
        assert_eq!(place(&[("XDG_DATA_HOME", "/x"), ("HOME", "/h")]).unwrap(), Path::new("/x/gov"));
        // A relative path is to be ignored (XDG Base Directory Specification).
        assert_eq!(
            place(&[("XDG_DATA_HOME", "x"), ("HOME", "/h")]).unwrap(),
            Path::new("/h/.local/share/gov")
        );
        assert!(matches!(place(&[]), Err(DataDirError::NoPlace)));
    }
}
