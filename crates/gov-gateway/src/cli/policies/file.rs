//! `gov policies check`: a policy text before anybody is judged by it.

use std::{
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use serde_json::json;

use crate::{
    cli::{Exit, Failure, Outcome, console, tokens::json_line},
    policy::{PolicyError, RuleOutline, outline},
};

/// `gov policies check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The policy: Cedar text.
    file: PathBuf,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> Outcome {
        match outline(&read(&self.file)?) {
            Ok(rules) => {
                if self.json {
                    json_line(&json!({ "valid": true, "rules": rules }))?;
                } else {
                    console::line(&listed(&rules))?;
                }
                Ok(Exit::Yes)
            }
            Err(error) if self.json => {
                json_line(&refusal(&error))?;
                Ok(Exit::JudgedNo)
            }
            Err(error) => Err(Failure::of(Exit::JudgedNo, error)),
        }
    }
}

/// The text in a file.
///
/// # Errors
///
/// [`Failure`] with [`Exit::Usage`]: it cannot be read, or it is no text.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| {
        let what = format!("cannot read the policy `{}`", path.display());
        Failure::because(Exit::Usage, what, error)
    })
}

fn listed(rules: &[RuleOutline]) -> String {
    let width = rules.iter().map(|it| it.id.len()).max().unwrap_or(0);
    let mut lines: Vec<_> =
        rules.iter().map(|it| format!("{:width$}  {}", it.id, it.outcome)).collect();
    lines.push(format!("{} rules; the policy can be activated", rules.len()));
    lines.join("\n")
}

fn refusal(error: &PolicyError) -> serde_json::Value {
    let (line, column) = error.place().unzip();
    json!({ "valid": false, "problem": error.to_string(), "line": line, "column": column })
}
