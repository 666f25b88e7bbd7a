//! Brings databases up to this build's schema: `gov migrate`, from the sources.

use std::process::{Command, ExitCode};

use anyhow::Result;

use crate::{cargo, services::exit_code};

/// Hands every argument on. `gov migrate` says what is wrong with them.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let gov = cargo::build_gov()?;
    Ok(exit_code(cargo::status(Command::new(gov).arg("migrate").args(arguments))?))
}
