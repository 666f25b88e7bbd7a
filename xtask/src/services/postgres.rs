//! A throw-away PostgreSQL on a free loopback port, with its durability switched off.

mod cluster;

use std::{ffi::OsString, process::Command, time::Duration};

use anyhow::{Context as _, Result, bail, ensure};

use self::cluster::Cluster;
pub(crate) use self::cluster::{bin_dir, is_root};
use super::{free_port, standing::Standing};
use crate::{
    guard::{Guard, Guarded},
    pace::wait_for,
};

/// What its folder and the note of it are called after.
const NAME: &str = "postgres";

const START_LIMIT: Duration = Duration::from_mins(1);

/// A running server. Dropping it stops it and removes its files; so does the end of this program.
#[derive(Debug)]
pub(crate) struct Postgres {
    _guard: Guard,
    port: u16,
}

impl Postgres {
    /// Makes a cluster and waits until it answers.
    pub(crate) fn start() -> Result<Self> {
        let cluster = Cluster::create()?;
        let port = free_port()?;
        let command = cluster.server(port)?;
        let mut guard = Guard::start(&Guarded {
            command: &command.iter().map(OsString::as_os_str).collect::<Vec<_>>(),
            // SIGQUIT is its immediate shutdown: there is nothing to save.
            signal: "QUIT",
            directory: &cluster.folder,
            remove: Some(&cluster.folder),
            log: &cluster.log(),
        })?;
        wait_for("PostgreSQL", START_LIMIT, || {
            if let Some(status) = guard.ended()? {
                bail!("PostgreSQL ended at its start with {status}; is port {port} taken?");
            }
            answers(port)
        })?;
        Ok(Self { _guard: guard, port })
    }

    /// Where a client connects, as a user who may create databases.
    pub(crate) fn url(&self) -> String {
        url(self.port)
    }
}

/// Starts one that outlives this program, and returns its URL; the one that is up already, if any.
pub(super) fn up() -> Result<String> {
    if let Some(standing) = Standing::noted(NAME)? {
        ensure!(
            answers(standing.port)?.is_some(),
            "the server of an earlier `up` does not answer; `cargo xtask services down` clears it away"
        );
        return Ok(url(standing.port));
    }
    let cluster = Cluster::create()?;
    let port = free_port()?;
    let command = cluster.server(port)?;
    Standing { folder: cluster.folder, port }.start(NAME, &command, START_LIMIT, answers)?;
    Ok(url(port))
}

/// Stops the server of `up`; false if there is none.
pub(super) fn down() -> Result<bool> {
    let Some(standing) = Standing::noted(NAME)? else { return Ok(false) };
    let data = standing.folder.join("data");
    if data.join("postmaster.pid").exists() {
        let arguments = ["stop", "--silent", "--mode=immediate", "-D"].map(OsString::from);
        let cluster = Cluster { folder: standing.folder.clone() };
        cluster.run("pg_ctl", arguments.into_iter().chain([data.into()]))?;
    }
    standing.clear_away(NAME)?;
    Ok(true)
}

fn answers(port: u16) -> Result<Option<()>> {
    let bin = bin_dir().context("PostgreSQL is not installed")?;
    let status = Command::new(bin.join("pg_isready"))
        .args(["--quiet", "--host=127.0.0.1", &format!("--port={port}")])
        .status()
        .context("starting pg_isready")?;
    Ok(status.success().then_some(()))
}

fn url(port: u16) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/postgres")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_server_answers_and_is_gone_with_its_files_when_dropped() {
        if bin_dir().is_none() {
            let missing = "the test of services needs PostgreSQL; `cargo xtask test` installs it";
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
            // Not `eprintln!`: the test harness swallows it.
            std::io::stderr().write_all(format!("skipped: {missing}\n").as_bytes()).unwrap();
            return;
        }
        let server = Postgres::start().unwrap();
        let port = server.port;
        assert!(answers(port).unwrap().is_some());
        assert!(server.url().contains(&port.to_string()));
        drop(server);
        assert!(answers(port).unwrap().is_none());
    }
}
