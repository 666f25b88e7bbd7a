//! Crash and fault sweeps over many seeds.
//!
//! A sweep is an `#[ignore]`d test in the crate's `tests/it/torture.rs` (or `torture/`). It reads
//! the number of seeds from `GOV_TEST_SEEDS`, names the seed it fails on, and prints one line
//! `torture <sweep>: <outcomes>` to standard output. The outcomes depend on the seeds alone, so
//! two runs of the same code over the same range give the same digest.

use std::{
    io::{BufRead as _, BufReader, Read},
    process::{Command, ExitCode, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};
use sha2::{Digest as _, Sha256};

use crate::{
    cargo, needs,
    pace::Stopwatch,
    services::{POSTGRES_URL, Postgres, exit_code, programs},
    workspace,
};

/// The components that have sweeps, and their crates.
const SWEEPS: &[(&str, &str)] = &[
    ("audit-buffer", "gov-audit-buffer"),
    ("deferred-audit", "gov-deferred-audit"),
    ("escalation", "gov-escalation"),
];

/// Runs the sweeps of a component, and prints range, wall time and one digest over the outcomes.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let (component, package, seeds) = parse(arguments)?;
    let tests = cargo::build_tests_of(package)?;
    needs::ensure(&[needs::NATS, needs::POSTGRES, needs::PYTHON_VENV, needs::STRACE])?;
    let servers = programs()?.variables();
    let postgres = Postgres::start()?;
    let watch = Stopwatch::start();
    let mut child = Command::new(tests)
        // Where cargo starts it too.
        .current_dir(workspace::root().join("crates").join(package))
        .args(["torture", "--ignored", "--nocapture", "--test-threads=1"])
        .env("GOV_TEST_SEEDS", seeds.to_string())
        .env(POSTGRES_URL, postgres.url())
        .envs(servers)
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the sweeps")?;
    let outcomes = outcomes(child.stdout.take().context("the output of the sweeps")?)?;
    let status = child.wait().context("waiting for the sweeps")?;
    if !status.success() {
        return Ok(exit_code(status));
    }
    ensure!(!outcomes.is_empty(), "{package} has no sweep that printed its outcomes");
    println!(
        "{component}: seeds 0..{seeds}, {} sweeps, {:.1} s, digest {}",
        outcomes.len(),
        watch.elapsed().as_secs_f64(),
        digest(&outcomes)
    );
    Ok(ExitCode::SUCCESS)
}

fn parse(arguments: &[String]) -> Result<(&str, &'static str, u64)> {
    let known = || SWEEPS.iter().map(|(it, _)| *it).collect::<Vec<_>>().join(", ");
    let [component, flag, seeds] = arguments else {
        bail!("`torture` takes one of {} and `--seeds N`", known());
    };
    ensure!(flag == "--seeds", "`torture` takes `--seeds N`, and got `{flag}`");
    let seeds: u64 =
        seeds.parse().with_context(|| format!("`--seeds` takes a number, and got `{seeds}`"))?;
    ensure!(seeds > 0, "`--seeds` must be at least 1");
    let package = SWEEPS.iter().find(|(it, _)| it == component).map(|(_, package)| *package);
    let package = package
        .with_context(|| format!("no sweeps for `{component}`; there are some for {}", known()))?;
    Ok((component, package, seeds))
}

/// Hands the output on, and keeps the lines about outcomes in an order that no run changes.
fn outcomes(output: impl Read) -> Result<Vec<String>> {
    let mut outcomes = Vec::new();
    for line in BufReader::new(output).lines() {
        let line = line.context("reading from the sweeps")?;
        println!("{line}");
        // The harness may have begun the line with `test <name> ... `.
        if let Some(at) =
            line.find("torture ").filter(|at| *at == 0 || line.contains(" ... torture "))
        {
            outcomes.push(line.get(at..).unwrap_or_default().to_owned());
        }
    }
    outcomes.sort();
    Ok(outcomes)
}

/// The first 16 hex digits: enough to see that two runs differ.
fn digest(outcomes: &[String]) -> String {
    let digest = Sha256::digest(outcomes.join("\n").as_bytes());
    digest.iter().take(8).fold(String::new(), |hex, byte| hex + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_without_sweeps_and_a_bad_number_are_refused() {
        let words = |it: [&str; 3]| it.map(str::to_owned);
        assert!(parse(&words(["tea", "--seeds", "3"])).unwrap_err().to_string().contains("`tea`"));
        assert!(parse(&words(["deferred-audit", "--seeds", "many"])).is_err());
        assert!(parse(&words(["deferred-audit", "--seeds", "0"])).is_err());
        assert_eq!(parse(&words(["deferred-audit", "--seeds", "3"])).unwrap().2, 3);
    }

    #[test]
    fn every_test_that_says_it_is_run_here_is_where_it_is_found() {
        let says = |it: &workspace::File| {
            it.is_rust() && it.text.contains("= \"takes minutes; run by `cargo xtask torture ")
        };
        let files = workspace::files().unwrap();
        let sweeps: Vec<_> = files.iter().filter(|it| says(it)).map(|it| &*it.path).collect();
        assert!(sweeps.len() >= SWEEPS.len(), "{sweeps:?}");
        for path in sweeps {
            let package = SWEEPS.iter().any(|(_, it)| path.starts_with(&format!("crates/{it}/")));
            assert!(package && path.contains("/tests/it/torture"), "{path}");
        }
    }

    #[test]
    fn the_order_of_the_sweeps_does_not_change_the_digest() {
        let one = "running 2 tests\ntest a ... torture a: 1\nok\ntorture b: 2\n";
        let two = "torture b: 2\nnothing of torture\ntorture a: 1\n";
        let read = |text: &str| outcomes(text.as_bytes()).unwrap();
        assert_eq!(read(one).len(), 2);
        assert_eq!(digest(&read(one)), digest(&read(two)));
        assert_ne!(digest(&read(one)), digest(&read("torture a: 1\ntorture b: 3\n")));
    }
}
