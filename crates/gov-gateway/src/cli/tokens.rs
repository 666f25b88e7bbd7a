//! `gov tokens`: access tokens.

use clap::Subcommand;

use super::{Exit, Failure, Outcome};

/// `gov tokens`: access tokens.
#[derive(Debug, Subcommand)]
pub enum Tokens {
    /// Create a token.
    Create,
    /// List the tokens.
    List,
    /// Revoke a token.
    Revoke,
}

impl Tokens {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: it is not there yet.
    pub fn run(self) -> Outcome {
        Err(Failure::new(Exit::Usage, "not there yet"))
    }
}
