//! `gov doctor`: what is wrong with this installation.

use clap::Args;

use super::{Exit, Failure, Outcome};

/// `gov doctor`: what is wrong with this installation.
#[derive(Debug, Args)]
pub struct Doctor {}

impl Doctor {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: it is not there yet.
    pub fn run(self) -> Outcome {
        Err(Failure::new(Exit::Usage, "not there yet"))
    }
}
