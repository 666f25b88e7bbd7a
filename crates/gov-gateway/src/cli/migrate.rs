//! `gov migrate`: the databases up to this build's schema.

use clap::Args;

use super::{Exit, Failure, Outcome};

/// `gov migrate`: the databases up to this build's schema.
#[derive(Debug, Args)]
pub struct Migrate {}

impl Migrate {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: it is not there yet.
    pub fn run(self) -> Outcome {
        Err(Failure::new(Exit::Usage, "not there yet"))
    }
}
