//! `gov policies`: what is decided by, over HTTP while a server runs, else on the files.

use std::{path::PathBuf, sync::Arc};

use clap::{Args, Subcommand};
use gov_core::{SystemClock, text};
use serde_json::json;

use super::{
    Exit, Failure, Outcome, console,
    target::{self, Target, json_line},
};
use crate::{
    data_dir::DataDir,
    logged::Changed,
    offline,
    policies::{self, ActivatedView, PoliciesError, PolicyList, PolicyText, PolicyView},
    store::{GatewayStore, sqlite},
};

mod file;

/// What the history calls a change on the files.
const ACTOR: &str = "gov policies";

/// `gov policies`.
#[derive(Debug, Subcommand)]
pub enum Policies {
    /// Say what a policy text holds, or what is wrong with it; needs no server and no files.
    Check(file::Check),
    /// Print the active policy.
    Show(Target),
    /// List all versions, the newest first.
    List(Target),
    /// Make a text the next version and the active one.
    Activate(Activate),
    /// Make the text before the active one the next version and the active one.
    Rollback(Target),
}

/// `gov policies activate`.
#[derive(Debug, Args)]
pub struct Activate {
    /// The policy: Cedar text.
    file: PathBuf,
    #[command(flatten)]
    at: Target,
}

impl Policies {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`] with [`Exit::JudgedNo`] where the text cannot be a policy; else what was asked
    /// for is not possible, or neither server nor files can be used.
    pub fn run(self) -> Outcome {
        match self {
            Self::Check(it) => return it.run(),
            Self::Show(it) => show(&it)?,
            Self::List(it) => list(&it)?,
            Self::Activate(it) => it.run()?,
            Self::Rollback(it) => roll_back(&it)?,
        }
        Ok(Exit::Yes)
    }
}

fn show(at: &Target) -> Result<(), Failure> {
    let active: PolicyText = match at.server()? {
        Some(server) => target::ask(server.get("/v1/policies/active"))?,
        None => offline::read(&at.places, sqlite::active_policy, async |store| {
            store.active_policy().await
        })?
        .map(PolicyText::active)
        .ok_or(PoliciesError::None)?,
    };
    if at.json {
        return json_line(&active);
    }
    console::line(&format!("// {}", row(&active.view)))?;
    // Cedar's own comment and escapes, so what is printed can be activated again.
    let lines = active
        .text
        .lines()
        .map(|line| line.split('\t').map(text::escape).collect::<Vec<_>>().join("\t"));
    console::line(&lines.collect::<Vec<_>>().join("\n"))
}

fn list(at: &Target) -> Result<(), Failure> {
    let list: PolicyList = if let Some(server) = at.server()? {
        target::ask(server.get("/v1/policies"))?
    } else {
        let shared = async |store: &dyn GatewayStore| store.policy_versions().await;
        policies::list(&offline::read(&at.places, sqlite::policy_versions, shared)?)
    };
    at.print_list(&list, row, "no policy; `gov policies activate FILE` puts one in")
}

fn roll_back(at: &Target) -> Result<(), Failure> {
    let activated = match at.server()? {
        Some(server) => target::judged(server.post("/v1/policies/rollback", Vec::new()))?,
        None => on_files(at, async |policies| policies.roll_back(ACTOR).await)?,
    };
    at.print(&activated, activated_row)
}

impl Activate {
    fn run(self) -> Result<(), Failure> {
        let text = file::read(&self.file)?;
        let activated = match self.at.server()? {
            Some(server) => {
                let body = json!({ "text": text }).to_string().into_bytes();
                // The one field that is sent is the text, so a 422 has judged it.
                target::judged(server.post("/v1/policies", body))?
            }
            None => on_files(&self.at, async |policies| policies.activate(text, ACTOR).await)?,
        };
        self.at.print(&activated, activated_row)
    }
}

fn on_files(
    at: &Target,
    change: impl AsyncFnOnce(&policies::Policies) -> Result<Changed<ActivatedView>, PoliciesError>,
) -> Result<Changed<ActivatedView>, Failure> {
    let chains = Arc::new(at.places.load(&[])?.config.chains);
    offline::change(&at.places, DataDir::open, async |store| {
        let policies = policies::Policies::new(store, chains, Arc::new(SystemClock), None);
        change(&policies).await.map_err(Failure::from)
    })
}

fn activated_row(activated: &Changed<ActivatedView>) -> String {
    let ActivatedView { policy, confirmed } = &activated.view;
    let row = row(policy);
    confirmed.map_or(row.clone(), |confirmed| format!("{row}\n{confirmed}"))
}

fn row(view: &PolicyView) -> String {
    let state = if view.active { "active since" } else { "was active from" };
    let name = text::escape(&view.name);
    let (version, since, sha256) = (view.version, view.activated_at, &view.sha256);
    format!("version {version}  {name}  {state} {since}  sha256 {}", text::escape(sha256))
}

impl From<PoliciesError> for Failure {
    fn from(error: PoliciesError) -> Self {
        let exit = match error {
            PoliciesError::Text(_) => Exit::JudgedNo,
            PoliciesError::Store(_) => Exit::NotJudged,
            _ => Exit::Usage,
        };
        Self::of(exit, error)
    }
}
