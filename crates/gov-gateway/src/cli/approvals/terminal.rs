//! The person before the screen, whatever the standard streams of the process are.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Write as _},
};

use crate::cli::{Exit, Failure};

/// The terminal of the process.
const TERMINAL: &str = "/dev/tty";

/// Asks, and reads what is typed.
pub(super) struct Terminal {
    from: BufReader<File>,
    to: File,
}

impl Terminal {
    pub(super) fn open() -> Result<Self, Failure> {
        let open = || -> io::Result<Self> {
            let to = File::options().write(true).open(TERMINAL)?;
            Ok(Self { from: BufReader::new(File::open(TERMINAL)?), to })
        };
        open().map_err(|error| {
            let what = "a decision is typed at a terminal, and there is none; decide in one, or on \
                        the server's page";
            Failure::because(Exit::Usage, what, error)
        })
    }

    pub(super) fn ask(&mut self, question: &str) -> Result<String, Failure> {
        let failed = |error| Failure::because(Exit::NotJudged, "the terminal went away", error);
        self.to.write_all(question.as_bytes()).and_then(|()| self.to.flush()).map_err(failed)?;
        let mut typed = String::new();
        self.from.read_line(&mut typed).map_err(failed)?;
        Ok(typed.trim().to_owned())
    }
}
