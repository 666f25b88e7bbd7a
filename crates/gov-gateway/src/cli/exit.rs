//! How a command ends.

use std::{error::Error, fmt, process::ExitCode};

/// What a command ends with: its exit code, or a [`Failure`] that is printed first.
pub type Outcome = Result<Exit, Failure>;

/// The exit codes, documented as part of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, or the answer is yes.
    Yes = 0,
    /// It was judged, and the answer is no.
    JudgedNo = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Something cannot be reached, locked or bound.
    Unreachable = 3,
    /// It could not be judged.
    NotJudged = 4,
    /// The data was written by a newer build.
    NewerSchema = 5,
    /// The server stopped with durable work left for the next start.
    WorkLeft = 10,
    /// The server stopped with records possibly missing.
    RecordsMissing = 11,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Why a command failed, with the exit code that goes with it.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    what: String,
    source: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure in our own words: lower case, no full stop, with the way out.
    #[must_use]
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: what.into(), source: None }
    }

    /// A failure with its cause.
    #[must_use]
    pub fn because(
        exit: Exit,
        what: impl Into<String>,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { exit, what: what.into(), source: Some(source.into()) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|it| it as _)
    }
}
