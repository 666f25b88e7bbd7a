//! Real servers for the tests, started from what the machine has installed.
//!
//! PostgreSQL is the only one so far.

mod postgres;

use std::{ffi::OsStr, process::ExitCode};

use anyhow::{Context as _, Result, bail};

pub(crate) use self::postgres::{Postgres, bin_dir, is_root};
use crate::needs;

/// Tells the tests where PostgreSQL listens.
pub(crate) const POSTGRES_URL: &str = "GOV_TEST_POSTGRES_URL";

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["up"] => up(),
        ["down"] => postgres::down(),
        ["run", "--", program, rest @ ..] => run_with(program, rest),
        _ => bail!(
            "`services` takes `up`, `down` or `run -- COMMAND…`, and got `{}`",
            words.join(" ")
        ),
    }
}

fn up() -> Result<ExitCode> {
    needs::ensure(&[needs::POSTGRES])?;
    let url = postgres::up()?;
    println!("export {POSTGRES_URL}={url}");
    eprintln!("it stays up until `cargo xtask services down`");
    Ok(ExitCode::SUCCESS)
}

fn run_with(program: &str, arguments: &[&str]) -> Result<ExitCode> {
    needs::ensure(&[needs::POSTGRES])?;
    let postgres = Postgres::start()?;
    let status = std::process::Command::new(OsStr::new(program))
        .args(arguments)
        .env(POSTGRES_URL, postgres.url())
        .status()
        .with_context(|| format!("starting {program}"))?;
    drop(postgres);
    Ok(exit_code(status))
}

/// The exit code of a command, handed on; 1 where a signal ended it.
pub(crate) fn exit_code(status: std::process::ExitStatus) -> ExitCode {
    let code = status.code().and_then(|it| u8::try_from(it).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}
