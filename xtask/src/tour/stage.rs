//! Where the tour takes place: a folder, a port, a server, and a shell.

use std::{
    env,
    ffi::OsStr,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context as _, Result, bail, ensure};

use crate::{
    guard::{Guard, Guarded},
    pace::wait_for,
};

const START_LIMIT: Duration = Duration::from_mins(1);

/// The tour's own world. Dropping it stops the server; its folder goes with it, unless kept.
#[derive(Debug)]
pub(super) struct Stage {
    gov: PathBuf,
    folder: PathBuf,
    keep: bool,
    address: SocketAddr,
    server: Option<Guard>,
    step: usize,
}

impl Stage {
    pub(super) fn set(gov: PathBuf, keep: bool) -> Result<Self> {
        let output = Command::new("mktemp")
            .args(["-d", "-t", "gov-tour-XXXXXXXX"])
            .output()
            .context("starting mktemp")?;
        ensure!(output.status.success(), "mktemp: {}", String::from_utf8_lossy(&output.stderr));
        let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
        let port = TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr());
        let address = port.context("looking for a free port")?;
        println!(
            "export PATH=\"{}:$PATH\" DIR=\"{}\" GOV_URL=http://{address} LC_ALL=C",
            bin_of(&gov).display(),
            folder.display()
        );
        Ok(Self { gov, folder, keep, address, server: None, step: 0 })
    }

    /// What the next commands are for.
    pub(super) fn say(&mut self, text: &str) {
        self.step += 1;
        println!("\n{}. {text}", self.step);
    }

    /// Starts the server, waits until it is ready, and keeps the admin token that it printed.
    pub(super) fn serve(&mut self) -> Result<()> {
        let data = self.folder.join("data");
        let listen = self.address.to_string();
        println!("$ gov serve --data-dir \"$DIR/data\" --listen {listen} &");
        let gov = &self.gov;
        let command = [
            gov.as_os_str(),
            OsStr::new("serve"),
            OsStr::new("--data-dir"),
            data.as_os_str(),
            OsStr::new("--listen"),
            OsStr::new(&listen),
        ];
        let mut server = Guard::start(&Guarded {
            command: &command,
            signal: "TERM",
            directory: &self.folder,
            remove: (!self.keep).then_some(self.folder.as_path()),
            log: &self.folder.join("server.log"),
        })?;
        wait_for("the server", START_LIMIT, || {
            if let Some(status) = server.ended()? {
                bail!("the server ended at its start with {status}");
            }
            Ok(self.is_ready().then_some(()))
        })?;
        self.server = Some(server);
        let said =
            fs::read_to_string(self.folder.join("server.log")).context("the server's log")?;
        print!("{said}");
        self.write_secret("admin.token", &super::token_in(&said)?)
    }

    /// Runs a line of shell, shows what it prints, and returns its standard output.
    pub(super) fn run(&self, line: &str, expected: i32) -> Result<String> {
        let said = self.run_any(line, expected)?;
        Ok(String::from_utf8_lossy(&said.stdout).into_owned())
    }

    /// As `run`, for an answer that has to name something on standard error: an exit code alone
    /// could mean that the command line was wrong.
    pub(super) fn run_and_read(&self, line: &str, expected: i32, word: &str) -> Result<()> {
        let said = self.run_any(line, expected)?;
        let named = String::from_utf8_lossy(&said.stderr).contains(word);
        ensure!(named, "`{line}` should have named `{word}` on standard error");
        Ok(())
    }

    fn run_any(&self, line: &str, expected: i32) -> Result<Output> {
        println!("$ {line}");
        let path = env::var_os("PATH").unwrap_or_default();
        let paths = std::iter::once(bin_of(&self.gov).to_path_buf()).chain(env::split_paths(&path));
        let output = Command::new("sh")
            .args(["-c", line])
            .current_dir(&self.folder)
            .env("PATH", env::join_paths(paths).context("the search path")?)
            .env("DIR", &self.folder)
            .env("GOV_URL", format!("http://{}", self.address))
            // The files are bytes, and no text of some locale's.
            .env("LC_ALL", "C")
            .env_remove("GOV_TOKEN")
            .output()
            .context("starting sh")?;
        for text in [&output.stdout, &output.stderr] {
            let text = String::from_utf8_lossy(text);
            if !text.is_empty() {
                println!("{}", text.trim_end());
            }
        }
        let code = output.status.code();
        if expected != 0 {
            println!("(exit code {})", code.map_or_else(|| "none".to_owned(), |it| it.to_string()));
        }
        ensure!(
            code == Some(expected),
            "`{line}` should have ended with {expected}, and ended with {}",
            output.status
        );
        Ok(output)
    }

    /// Stops the server by SIGTERM, as a service manager does.
    pub(super) fn stop(&mut self) -> Result<()> {
        println!("$ kill -TERM %1; wait %1");
        let mut server = self.server.take().context("the server is not up")?;
        let status = server.stop()?;
        ensure!(
            status.success(),
            "the server should have stopped with 0, and stopped with {status}"
        );
        println!("(exit code 0)");
        Ok(())
    }

    pub(super) fn close(&self) -> Result<()> {
        if self.keep {
            println!("\nAll as it should be. Everything is in {}", self.folder.display());
        } else {
            println!(
                "\nAll as it should be, and the folder is gone; `cargo xtask tour --keep` leaves it."
            );
        }
        std::io::stdout().flush().context("writing to standard output")
    }

    /// The end of the server's log, for when the tour has failed.
    pub(super) fn last_words(&self) -> String {
        let log = fs::read_to_string(self.folder.join("server.log")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let end = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default();
        format!("step {} of the tour; the server's last lines:\n{}\n", self.step, end.join("\n"))
    }

    pub(super) fn write(&self, name: &str, text: &str) -> Result<()> {
        println!("$ cat > \"$DIR/{name}\" <<'END'\n{text}\nEND");
        fs::write(self.folder.join(name), text).with_context(|| format!("writing {name}"))
    }

    /// Writes a file that only its owner can read.
    pub(super) fn write_secret(&self, name: &str, text: &str) -> Result<()> {
        println!("$ (umask 077; echo {text} > \"$DIR/{name}\")");
        let mut options = fs::File::options();
        let file = options.write(true).create_new(true).mode(0o600).open(self.folder.join(name));
        file.and_then(|mut it| writeln!(it, "{text}")).with_context(|| format!("writing {name}"))
    }

    fn is_ready(&self) -> bool {
        let ask = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(self.address)?;
            stream.set_read_timeout(Some(Duration::from_secs(5)))?;
            write!(
                stream,
                "GET /readyz HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n\r\n",
                self.address
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        // Whatever goes wrong here is a server that is not up yet.
        ask().is_ok_and(|it| it.starts_with("HTTP/1.1 200"))
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.server.take());
        if !self.keep
            && self.folder.exists()
            && let Err(error) = fs::remove_dir_all(&self.folder)
        {
            eprintln!("xtask: {}: {error}", self.folder.display());
        }
    }
}

fn bin_of(gov: &Path) -> &Path {
    gov.parent().unwrap_or(gov)
}
