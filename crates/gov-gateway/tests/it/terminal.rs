//! A terminal for a command that asks one: its own, whatever its standard streams are.

use std::{
    fs::File,
    io::{Read as _, Write as _},
    os::fd::{AsFd as _, OwnedFd},
    process::{Child, Command, Stdio},
};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

/// A command with a terminal, and the person's end of that.
pub(crate) struct Terminal {
    child: Child,
    person: File,
    /// What the person has seen.
    pub(crate) seen: String,
}

impl Terminal {
    /// Starts `command` as the first of a session, which makes the terminal its own.
    pub(crate) fn start(command: &Command) -> Self {
        let person = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&person).unwrap();
        unlockpt(&person).unwrap();
        let name = ptsname(&person, Vec::new()).unwrap();
        let screen = File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        // Only the session's first process can take a terminal, and only between fork and exec.
        let mut session = Command::new("setsid");
        session.args(["--ctty", "--wait"]).arg(command.get_program()).args(command.get_args());
        session.env_clear();
        for (name, value) in command.get_envs() {
            session.env(name, value.unwrap());
        }
        session.env("PATH", std::env::var_os("PATH").unwrap());
        let child = session
            .stdin(OwnedFd::from(screen))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self { child, person: File::from(person), seen: String::new() }
    }

    /// Reads the screen until it shows `text`.
    pub(crate) fn wait_for(&mut self, text: &str) {
        let mut bytes = [0; 4096];
        while !self.seen.contains(text) {
            let read = self.person.read(&mut bytes);
            let read = read.unwrap_or_else(|error| panic!("{error}: {}", self.seen));
            assert_ne!(read, 0, "{}", self.seen);
            self.seen.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
    }

    /// Types a line.
    pub(crate) fn type_line(&mut self, line: &str) {
        self.person.write_all(format!("{line}\n").as_bytes()).unwrap();
    }

    /// Waits for the end; gives the exit code and both outputs.
    pub(crate) fn end(self) -> (i32, String, String) {
        let output = self.child.wait_with_output().unwrap();
        // Held until here: a terminal that goes away ends the session.
        let _ = self.person.as_fd();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }
}
