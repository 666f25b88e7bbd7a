//! `gov policies check`: a policy text before anybody is judged by it.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use clap::Args;
use gov_escalation::chain::{Chain, DEFAULT_CHAIN};
use serde_json::json;

use crate::{
    cli::{Exit, Failure, Outcome, Places, console, target::json_line},
    policy::{ChainFault, PolicyError, RuleOutline, chains::unknown, outline},
};

/// `gov policies check`.
#[derive(Debug, Args)]
pub struct Check {
    /// The policy: Cedar text.
    file: PathBuf,
    /// The configuration (TOML) whose chains the policy may ask; without it they are not looked
    /// for.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) fn run(self) -> Outcome {
        let chains = self.chains()?;
        let known: Option<Vec<_>> = chains.as_ref().map(|it| it.keys().map(|it| &**it).collect());
        let unknown = known.as_deref().map(unknown);
        let fault = unknown.as_ref().map(|it| it as ChainFault<'_>);
        match outline(&read(&self.file)?, fault) {
            Ok(rules) => {
                if self.json {
                    json_line(&json!({ "valid": true, "rules": rules }))?;
                } else {
                    console::line(&listed(&rules, known.is_some()))?;
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

impl Check {
    fn chains(&self) -> Result<Option<BTreeMap<String, Chain>>, Failure> {
        let Some(config) = &self.config else { return Ok(None) };
        let places = Places { config: Some(config.clone()), ..Places::default() };
        Ok(Some(places.load(&[])?.config.chains))
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

fn listed(rules: &[RuleOutline], chains_known: bool) -> String {
    let width = rules.iter().map(|it| it.id.len()).max().unwrap_or(0);
    let chain = |it: &RuleOutline| it.chain.as_ref().map(|it| format!("  chain {it}"));
    let row = |it: &RuleOutline| {
        format!("{:width$}  {}{}", it.id, it.outcome, chain(it).unwrap_or_default())
    };
    let mut lines: Vec<_> = rules.iter().map(row).collect();
    let own = rules.iter().any(|it| it.chain.as_deref().is_some_and(|it| it != DEFAULT_CHAIN));
    lines.push(if own && !chains_known {
        let more = "if its chains are configured: `--config FILE` looks for them";
        format!("{} rules; the policy can be activated {more}", rules.len())
    } else {
        format!("{} rules; the policy can be activated", rules.len())
    });
    lines.join("\n")
}

fn refusal(error: &PolicyError) -> serde_json::Value {
    let (line, column) = error.place().unzip();
    json!({ "valid": false, "problem": error.to_string(), "line": line, "column": column })
}
