//! Standard output and standard error.

use std::io::{self, Write as _};

use super::{Exit, Failure};

/// Writes one line, or several, to standard output.
///
/// # Errors
///
/// [`Failure`] with [`Exit::NotJudged`]: the reader has gone, so the answer did not arrive.
pub fn line(text: &str) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    writeln!(out, "{text}").and_then(|()| out.flush()).map_err(|error| {
        Failure::because(Exit::NotJudged, "cannot write to standard output", error)
    })
}

/// Writes one line to standard error.
///
/// # Errors
///
/// What the operating system says.
pub fn error(text: &str) -> io::Result<()> {
    writeln!(io::stderr().lock(), "{text}")
}
