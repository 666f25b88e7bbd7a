//! The `gov` command: parses, runs, and turns the outcome into an exit code.

use std::process::ExitCode;

use anyhow::{Context as _, anyhow};
use clap::Parser as _;
use gov_gateway::cli::{Cli, Exit, console};

fn main() -> ExitCode {
    let cli = Cli::parse();
    // reqwest is built without a provider of its own; a second install is what fails.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return report(&anyhow!("a TLS provider was installed before main"), Exit::NotJudged);
    }
    match cli.run() {
        Ok(exit) => exit.into(),
        Err(failure) => {
            let exit = failure.exit;
            report(&anyhow!(failure), exit)
        }
    }
}

/// Prints the whole chain of causes once, in one line.
fn report(error: &anyhow::Error, exit: Exit) -> ExitCode {
    let written = console::error(&format!("gov: {error:#}")).context("cannot write the error");
    // With standard error closed the exit code is all that is left to say.
    if written.is_err() { Exit::NotJudged.into() } else { exit.into() }
}
