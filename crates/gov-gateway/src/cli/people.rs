//! `gov people`: who decides, over HTTP while a server runs, else on the files.

use clap::{Args, Subcommand};
use gov_core::text;
use serde_json::json;

use super::{
    Exit, Failure, Outcome,
    target::{self, Target},
    tokens::files,
};
use crate::{
    client::segment,
    logged::Changed,
    registry::{NewPerson, PersonChange, PersonList, PersonView},
};

mod away;
mod slack;

/// What the history calls a change on the files.
const ACTOR: &str = "gov people";

/// `gov people`.
#[derive(Debug, Subcommand)]
pub enum People {
    /// Add a person, who decides with a token of scope `approver`.
    Add(Add),
    /// List the people, also the disabled ones.
    List(Target),
    /// Give a person other roles.
    Set(Set),
    /// Let a person no longer decide, at once: their tokens are refused.
    Disable(Named),
    /// Let a disabled person decide again: their tokens are good again.
    Enable(Named),
    /// Say who a person is in Slack, so that a click there decides as them.
    Slack(slack::Slack),
    /// Let another person decide while this one is away.
    Away(away::Away),
    /// Let nobody decide for this person any more.
    Back(away::Back),
}

/// `gov people add`.
#[derive(Debug, Args)]
pub struct Add {
    /// What the person is called; no two may share a name.
    name: String,
    /// What the person may decide as; may be given several times.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    #[command(flatten)]
    at: Target,
}

/// `gov people set`.
#[derive(Debug, Args)]
pub struct Set {
    /// The person, by name or `per_…` id.
    name: String,
    /// What the person may decide as, and nothing else; may be given several times.
    #[arg(long = "role", value_name = "ROLE", required_unless_present = "no_roles")]
    roles: Vec<String>,
    /// Take all roles away.
    #[arg(long, conflicts_with = "roles")]
    no_roles: bool,
    #[command(flatten)]
    at: Target,
}

/// `gov people disable` and `gov people enable`.
#[derive(Debug, Args)]
pub struct Named {
    /// The person, by name or `per_…` id.
    name: String,
    #[command(flatten)]
    at: Target,
}

impl People {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// [`Failure`]: what was asked for is not possible, or neither server nor files can be used.
    pub fn run(self) -> Outcome {
        match self {
            Self::Add(it) => it.run()?,
            Self::List(at) => list(&at)?,
            Self::Set(it) => change(&it.name, &PersonChange::roles(&it.roles)?, &it.at)?,
            Self::Disable(it) => change(&it.name, &PersonChange::disabled(true), &it.at)?,
            Self::Slack(it) => it.run()?,
            Self::Away(it) => it.run()?,
            Self::Back(it) => it.run()?,
            Self::Enable(it) => change(&it.name, &PersonChange::disabled(false), &it.at)?,
        }
        Ok(Exit::Yes)
    }
}

impl Add {
    fn run(self) -> Result<(), Failure> {
        let new = NewPerson::read(&self.name, &self.roles)?;
        let added: Changed<PersonView> = match self.at.server()? {
            Some(server) => {
                let body = json!({ "name": new.name, "roles": new.roles }).to_string();
                target::ask(server.post("/v1/people", body.into_bytes()))?
            }
            None => files::with_registry(&self.at.places, async |registry| {
                registry.add_person(new, ACTOR).await
            })?,
        };
        self.at.print(&added, |it| row(&it.view))
    }
}

fn list(at: &Target) -> Result<(), Failure> {
    let list: PersonList = match at.server()? {
        Some(server) => target::ask(server.get("/v1/people"))?,
        None => files::people(&at.places)?,
    };
    at.print_list(&list, row, "no people; `gov people add NAME` adds one")
}

fn change(called: &str, change: &PersonChange, at: &Target) -> Result<(), Failure> {
    let changed: Changed<PersonView> = match at.server()? {
        Some(server) => {
            let mut body = serde_json::Map::new();
            if let Some(roles) = &change.roles {
                body.insert("roles".to_owned(), json!(roles));
            }
            if let Some(disabled) = change.disabled {
                body.insert("disabled".to_owned(), json!(disabled));
            }
            let body = serde_json::Value::from(body).to_string().into_bytes();
            target::ask(server.post(&format!("/v1/people/{}", segment(called)), body))?
        }
        None => files::with_registry(&at.places, async |registry| {
            registry.change_person(called, change.clone(), ACTOR).await
        })?,
    };
    at.print(&changed, |it| row(&it.view))
}

fn row(view: &PersonView) -> String {
    let roles: Vec<_> = view.roles.iter().map(|it| text::escape(it.as_str())).collect();
    let roles = if roles.is_empty() { "no roles".to_owned() } else { roles.join(", ") };
    let disabled = view.disabled_at.map(|it| format!("  disabled since {it}"));
    let slack = view.slack_user.as_ref().map(|it| format!("  {it} in Slack"));
    let away = view.stand_ins.iter().map(|it| {
        let name = it.name.as_ref().map_or_else(|| it.id.to_string(), ToString::to_string);
        format!("  {} stands in from {} until {}", text::escape(&name), it.from, it.until)
    });
    format!(
        "{}  {}  {roles}{}{}{}",
        view.id,
        text::escape(view.name.as_str()),
        disabled.unwrap_or_default(),
        slack.unwrap_or_default(),
        away.collect::<String>()
    )
}
