//! `gov config`: the effective configuration.

use clap::Subcommand;

use super::{Exit, Failure, Outcome};

/// `gov config`: the effective configuration.
#[derive(Debug, Subcommand)]
pub enum Config {
    /// Read the configuration and say what is wrong with it.
    Check,
    /// Print every key with its value and where it comes from.
    Print,
}

impl Config {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: it is not there yet.
    pub fn run(self) -> Outcome {
        Err(Failure::new(Exit::Usage, "not there yet"))
    }
}
