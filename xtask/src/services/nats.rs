//! NATS with JetStream: where its programs are, and a throw-away server on a free loopback port.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use super::{
    NATS_SERVER, OLD_NATS_SERVER, free_port,
    standing::{Standing, new_folder},
};
use crate::{
    guard::{Guard, Guarded},
    needs::python,
    pace::wait_for,
};

/// What its folder and the note of it are called after.
const NAME: &str = "nats";

const START_LIMIT: Duration = Duration::from_secs(30);

/// Debian's package puts it here, and not every user has that on the path.
const DEBIAN: &str = "/usr/sbin/nats-server";

/// The programs that tests start servers from.
#[derive(Clone, Debug)]
pub(crate) struct Programs {
    /// With atomic batches: 2.12 or newer.
    pub(crate) current: PathBuf,
    /// Debian's, without them.
    pub(crate) old: PathBuf,
}

impl Programs {
    /// What tells the tests of them.
    pub(crate) fn variables(self) -> [(&'static str, PathBuf); 2] {
        [(NATS_SERVER, self.current), (OLD_NATS_SERVER, self.old)]
    }
}

/// The programs; the current one is installed on first use, below the target directory.
pub(crate) fn programs() -> Result<Programs> {
    let old = old_program().context("nats-server is not installed")?;
    Ok(Programs { current: python::program("nats-server")?, old })
}

/// Debian's server, if it is there.
pub(crate) fn old_program() -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let on_path = env::split_paths(&path).map(|it| it.join("nats-server")).find(|it| it.is_file());
    on_path.or_else(|| Some(PathBuf::from(DEBIAN)).filter(|it| it.is_file()))
}

/// A running server. Dropping it stops it and removes its files; so does the end of this program.
#[derive(Debug)]
pub(crate) struct Nats {
    _guard: Guard,
    port: u16,
}

impl Nats {
    /// Starts one with an empty store, and waits until it answers.
    pub(crate) fn start(program: &Path) -> Result<Self> {
        let folder = new_folder(NAME)?;
        let port = free_port()?;
        let command = server(program, &folder, port);
        let mut guard = Guard::start(&Guarded {
            command: &command.iter().map(OsString::as_os_str).collect::<Vec<_>>(),
            signal: "TERM",
            directory: &folder,
            remove: Some(&folder),
            log: &folder.join("log"),
        })?;
        wait_for("NATS", START_LIMIT, || {
            if let Some(status) = guard.ended()? {
                bail!("NATS ended at its start with {status}; is port {port} taken?");
            }
            Ok(answers(port))
        })?;
        Ok(Self { _guard: guard, port })
    }

    /// Where a client connects.
    pub(crate) fn url(&self) -> String {
        url(self.port)
    }
}

/// Starts one that outlives this program, and returns its URL; the one that is up already, if any.
pub(super) fn up(program: &Path) -> Result<String> {
    if let Some(standing) = Standing::noted(NAME)? {
        ensure!(
            answers(standing.port).is_some(),
            "the NATS of an earlier `up` does not answer; `cargo xtask services down` clears it away"
        );
        return Ok(url(standing.port));
    }
    let standing = Standing { folder: new_folder(NAME)?, port: free_port()? };
    let command = server(program, &standing.folder, standing.port);
    standing.start(NAME, &command, START_LIMIT, |port| Ok(answers(port)))?;
    Ok(url(standing.port))
}

/// Stops the server of `up`; false if there is none.
pub(super) fn down() -> Result<bool> {
    let Some(standing) = Standing::noted(NAME)? else { return Ok(false) };
    let port = standing.port;
    if answers(port).is_some() {
        let pid = fs::read_to_string(standing.folder.join("pid")).context("the process of NATS")?;
        let status = Command::new("kill").arg(pid.trim()).status().context("starting kill")?;
        ensure!(status.success(), "kill {} ended with {status}", pid.trim());
        wait_for("the end of NATS", START_LIMIT, || Ok(answers(port).is_none().then_some(())))?;
    }
    standing.clear_away(NAME)?;
    Ok(true)
}

fn server(program: &Path, folder: &Path, port: u16) -> Vec<OsString> {
    let mut command = vec![program.into()];
    let port = port.to_string();
    command.extend(["-a", "127.0.0.1", "-p", &port, "-js", "-sd"].map(OsString::from));
    command.extend([folder.join("store").into(), OsStr::new("-P").to_owned()]);
    command.push(folder.join("pid").into());
    command
}

/// A server greets whoever connects.
fn answers(port: u16) -> Option<()> {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(1))).ok()?;
    let mut greeting = String::new();
    BufReader::new(stream).read_line(&mut greeting).ok()?;
    greeting.starts_with("INFO ").then_some(())
}

fn url(port: u16) -> String {
    format!("nats://127.0.0.1:{port}")
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_server_answers_and_is_gone_with_its_files_when_dropped() {
        let Some(program) = old_program() else {
            let missing = "the test of services needs NATS; `cargo xtask test` installs it";
            assert!(env::var("CI").as_deref() != Ok("true"), "{missing}");
            // Not `eprintln!`: the test harness swallows it.
            std::io::stderr().write_all(format!("skipped: {missing}\n").as_bytes()).unwrap();
            return;
        };
        let server = Nats::start(&program).unwrap();
        let port = server.port;
        assert!(answers(port).is_some());
        assert!(server.url().contains(&port.to_string()));
        drop(server);
        assert!(answers(port).is_none());
    }
}
