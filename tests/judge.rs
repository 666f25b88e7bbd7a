//! The outside judge: Go's own sumdb packages, which share no code with gov.

mod go;

use std::path::Path;

use crate::place::Ran;

/// Judges an exported log; `None` where this machine has no Go, which is said on standard error
/// and is a failure in CI.
pub(crate) fn judge(export: &Path) -> Option<Ran> {
    let mut command = go::go_judge()?;
    command.arg(export);
    Some(Ran::of(command))
}
