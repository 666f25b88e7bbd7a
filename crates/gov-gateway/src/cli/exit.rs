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
    // INVARIANT: one of the two is there.
    what: Option<String>,
    error: Option<Box<dyn Error + Send + Sync>>,
}

impl Failure {
    /// A failure in our own words: lower case, no full stop, with the way out.
    #[must_use]
    pub fn new(exit: Exit, what: impl Into<String>) -> Self {
        Self { exit, what: Some(what.into()), error: None }
    }

    /// A failure in our own words, and its cause.
    #[must_use]
    pub fn because(
        exit: Exit,
        what: impl Into<String>,
        cause: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self { exit, what: Some(what.into()), error: Some(cause.into()) }
    }

    /// The same, as a judgement of what the user wrote.
    #[must_use]
    pub fn judged_no(self) -> Self {
        Self { exit: Exit::JudgedNo, ..self }
    }

    /// An error that says it all itself.
    #[must_use]
    pub fn of(exit: Exit, error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self { exit, what: None, error: Some(error.into()) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.what, &self.error) {
            (Some(what), _) => f.write_str(what),
            (None, Some(error)) => error.fmt(f),
            (None, None) => f.write_str("failed"),
        }
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let error: &(dyn Error + 'static) = self.error.as_deref()?;
        if self.what.is_some() { Some(error) } else { error.source() }
    }
}
