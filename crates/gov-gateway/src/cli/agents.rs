//! `gov agents`: who asks, and whose they are, over HTTP while a server runs, else on the files.

use clap::{Args, Subcommand};
use gov_core::{AgentId, text};
use serde_json::json;

use super::{
    Exit, Failure, Outcome,
    target::{self, Target},
    tokens::files,
};
use crate::{
    client::segment,
    logged::Changed,
    registry::{AgentList, AgentView},
};

/// `gov agents`.
#[derive(Debug, Subcommand)]
pub enum Agents {
    /// List the registered agents with their owners.
    List(Target),
    /// Give an agent other owners, who then do not decide about what it asks.
    Own(Own),
}

/// `gov agents own`.
#[derive(Debug, Args)]
pub struct Own {
    /// The agent.
    agent: String,
    /// An owner, by name or `per_…` id; may be given several times.
    #[arg(long = "person", value_name = "NAME", required_unless_present = "nobody")]
    people: Vec<String>,
    /// The agent is nobody's.
    #[arg(long, conflicts_with = "people")]
    nobody: bool,
    #[command(flatten)]
    at: Target,
}

impl Agents {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: what was asked for is not possible, or neither server nor files can be used.
    pub fn run(self) -> Outcome {
        match self {
            Self::List(at) => list(&at)?,
            Self::Own(it) => it.run()?,
        }
        Ok(Exit::Yes)
    }
}

fn list(at: &Target) -> Result<(), Failure> {
    let list: AgentList = match at.server()? {
        Some(server) => target::ask(server.get("/v1/agents"))?,
        None => files::agents(&at.places)?,
    };
    at.print_list(&list, row, "no agents; one is registered when it first asks")
}

impl Own {
    fn run(self) -> Result<(), Failure> {
        let agent: AgentId = self.agent.parse().map_err(|it| Failure::of(Exit::Usage, it))?;
        let owned: Changed<AgentView> = match self.at.server()? {
            Some(server) => {
                let body = json!({ "owners": self.people }).to_string().into_bytes();
                let path = format!("/v1/agents/{}/owners", segment(agent.as_str()));
                target::ask(server.put(&path, body))?
            }
            None => files::with_registry(&self.at.places, async |registry| {
                registry.own_agent(&agent, &self.people, "gov agents").await
            })?,
        };
        self.at.print(&owned, |it| row(&it.view))
    }
}

fn row(view: &AgentView) -> String {
    let name = |owner: &crate::registry::Owner| match &owner.name {
        Some(name) => text::escape(name.as_str()).into_owned(),
        None => owner.id.to_string(),
    };
    let owners: Vec<_> = view.owners.iter().map(name).collect();
    let owners = if owners.is_empty() { "nobody's".to_owned() } else { owners.join(", ") };
    format!("{}  registered {}  {owners}", text::escape(view.id.as_str()), view.registered_at)
}
