//! A server of `up`, which stands until `down`: its folder, its port, and the note of both.

use std::{
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{pace::wait_for, workspace};

/// Where a server lives and listens.
#[derive(Debug)]
pub(super) struct Standing {
    pub(super) folder: PathBuf,
    pub(super) port: u16,
}

impl Standing {
    /// The one that an earlier `up` has noted under `name`, whether it answers or not.
    pub(super) fn noted(name: &str) -> Result<Option<Self>> {
        let text = match fs::read_to_string(note(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            other => other.context("reading what `up` has noted")?,
        };
        let mut lines = text.lines();
        let folder = lines.next().context("a folder is missing in what `up` has noted")?;
        let port = lines
            .next()
            .and_then(|it| it.parse().ok())
            .context("a port is missing in what `up` has noted")?;
        Ok(Some(Self { folder: folder.into(), port }))
    }

    /// Starts `command` out of the reach of this terminal's Ctrl-C, notes it under `name`, and
    /// waits until it `answers`.
    pub(super) fn start(
        &self,
        name: &str,
        command: &[OsString],
        limit: Duration,
        answers: impl Fn(u16) -> Result<Option<()>>,
    ) -> Result<()> {
        let log = fs::File::create(self.folder.join("log")).context("the log of a server")?;
        let mut child = Command::new("setsid")
            .args(command)
            .current_dir(&self.folder)
            .env("HOME", &self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("the log's descriptor")?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        fs::create_dir_all(workspace::target()).context("the target directory")?;
        fs::write(note(name), format!("{}\n{}\n", self.folder.display(), self.port))
            .context("noting the server")?;
        wait_for(name, limit, || {
            if let Some(status) = child.try_wait().context("waiting for a server")? {
                let folder = self.folder.display();
                bail!("{name} ended at its start with {status}; its log is {folder}/log");
            }
            answers(self.port)
        })
    }

    /// Removes its files and the note of it.
    pub(super) fn clear_away(&self, name: &str) -> Result<()> {
        remove_folder(&self.folder)?;
        fs::remove_file(note(name)).context("forgetting the server")
    }
}

/// A new folder for a server's files, which only this user can enter.
pub(super) fn new_folder(name: &str) -> Result<PathBuf> {
    let output = Command::new("mktemp")
        .args(["-d", "-t", &format!("gov-{name}-XXXXXXXX")])
        .output()
        .context("starting mktemp")?;
    ensure!(output.status.success(), "mktemp: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().into())
}

/// Removes the files, if they are there.
pub(super) fn remove_folder(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn note(name: &str) -> PathBuf {
    workspace::target().join(format!("xtask-{name}"))
}
