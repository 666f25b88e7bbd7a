//! The files of a PostgreSQL server, and its programs.

use std::{
    env, ffi::OsString, fs, os::unix::fs::PermissionsExt as _, path::PathBuf, process::Command,
};

use anyhow::{Context as _, Result, ensure};

use super::{
    super::standing::{new_folder, remove_folder},
    NAME,
};

/// What makes it fast, and lets many tests in at once. Tests of crashes crash our processes, not
/// this one.
const SETTINGS: &[&str] = &[
    "listen_addresses=127.0.0.1",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "max_connections=200",
];

/// The files of one server.
pub(super) struct Cluster {
    pub(super) folder: PathBuf,
}

impl Cluster {
    /// Makes an empty cluster in a new folder that only its user can enter.
    pub(super) fn create() -> Result<Self> {
        let cluster = Self { folder: new_folder(NAME)? };
        if let Some((uid, gid)) = other_user()? {
            std::os::unix::fs::chown(&cluster.folder, Some(uid), Some(gid))
                .context("handing over the folder")?;
        }
        fs::set_permissions(&cluster.folder, fs::Permissions::from_mode(0o700))
            .context("closing the folder")?;
        let data = cluster.folder.join("data");
        let arguments =
            ["-U", "postgres", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C", "-D"]
                .map(OsString::from);
        if let Err(error) = cluster.run("initdb", arguments.into_iter().chain([data.into()])) {
            remove_folder(&cluster.folder)?;
            return Err(error);
        }
        Ok(cluster)
    }

    /// What the server says.
    pub(super) fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// The command line of the server.
    pub(super) fn server(&self, port: u16) -> Result<Vec<OsString>> {
        let mut command = as_its_user("postgres")?;
        command.extend([
            "-D".into(),
            self.folder.join("data").into(),
            "-k".into(),
            self.folder.clone().into(),
        ]);
        command.extend(["-p".into(), port.to_string().into()]);
        for setting in SETTINGS {
            command.extend(["-c".into(), (*setting).into()]);
        }
        Ok(command)
    }

    /// Runs one of its programs to its end.
    pub(super) fn run(
        &self,
        program: &str,
        arguments: impl Iterator<Item = OsString>,
    ) -> Result<()> {
        let mut command = as_its_user(program)?;
        command.extend(arguments);
        let (program_file, arguments) = command.split_first().context("an empty command")?;
        let output = Command::new(program_file)
            .args(arguments)
            .current_dir(&self.folder)
            .env("HOME", &self.folder)
            .output()
            .with_context(|| format!("starting {program}"))?;
        ensure!(
            output.status.success(),
            "{program}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(())
    }
}

/// A program of PostgreSQL, run as somebody who is not root, since it refuses root.
fn as_its_user(program: &str) -> Result<Vec<OsString>> {
    let bin = bin_dir().context("PostgreSQL is not installed")?;
    let mut command = Vec::new();
    if let Some((uid, gid)) = other_user()? {
        let switch =
            ["setpriv", &format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups"]
                .map(OsString::from);
        command.extend(switch);
    }
    command.push(bin.join(program).into());
    Ok(command)
}

/// The user and group that root becomes; `None` for everybody else.
fn other_user() -> Result<Option<(u32, u32)>> {
    if !is_root()? {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd").context("/etc/passwd")?;
    let user = ["postgres", "nobody"].iter().find_map(|name| {
        let line = users.lines().find_map(|it| it.strip_prefix(name)?.strip_prefix(':'))?;
        let mut fields = line.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    user.map(Some).context("PostgreSQL refuses root, and there is no user `postgres` or `nobody`")
}

/// Whether this program runs as root.
pub(crate) fn is_root() -> Result<bool> {
    let output = Command::new("id").arg("-u").output().context("starting id")?;
    Ok(output.stdout.trim_ascii() == b"0")
}

/// The newest `bin` directory of PostgreSQL on this machine: Debian's place, else the search path.
pub(crate) fn bin_dir() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    let newest = versions
        .filter_map(|it| {
            Some((it.file_name().to_str()?.parse::<u32>().ok()?, it.path().join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").exists())
        .max();
    let on_path = || {
        let path = env::var_os("PATH")?;
        env::split_paths(&path)
            .find(|it| it.join("initdb").exists() && it.join("postgres").exists())
    };
    newest.map(|(_, bin)| bin).or_else(on_path)
}
