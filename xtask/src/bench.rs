//! Benches: our way beside the baseline, in the same run.

mod line;

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{ExitCode, Stdio},
};

use anyhow::{Context as _, Result, bail, ensure};

use self::line::{Line, table};
use crate::{
    cargo,
    services::{POSTGRES_URL, Postgres, bin_dir, old_program, programs},
};

/// The benches, by component and by bench target. Each takes `--json`, prints one JSON object a
/// case (see `line`), and knows `--once`, one quick round that says nothing about goals.
const BENCHES: &[(&str, &str)] = &[
    ("deferred-audit", "deferred_audit"),
    ("audit-buffer", "audit_buffer"),
    ("escalation", "escalation"),
    ("retention", "event_store"),
    ("check", "check"),
    ("judge", "judge"),
];

#[derive(Debug, Default, PartialEq, Eq)]
struct Wish {
    component: Option<String>,
    once: bool,
    json: bool,
}

/// Runs the benches; 1 if a goal is missed.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let wish = parse(arguments)?;
    // Some benches also measure PostgreSQL or NATS; without one they leave it out, and say so.
    let missing = env::var_os(POSTGRES_URL).is_none() && bin_dir().is_some();
    let postgres = missing.then(Postgres::start).transpose()?;
    let mut servers: Vec<(&str, PathBuf)> =
        postgres.iter().map(|it| (POSTGRES_URL, it.url().into())).collect();
    if old_program().is_some() {
        servers.extend(programs()?.variables());
    }
    let mut lines = Vec::new();
    for (component, target) in BENCHES {
        if wish.component.as_deref().is_none_or(|it| it == *component) {
            lines.extend(run_one(target, &wish, &servers)?);
        }
    }
    if !wish.json {
        print!("{}", table(&lines));
    }
    let missed = lines.iter().filter(|it| it.met == Some(false)).count();
    Ok(if missed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_one(target: &str, wish: &Wish, servers: &[(&str, PathBuf)]) -> Result<Vec<Line>> {
    let mut command = cargo::command();
    command.envs(servers.iter().map(|(name, value)| (name, value)));
    // The whole workspace with all features, as everywhere: another selection would build
    // the dependencies anew.
    command.args(["bench", "--workspace", "--all-features", "--bench", target]);
    if wish.once {
        command.args(["--profile", "dev"]);
    }
    command.args(["--", "--json"]).args(wish.once.then_some("--once"));
    let mut child = command.stdout(Stdio::piped()).spawn().context("starting cargo bench")?;
    let output = child.stdout.take().context("the output of cargo bench")?;
    let mut lines = Vec::new();
    for text in BufReader::new(output).lines() {
        let text = text.context("reading from cargo bench")?;
        if text.starts_with('{') {
            lines.push(
                Line::read(&text).with_context(|| format!("bench {target} printed `{text}`"))?,
            );
            if wish.json {
                println!("{text}");
            }
        } else if !text.is_empty() {
            eprintln!("{text}");
        }
    }
    let status = child.wait().context("waiting for cargo bench")?;
    ensure!(status.success(), "bench {target} ended with {status}");
    ensure!(!lines.is_empty(), "bench {target} printed no case");
    Ok(lines)
}

fn parse(arguments: &[String]) -> Result<Wish> {
    let mut wish = Wish::default();
    for argument in arguments {
        match argument.as_str() {
            "--once" => wish.once = true,
            "--json" => wish.json = true,
            it if BENCHES.iter().any(|(component, _)| *component == it)
                && wish.component.is_none() =>
            {
                wish.component = Some(it.to_owned());
            }
            it => {
                let known: Vec<&str> = BENCHES.iter().map(|(component, _)| *component).collect();
                bail!(
                    "`bench` takes one of {}, --once and --json, and got `{it}`",
                    known.join(", ")
                );
            }
        }
    }
    Ok(wish)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_component_and_the_switches_are_read() {
        let wish = parse(&["--once".to_owned(), "check".to_owned(), "--json".to_owned()]).unwrap();
        assert_eq!(wish, Wish { component: Some("check".to_owned()), once: true, json: true });
    }

    #[test]
    fn an_unknown_component_is_answered_with_the_known_ones() {
        let error = parse(&["tea".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("deferred-audit") && error.contains("`tea`"), "{error}");
    }
}
