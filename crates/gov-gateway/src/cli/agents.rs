//! `gov agents`: which agents there are and whose, over HTTP while a server runs, else on the files.

use clap::{Args, Subcommand};
use gov_core::{AgentId, text};
use serde_json::json;

use super::{
    Exit, Failure, Outcome,
    target::{self, Target},
    tokens::files,
};
use crate::{
    logged::Changed,
    registry::{AgentList, AgentView},
};

/// `gov agents`.
#[derive(Debug, Subcommand)]
pub enum Agents {
    /// List the registered agents with their owners.
    List(Target),
    /// Say whose an agent is: its owners may not approve what it asks for.
    Own(Own),
}

/// `gov agents own`.
#[derive(Debug, Args)]
pub struct Own {
    /// The agent.
    agent: String,
    /// An owner: a name or `per_…`; may be given more than once.
    #[arg(long = "person", value_name = "NAME", required_unless_present = "nobody")]
    people: Vec<String>,
    /// Leave it without an owner.
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

impl Own {
    fn run(self) -> Result<(), Failure> {
        let id: AgentId = self.agent.parse().map_err(|error| Failure::of(Exit::Usage, error))?;
        let owned: Changed<AgentView> = match self.at.server()? {
            Some(server) => {
                let path = format!("/v1/agents/{}/owners", target::segment(&self.agent));
                let body = json!({ "owners": self.people }).to_string().into_bytes();
                target::ask(server.put(&path, body))?
            }
            None => files::with_registry(&self.at.places, async |registry| {
                registry.own_agent(&id, &self.people, "gov agents").await
            })?,
        };
        self.at.print(&owned, |it| row(&it.view))
    }
}

fn list(at: &Target) -> Result<(), Failure> {
    let list: AgentList = match at.server()? {
        Some(server) => target::ask(server.get("/v1/agents"))?,
        None => {
            let identities = files::identities(&at.places)?;
            let directory = crate::identity::Directory::new(identities);
            let agents = directory.agents();
            AgentList::new(agents.iter().map(|it| AgentView::of(it, &directory)).collect())
        }
    };
    at.print_list(&list, row, "no agents; one is registered when it first asks")
}

fn row(view: &AgentView) -> String {
    let owner = |it: &crate::registry::Owner| match &it.name {
        Some(name) => text::escape(name.as_str()).into_owned(),
        None => it.id.to_string(),
    };
    let owners: Vec<_> = view.owners.iter().map(owner).collect();
    let owners = if owners.is_empty() { "nobody's".to_owned() } else { owners.join(", ") };
    format!("{}  since {}  {owners}", text::escape(view.id.as_str()), view.registered_at)
}
