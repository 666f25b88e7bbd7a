//! Every test of the workspace, with all that it needs.

use std::process::ExitCode;

use anyhow::Result;

use crate::{
    cargo, needs,
    services::{POSTGRES_URL, Postgres, exit_code, programs},
};

const NEEDS: &[needs::Need] = &[
    needs::POSTGRES,
    needs::NATS,
    needs::PYTHON_VENV,
    needs::GO,
    needs::GO_SUMDB,
    needs::STRACE,
    needs::NODE,
    needs::NPM,
    needs::CHROMIUM,
];

/// Tells the tests of a Python that has the packages they compare us with.
const PYTHON: &str = "GOV_TEST_PYTHON";

/// Tells the tests of the folder with the browser's driver.
const NODE_MODULES: &str = "GOV_TEST_NODE_MODULES";

/// Installs what is missing, starts the services, and ends in `cargo test`, whose own closing
/// lines are the last on standard output.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    needs::ensure(NEEDS)?;
    let python = needs::python::with_packages()?;
    let modules = needs::node::modules()?;
    let nats = programs()?.variables();
    let postgres = Postgres::start()?;
    eprintln!("PostgreSQL for the tests: {}", postgres.url());
    let status = cargo::status(
        cargo::command()
            .args(["test", "--workspace", "--all-features"])
            .args(arguments)
            .env(POSTGRES_URL, postgres.url())
            .envs(nats)
            .env(PYTHON, python)
            .env(NODE_MODULES, modules),
    )?;
    Ok(exit_code(status))
}
