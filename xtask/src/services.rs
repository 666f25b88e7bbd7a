//! Real servers for the tests, started from what the machine has installed: PostgreSQL and NATS.

mod nats;
mod postgres;
mod standing;

use std::{
    net::TcpListener,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};

pub(crate) use self::{
    nats::{Nats, old_program, programs},
    postgres::{Postgres, bin_dir, is_root},
};
use crate::{cargo, needs};

/// Tells the tests where PostgreSQL listens.
pub(crate) const POSTGRES_URL: &str = "GOV_TEST_POSTGRES_URL";

/// Tells whoever only needs one where NATS listens.
pub(crate) const NATS_URL: &str = "GOV_TEST_NATS_URL";

/// Tells the tests of the NATS server that they start, stop and kill.
const NATS_SERVER: &str = "GOV_TEST_NATS_SERVER";

/// Tells the tests of one without atomic batches.
const OLD_NATS_SERVER: &str = "GOV_TEST_NATS_SERVER_OLD";

const NEEDS: &[needs::Need] = &[needs::POSTGRES, needs::NATS, needs::PYTHON_VENV];

pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["up"] => up(),
        ["down"] => down(),
        ["run", "--", program, rest @ ..] => run_with(program, rest),
        _ => bail!(
            "`services` takes `up`, `down` or `run -- COMMAND…`, and got `{}`",
            words.join(" ")
        ),
    }
}

fn up() -> Result<ExitCode> {
    needs::ensure(NEEDS)?;
    let programs = programs()?;
    println!("export {POSTGRES_URL}={}", postgres::up()?);
    println!("export {NATS_URL}={}", nats::up(&programs.current)?);
    for (name, program) in programs.variables() {
        println!("export {name}={}", program.display());
    }
    eprintln!("they stay up until `cargo xtask services down`");
    Ok(ExitCode::SUCCESS)
}

fn down() -> Result<ExitCode> {
    // One that cannot be stopped must not keep the other up.
    let (postgres, nats) = (postgres::down(), nats::down());
    let said = if postgres? | nats? { "stopped, and their files are gone" } else { "none is up" };
    println!("{said}");
    Ok(ExitCode::SUCCESS)
}

fn run_with(program: &str, arguments: &[&str]) -> Result<ExitCode> {
    needs::ensure(NEEDS)?;
    let programs = programs()?;
    let postgres = Postgres::start()?;
    let nats = Nats::start(&programs.current)?;
    let mut command = Command::new(program);
    cargo::as_if_called_by_a_person(&mut command);
    command.args(arguments).env(POSTGRES_URL, postgres.url()).env(NATS_URL, nats.url());
    let status = command
        .envs(programs.variables())
        .status()
        .with_context(|| format!("starting {program}"))?;
    drop((postgres, nats));
    Ok(exit_code(status))
}

/// The exit code of a command, handed on; 1 where a signal ended it.
pub(crate) fn exit_code(status: std::process::ExitStatus) -> ExitCode {
    let code = status.code().and_then(|it| u8::try_from(it).ok());
    code.map_or(ExitCode::FAILURE, ExitCode::from)
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").context("looking for a free port")?;
    Ok(listener.local_addr().context("looking for a free port")?.port())
}
