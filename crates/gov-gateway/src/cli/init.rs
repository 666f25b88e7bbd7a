//! `gov init`: a data directory with keys and a starter policy.

use clap::Args;

use super::{Exit, Failure, Outcome};

/// `gov init`: a data directory with keys and a starter policy.
#[derive(Debug, Args)]
pub struct Init {}

impl Init {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: it is not there yet.
    pub fn run(self) -> Outcome {
        Err(Failure::new(Exit::Usage, "not there yet"))
    }
}
