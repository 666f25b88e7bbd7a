//! `gov install`: puts gov in front of a coding agent.

use clap::Subcommand;

use super::{Exit, Failure, Outcome};

/// `gov install`: puts gov in front of a coding agent.
#[derive(Debug, Subcommand)]
pub enum Install {
    /// Claude Code's settings file.
    ClaudeCode,
}

impl Install {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: it is not there yet.
    pub fn run(self) -> Outcome {
        Err(Failure::new(Exit::Usage, "not there yet"))
    }
}
