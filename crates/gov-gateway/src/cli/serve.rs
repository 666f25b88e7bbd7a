//! `gov serve`: the server.

use clap::Args;

use super::{Exit, Failure, Outcome};

/// `gov serve`: the server.
#[derive(Debug, Args)]
pub struct Serve {}

impl Serve {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: it is not there yet.
    pub fn run(self) -> Outcome {
        Err(Failure::new(Exit::Usage, "not there yet"))
    }
}
