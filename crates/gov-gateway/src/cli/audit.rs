//! `gov audit`: the signed log.

use clap::Subcommand;

use super::{Exit, Failure, Outcome};

/// `gov audit`: the signed log.
#[derive(Debug, Subcommand)]
pub enum Audit {
    /// Verify the log.
    Verify,
    /// Export the log as static files.
    Export,
    /// Accept that the log was rolled back.
    AcceptRollback,
}

impl Audit {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: it is not there yet.
    pub fn run(self) -> Outcome {
        Err(Failure::new(Exit::Usage, "not there yet"))
    }
}
