//! Chores of this workspace: `cargo xtask <command>`.
//!
//! One file a command. A check returns one line a problem and is a test too, so that
//! `cargo test --workspace` alone keeps the house in order.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool")]

mod bench;
mod cargo;
mod guard;
mod layers;

mod migrate;
mod migrations;
mod needs;
mod pace;
mod rust_source;
mod services;
mod test;
mod tidy;
mod torture;
mod tour;
mod tree;
mod workspace;

use std::process::ExitCode;

use anyhow::Result;

const USAGE: &str = "usage: cargo xtask <command>

for everybody:
  tour [--keep]                     build gov and walk through its main job, in this terminal
  test [ARGS…]                      install what tests need, start services, run every test
for developers:
  services up|down                  a throw-away PostgreSQL and NATS that stay up until `down`
  services run -- COMMAND…          the same for the length of a command
  migrate --data-dir D | --database-url U [--component C]
                                    bring databases up to this build's schema
  bench [COMPONENT] [--once] [--json]
                                    measure beside the baseline; --once is the quick form
  torture COMPONENT --seeds N       crash and fault sweeps over the seeds 0..N-1
checks (each is a test too):
  layers                            which crate may depend on which, and what may be in the tree
  tidy                              what every file has to look like
  migrations [--land]               numbered, paired and unchanged; --land freezes the new ones";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    match run(&command, &rest) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask {command}: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(command: &str, rest: &[String]) -> Result<ExitCode> {
    match command {
        "bench" => bench::run(rest),
        "layers" => Ok(report(&layers::check()?)),
        "migrate" => migrate::run(rest),
        "migrations" => migrations::run(rest),
        "services" => services::run(rest),
        "test" => test::run(rest),
        "tidy" => Ok(report(&tidy::check()?)),
        "torture" => torture::run(rest),
        "tour" => tour::run(rest),
        "" | "help" | "--help" | "-h" => {
            println!("{USAGE}");
            Ok(ExitCode::SUCCESS)
        }
        _ => {
            eprintln!("no command `{command}`\n\n{USAGE}");
            Ok(ExitCode::from(2))
        }
    }
}

/// Prints one line a problem; any problem is a failure.
fn report(problems: &[String]) -> ExitCode {
    for problem in problems {
        println!("{problem}");
    }
    if problems.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
