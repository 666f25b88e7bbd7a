//! People: added, listed, given other roles, disabled.

use std::sync::Arc;

use gov_core::{PersonId, Role, json};
use serde_json::{Map, Value};

use super::{PersonList, PersonView, Registry, RegistryError};
use crate::{
    http::Problem,
    identity::{Person, PersonName},
    logged::{Changed, LoggedWithin},
    store::Effect,
};

/// A person to be added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewPerson {
    /// What the person is called.
    pub name: PersonName,
    /// What the person may decide as, in order, each once.
    pub roles: Vec<Role>,
}

/// What is to change about a person; what is not given stays.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonChange {
    /// What the person may decide as from now on, in order, each once.
    pub roles: Option<Vec<Role>>,
    /// Whether the person may no longer decide.
    pub disabled: Option<bool>,
}

impl NewPerson {
    /// Reads `{"name", "roles"?: []}`.
    ///
    /// # Errors
    ///
    /// A problem that names the field, the limit and what was received.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = object(body)?;
        let name = match fields.remove("name") {
            Some(Value::String(text)) => text,
            Some(_) => return Err(Problem::bad_field("name", "`name` must be a text")),
            None => return Err(Problem::bad_field("name", "missing field `name`")),
        };
        let roles = list(&mut fields, "roles")?.unwrap_or_default();
        nothing_else(&fields)?;
        Ok(Self::read(&name, &roles)?)
    }

    /// Reads the fields as texts.
    ///
    /// # Errors
    ///
    /// [`RegistryError::BadField`].
    pub fn read(name: &str, roles: &[String]) -> Result<Self, RegistryError> {
        let bad = |problem| RegistryError::BadField { field: "name", problem };
        let name = name.parse().map_err(|error| bad(format!("{error}")))?;
        Ok(Self { name, roles: read_roles(roles)? })
    }
}

impl PersonChange {
    /// Reads `{"roles"?: [], "disabled"?: true}`, of which one must be there.
    ///
    /// # Errors
    ///
    /// A problem that names the field, the limit and what was received.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = object(body)?;
        let disabled = match fields.remove("disabled") {
            None | Some(Value::Null) => None,
            Some(Value::Bool(it)) => Some(it),
            Some(_) => {
                return Err(Problem::bad_field("disabled", "`disabled` must be true or false"));
            }
        };
        let roles = list(&mut fields, "roles")?;
        nothing_else(&fields)?;
        if roles.is_none() && disabled.is_none() {
            let detail = "give `roles`, `disabled` or both: nothing else can be changed";
            return Err(Problem::bad_field("body", detail));
        }
        let roles = roles.as_deref().map(read_roles).transpose()?;
        Ok(Self { roles, disabled })
    }

    /// May decide, or may not.
    #[must_use]
    pub fn disabled(disabled: bool) -> Self {
        Self { roles: None, disabled: Some(disabled) }
    }

    /// Other roles.
    ///
    /// # Errors
    ///
    /// [`RegistryError::BadField`].
    pub fn roles(roles: &[String]) -> Result<Self, RegistryError> {
        Ok(Self { roles: Some(read_roles(roles)?), disabled: None })
    }
}

impl Registry {
    /// Every person, also the disabled ones, by name.
    #[must_use]
    pub fn people(&self) -> PersonList {
        let (now, people) = (self.clock.now(), self.directory.people());
        PersonList::new(people.iter().map(|it| PersonView::of(it, &self.directory, now)).collect())
    }

    /// Adds a person; `actor` says in the history who did.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NameTaken`]; else the database.
    pub async fn add_person(
        &self,
        new: NewPerson,
        actor: &str,
    ) -> Result<Changed<PersonView>, RegistryError> {
        let now = self.clock.now();
        let NewPerson { name, roles } = new;
        let person = Person {
            id: PersonId::at(now),
            name,
            roles,
            created_at: now,
            disabled_at: None,
            slack_user: None,
        };
        let view = PersonView::of(&person, &self.directory, now);
        let taken = RegistryError::NameTaken(person.name.clone());
        let position = self.apply(Effect::AddPerson(person), actor, now).await?.ok_or(taken)?;
        let record = LoggedWithin::record(self.log.as_ref(), position).await;
        Ok(Changed { view, record })
    }

    /// Changes the person who is called so, by name or id. One who is disabled is refused from
    /// that moment, even if the caller goes away or the database fails: then until the next start.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NoPerson`]; else the database.
    pub async fn change_person(
        &self,
        called: &str,
        change: PersonChange,
        actor: &str,
    ) -> Result<Changed<PersonView>, RegistryError> {
        let now = self.clock.now();
        let known = self.person(called)?;
        if change.disabled == Some(true) {
            // Before the commit, as a withdrawn token.
            let person = Person::clone(&known).changed(None, change.disabled, now);
            self.directory.put_person(person);
        }
        let PersonChange { roles, disabled } = change;
        let effect = Effect::ChangePerson { id: known.id, roles, disabled };
        let position = self.apply(effect, actor, now).await?;
        let position = position.ok_or_else(|| RegistryError::NoPerson(called.to_owned()))?;
        let person = self.directory.person(known.id).unwrap_or(known);
        let record = LoggedWithin::record(self.log.as_ref(), position).await;
        Ok(Changed { view: PersonView::of(&person, &self.directory, now), record })
    }

    pub(super) fn person(&self, called: &str) -> Result<Arc<Person>, RegistryError> {
        let person = self.directory.find_person(called);
        person.ok_or_else(|| RegistryError::NoPerson(called.to_owned()))
    }
}

/// The roles in order, each once.
fn read_roles(texts: &[String]) -> Result<Vec<Role>, RegistryError> {
    let bad = |error| RegistryError::BadField { field: "roles", problem: format!("{error}") };
    let roles = texts.iter().map(|it| it.parse().map_err(bad));
    let mut roles: Vec<Role> = roles.collect::<Result<_, _>>()?;
    roles.sort();
    roles.dedup();
    Ok(roles)
}

pub(super) fn object(body: &[u8]) -> Result<Map<String, Value>, Problem> {
    match json::parse_value(body)? {
        Value::Object(fields) => Ok(fields),
        _ => Err(Problem::bad_field("body", "the body must be an object")),
    }
}

/// A list of texts; `None` where it is not given.
pub(super) fn list(
    fields: &mut Map<String, Value>,
    field: &'static str,
) -> Result<Option<Vec<String>>, Problem> {
    let bad = || Problem::bad_field(field, format!("`{field}` must be a list of texts"));
    let text = |it| if let Value::String(text) = it { Ok(text) } else { Err(bad()) };
    match fields.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Array(items)) => {
            items.into_iter().map(text).collect::<Result<_, _>>().map(Some)
        }
        Some(_) => Err(bad()),
    }
}

pub(super) fn nothing_else(fields: &Map<String, Value>) -> Result<(), Problem> {
    let Some(unknown) = fields.keys().next() else { return Ok(()) };
    let shown = gov_core::text::escape(unknown);
    Err(Problem::bad_field(shown.clone(), format!("unknown field `{shown}`")))
}
