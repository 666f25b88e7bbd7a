//! `gov people away` and `gov people back`: who decides while a person does not.

use clap::Args;
use serde_json::json;

use super::{ACTOR, row};
use crate::{
    cli::{Failure, decider::Decider, target, target::Target, tokens::files},
    client::{Client, segment},
    logged::Changed,
    registry::{NewStandIn, PersonView},
};

/// `gov people away`.
#[derive(Debug, Args)]
pub struct Away {
    /// Who is away, by name or `per_…` id.
    name: String,
    /// Who decides meanwhile, by name or `per_…` id.
    #[arg(long, value_name = "PERSON")]
    stand_in: String,
    /// From when on, as `2026-12-24T00:00:00.000000Z`; at once, if it is not given.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// When it ends.
    #[arg(long, value_name = "TIME")]
    until: String,
    #[command(flatten)]
    at: Target,
}

/// `gov people back`.
#[derive(Debug, Args)]
pub struct Back {
    /// Who decides for themselves again, by name or `per_…` id.
    name: String,
    #[command(flatten)]
    at: Target,
}

impl Away {
    pub(super) fn run(self) -> Result<(), Failure> {
        let new = NewStandIn::read(&self.stand_in, self.from.as_deref(), &self.until)?;
        let named: Changed<PersonView> = match server(&self.at)? {
            Some(server) => {
                let NewStandIn { stand_in, from, until } = new;
                let body = json!({"stand_in": stand_in, "from": from, "until": until}).to_string();
                target::ask(server.post(&path(&self.name), body.into_bytes()))?
            }
            None => files::with_registry(&self.at.places, async |registry| {
                registry.name_stand_in(&self.name, new, ACTOR).await
            })?,
        };
        self.at.print(&named, |it| row(&it.view))
    }
}

impl Back {
    pub(super) fn run(self) -> Result<(), Failure> {
        let ended: Changed<PersonView> = match server(&self.at)? {
            Some(server) => target::ask(server.delete(&path(&self.name)))?,
            None => files::with_registry(&self.at.places, async |registry| {
                registry.end_stand_ins(&self.name, ACTOR).await
            })?,
        };
        self.at.print(&ended, |it| row(&it.view))
    }
}

/// The server under an admin's token, or under that of the person who has logged in.
fn server(at: &Target) -> Result<Option<Client>, Failure> {
    let Some(url) = std::env::var("GOV_URL").ok().filter(|_| !at.places.name_files()) else {
        return Ok(None);
    };
    let person = Decider::at(&url)?;
    match person.refuse_environment()? {
        Some(_) => at.server(),
        None => person.client().map(Some),
    }
}

fn path(called: &str) -> String {
    format!("/v1/people/{}/stand-ins", segment(called))
}
