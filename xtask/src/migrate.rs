//! Brings databases up to this build's schema: `gov migrate`, from the sources.

use std::process::ExitCode;

use anyhow::Result;

use crate::{cargo, services::exit_code};

/// Hands every argument on. `gov migrate` says what is wrong with them.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let gov = ["run", "--quiet", "--package", "gov-gateway", "--bin", "gov", "--", "migrate"];
    Ok(exit_code(cargo::status(cargo::command().args(gov).args(arguments))?))
}
