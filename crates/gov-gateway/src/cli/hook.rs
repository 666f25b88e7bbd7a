//! `gov hook`: answers a coding agent's hook.

use clap::Subcommand;

use super::{Exit, Failure, Outcome};

/// `gov hook`: answers a coding agent's hook.
#[derive(Debug, Subcommand)]
pub enum Hook {
    /// Claude Code's `PreToolUse` hook.
    ClaudeCode,
}

impl Hook {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: it is not there yet.
    pub fn run(self) -> Outcome {
        Err(Failure::new(Exit::Usage, "not there yet"))
    }
}
