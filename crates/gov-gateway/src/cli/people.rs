//! `gov people`: who may decide, over HTTP while a server runs, else on the files.

use clap::{Args, Subcommand};
use gov_core::text;
use serde_json::{Value, json};

use super::{
    Exit, Failure, Outcome,
    target::{self, Target},
    tokens::files,
};
use crate::{
    logged::Changed,
    registry::{NewPerson, PersonChange, PersonList, PersonView},
};

/// `gov people`.
#[derive(Debug, Subcommand)]
pub enum People {
    /// Add a person; `gov tokens create --scope approver` gives them a token.
    Add(Add),
    /// List the people, also the disabled ones.
    List(Target),
    /// Give a person other roles.
    Set(Set),
    /// Take from a person the right to decide, at once.
    Disable(Named),
    /// Give it back.
    Enable(Named),
}

/// `gov people add`.
#[derive(Debug, Args)]
pub struct Add {
    /// What the person is called.
    name: String,
    /// What the person may decide as; may be given more than once.
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    #[command(flatten)]
    at: Target,
}

/// `gov people set`.
#[derive(Debug, Args)]
pub struct Set {
    /// The person: a name or `per_…`.
    person: String,
    /// What the person may decide as from now on, and as nothing else; may be given more than once.
    #[arg(long = "role", value_name = "ROLE", required_unless_present = "no_roles")]
    roles: Vec<String>,
    /// Leave the person no role.
    #[arg(long, conflicts_with = "roles")]
    no_roles: bool,
    #[command(flatten)]
    at: Target,
}

/// A person to work on.
#[derive(Debug, Args)]
pub struct Named {
    /// The person: a name or `per_…`.
    person: String,
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
            Self::Set(it) => {
                let change = PersonChange::roles(&it.roles)?;
                change_person(&it.at, &it.person, change, &json!({"roles": it.roles}))?;
            }
            Self::Disable(it) => it.disable(true)?,
            Self::Enable(it) => it.disable(false)?,
        }
        Ok(Exit::Yes)
    }
}

impl Add {
    fn run(self) -> Result<(), Failure> {
        let new = NewPerson::read(&self.name, &self.roles)?;
        let added: Changed<PersonView> = match self.at.server()? {
            Some(server) => {
                let body = json!({"name": self.name, "roles": self.roles});
                target::ask(server.post("/v1/people", body.to_string().into_bytes()))?
            }
            None => files::with_registry(&self.at.places, async |registry| {
                registry.add_person(new, "gov people").await
            })?,
        };
        self.at.print(&added, |it| row(&it.view))
    }
}

impl Named {
    fn disable(self, disabled: bool) -> Result<(), Failure> {
        let change = PersonChange { disabled: Some(disabled), ..PersonChange::default() };
        change_person(&self.at, &self.person, change, &json!({"disabled": disabled}))
    }
}

fn change_person(
    at: &Target,
    person: &str,
    change: PersonChange,
    body: &Value,
) -> Result<(), Failure> {
    let changed: Changed<PersonView> = match at.server()? {
        Some(server) => {
            let path = format!("/v1/people/{}", target::segment(person));
            target::ask(server.post(&path, body.to_string().into_bytes()))?
        }
        None => files::with_registry(&at.places, async |registry| {
            registry.change_person(person, change, "gov people").await
        })?,
    };
    at.print(&changed, |it| row(&it.view))
}

fn list(at: &Target) -> Result<(), Failure> {
    let list: PersonList = match at.server()? {
        Some(server) => target::ask(server.get("/v1/people"))?,
        None => {
            let mut people = files::identities(&at.places)?.people;
            people.sort_by(|a, b| a.name.cmp(&b.name));
            PersonList::new(people.iter().map(PersonView::of).collect())
        }
    };
    at.print_list(&list, row, "no people; `gov people add` adds one")
}

fn row(view: &PersonView) -> String {
    let roles: Vec<_> = view.roles.iter().map(|it| text::escape(it.as_str())).collect();
    let roles = if roles.is_empty() { "no roles".to_owned() } else { roles.join(", ") };
    let disabled = view.disabled_at.map(|it| format!("  disabled since {it}"));
    let name = text::escape(view.name.as_str());
    format!("{}  {name}  {roles}{}", view.id, disabled.unwrap_or_default())
}
