//! Where settings come from: the flags that every command on files shares.

use std::{
    fs,
    net::Ipv4Addr,
    path::{Path, PathBuf},
};

use clap::Args;

use super::{Exit, Failure};
use crate::{
    config::{self, Config, Loaded, Sources},
    data_dir::{DataDir, DataDirError},
};

/// A flag that sets a key: the flag, the key's path, the value if it was given.
pub(crate) type Setting = (&'static str, &'static str, Option<String>);

/// Where the settings come from.
#[derive(Clone, Debug, Default, Args)]
pub struct Places {
    /// The configuration file (TOML).
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The data directory; by default `gov` in `$XDG_DATA_HOME`, else `~/.local/share/gov`.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// The database: `sqlite` in the data directory, or `postgres://…` where gateways share one.
    /// Other users of this machine see what is on a command line: a URL with a password is best
    /// kept in a file, `file:PATH`.
    #[arg(long, value_name = "URL")]
    pub database_url: Option<String>,
}

/// Where the signed log's outside copy and keys lie; shared by the server and `gov audit`.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct LogPlaces {
    /// Where the outside copy of the signed log's checkpoints lies: best on another disk.
    #[arg(long, value_name = "FILE")]
    pub checkpoint_log: Option<PathBuf>,
    /// The directory of the keys that sign the log.
    #[arg(long, value_name = "DIR")]
    pub audit_key: Option<PathBuf>,
}

impl LogPlaces {
    /// The keys that these flags set.
    ///
    /// # Errors
    ///
    /// [`Failure`] with [`Exit::Usage`] for a path that is not UTF-8.
    pub(super) fn settings(&self) -> Result<[Setting; 2], Failure> {
        let text = |flag, key, path: &Option<PathBuf>| -> Result<Setting, Failure> {
            Ok((flag, key, path.as_deref().map(|it| utf8(flag, it)).transpose()?))
        };
        Ok([
            text("--checkpoint-log", "log.checkpoint_log", &self.checkpoint_log)?,
            text("--audit-key", "log.key_dir", &self.audit_key)?,
        ])
    }
}

impl Places {
    /// The effective configuration: file, environment, these flags and `more` of them.
    ///
    /// # Errors
    ///
    /// [`Failure`] with [`Exit::Usage`] and every problem on a line of its own.
    pub(crate) fn load(&self, more: &[Setting]) -> Result<Loaded, Failure> {
        let file = self.config.as_ref().map(|path| match fs::read_to_string(path) {
            Ok(text) => Ok((path.clone(), text)),
            Err(error) => {
                let what = format!("cannot read the configuration `{}`", path.display());
                Err(Failure::because(Exit::Usage, what, error))
            }
        });
        let data_dir = self.data_dir.as_deref().map(|path| utf8("--data-dir", path));
        let flags = more
            .iter()
            .cloned()
            .chain([
                ("--data-dir", "server.data_dir", data_dir.transpose()?),
                ("--database-url", "database.url", self.database_url.clone()),
            ])
            .filter_map(|(flag, path, value)| value.map(|value| (flag, path, value)));
        let sources = Sources {
            file: file.transpose()?,
            environment: std::env::vars_os().collect(),
            flags: flags.collect(),
        };
        config::load(&sources).map_err(|error| Failure::new(Exit::Usage, error.to_string()))
    }

    /// Whether these flags say where to work, so that no server is asked.
    pub(super) fn name_files(&self) -> bool {
        self.data_dir.is_some() || self.config.is_some() || self.database_url.is_some()
    }

    /// Where the data directory is to be.
    ///
    /// # Errors
    ///
    /// [`Failure`]: as from [`Places::load`], or there is no place for one.
    pub(crate) fn data_dir(&self) -> Result<PathBuf, Failure> {
        match self.load(&[])?.config.server.data_dir {
            Some(path) => Ok(path),
            None => DataDir::default_path(|name| std::env::var_os(name)).map_err(Failure::from),
        }
    }
}

/// The URL under which a server with this configuration is reached from this machine.
pub(super) fn server_url(config: &Config) -> String {
    let mut address = config.server.listen;
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    format!("http://{address}")
}

/// A path as the configuration takes it.
pub(super) fn utf8(flag: &str, path: &Path) -> Result<String, Failure> {
    path.to_str().map(str::to_owned).ok_or_else(|| {
        let shown = path.display();
        Failure::new(Exit::Usage, format!("`{flag}` must be UTF-8; received `{shown}`"))
    })
}

impl From<DataDirError> for Failure {
    fn from(error: DataDirError) -> Self {
        crate::server::StartError::from(error).into()
    }
}
