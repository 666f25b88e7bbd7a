//! Where the parts of a log lie.

use std::path::{Path, PathBuf};

/// Where the parts of a log lie.
#[cfg(feature = "sqlite")]
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The SQLite file; made if it is missing and nothing outside says that it was there.
    pub database: PathBuf,
    /// The directory of the signing keys.
    pub keys: PathBuf,
    /// The file of the outside copy; best on another disk.
    pub outside_copy: PathBuf,
    /// The part of the log's name before `/gov/e<n>`, fixed when the log is created. `None` keeps
    /// what it is, or makes `localhost.invalid/<16 hex digits>`.
    pub domain: Option<String>,
}

#[cfg(feature = "sqlite")]
impl LogConfig {
    /// Everything in its usual place below a data directory.
    #[must_use]
    pub fn in_dir(dir: &Path) -> Self {
        let LogPlaces { keys, outside_copy, domain } = LogPlaces::in_dir(dir);
        Self { database: dir.join("audit-log.db"), keys, outside_copy, domain }
    }

    /// The parts beside the database.
    #[must_use]
    pub fn places(&self) -> LogPlaces {
        let Self { keys, outside_copy, domain, .. } = self.clone();
        LogPlaces { keys, outside_copy, domain }
    }
}

/// Where the parts of a log lie that each node has for itself.
#[derive(Clone, Debug)]
pub struct LogPlaces {
    /// The directory of the signing keys: the same keys on all nodes of a deployment.
    pub keys: PathBuf,
    /// The file of this node's outside copy; best on another disk.
    pub outside_copy: PathBuf,
    /// The part of the log's name before `/gov/e<n>`, fixed when the log is created. `None` keeps
    /// what it is, or makes `localhost.invalid/<16 hex digits>`.
    pub domain: Option<String>,
}

impl LogPlaces {
    /// Everything in its usual place below a data directory.
    #[must_use]
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            keys: dir.join("keys"),
            outside_copy: dir.join("checkpoints").join("checkpoints.log"),
            domain: None,
        }
    }
}
