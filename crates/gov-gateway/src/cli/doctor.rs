//! `gov doctor`: what is wrong with this installation.
//!
//! One file per group of checks; none of them changes anything. The canary is the exception that
//! leaves a trace: its refusal is a record in the signed log, which is what it is to prove.

use std::path::PathBuf;

use clap::Args;

use super::{
    Exit, Failure, Outcome, Places, console, install::settings_path, places::server_url,
    target::json_line,
};
use crate::{
    client::{Client, Patience},
    config::Config,
    harness::claude_code::{self, HookOptions},
    offline,
};

mod canary;
mod check;
mod files;
mod run_hook;
mod separation;
mod server;
mod settings;

use self::{
    canary::Canary,
    check::{Check, Report},
};

/// Looks for what is wrong with this installation, and fires a canary call through the hook.
///
/// The canary is a command that the policy has to refuse. It is never run: the hook is asked about
/// it as the coding agent asks, and must block it.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Claude Code's settings file; by default `settings.json` in `$CLAUDE_CONFIG_DIR`, else in
    /// `~/.claude`.
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// The server; by default where the configuration makes it listen.
    #[arg(long, env = "GOV_URL")]
    url: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    places: Places,
}

impl Doctor {
    /// Runs the command: 0 with warnings or without, 1 where something failed, 4 where nothing
    /// failed but something could not be judged.
    ///
    /// # Errors
    ///
    /// [`Failure`]: the command line is wrong.
    pub fn run(self) -> Outcome {
        let settings = settings_path(self.settings.as_deref())?;
        let report = match self.places.load(&[]) {
            Ok(loaded) => self.examine(&loaded.config, &settings)?,
            Err(failure) => Report(vec![Check::failed(
                "configuration",
                failure.to_string(),
                "correct it; `gov config check` reads it again",
            )]),
        };
        if self.json {
            json_line(&report)?;
        } else {
            console::line(&report.to_text())?;
        }
        Ok(report.exit())
    }

    fn examine(&self, config: &Config, settings: &std::path::Path) -> Result<Report, Failure> {
        let root = self.places.data_dir()?;
        let url = self.url.clone().unwrap_or_else(|| server_url(config));
        let client = Client::new(&url, None, Patience::default())
            .map_err(|error| Failure::of(Exit::Usage, error))?;
        let mut report = Report(vec![Check::ok("configuration", "it can be read")]);
        let data_dir = files::examine(config, &root, &mut report);
        let (hooks, found) = settings::examine(settings, &url);
        let options = hooks.first().map(|it| HookOptions::read(&it.command)).unwrap_or_default();
        offline::block_on(async {
            let runs = server::examine(&client, &mut report).await;
            let agent = options.agent.clone().or_else(|| "claude-code".parse().ok());
            let usual = agent.map(|it| claude_code::token_file(&root, &it));
            let token = options.token_file.clone().or(usual);
            report.0.push(server::examine_token(&url, token.as_deref(), runs).await);
            report.0.push(separation::examine(&client, runs));
            report.0.extend(found);
            if hooks.is_empty() {
                let what = "there is no hook to fire it through";
                report.0.push(Check::not_judged("canary", what, settings::INSTALL));
            }
            let log = data_dir.map(|it| crate::server::log_config(config, &it).database);
            for hook in &hooks {
                let canary = Canary { hook, url: &url, server_runs: runs, log: log.as_deref() };
                report.0.extend(canary.fire().await);
            }
        })?;
        Ok(report)
    }
}
