//! Stand-ins: named for a period, and ended before its time.

use gov_core::Timestamp;
use serde_json::Value;

use super::{
    PersonView, Registry, RegistryError,
    people::{nothing_else, object},
};
use crate::{
    http::Problem,
    identity::StandIn,
    logged::{Changed, LoggedWithin},
    store::Effect,
};

/// How many periods of one person may lie ahead.
const MAX_AHEAD: usize = 20;

/// A stand-in to be named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStandIn {
    /// Who decides meanwhile, by name or id.
    pub stand_in: String,
    /// The first moment of it; `None` for at once.
    pub from: Option<Timestamp>,
    /// The first moment after it.
    pub until: Timestamp,
}

impl NewStandIn {
    /// Reads `{"stand_in", "from"?, "until"}`.
    ///
    /// # Errors
    ///
    /// A problem that names the field and what was wanted.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = object(body)?;
        let mut text = |field: &'static str| match fields.remove(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Problem::bad_field(field, format!("`{field}` must be a text"))),
        };
        let missing = |field: &'static str| {
            Problem::bad_field(field, format!("missing field `{field}`: every stand-in ends"))
        };
        let stand_in = text("stand_in")?
            .ok_or_else(|| Problem::bad_field("stand_in", "missing field `stand_in`"))?;
        let (from, until) = (text("from")?, text("until")?.ok_or_else(|| missing("until"))?);
        nothing_else(&fields)?;
        Ok(Self::read(&stand_in, from.as_deref(), &until)?)
    }

    /// Reads the fields as texts.
    ///
    /// # Errors
    ///
    /// [`RegistryError::BadField`].
    pub fn read(stand_in: &str, from: Option<&str>, until: &str) -> Result<Self, RegistryError> {
        let from = from.map(|it| time("from", it)).transpose()?;
        Ok(Self { stand_in: stand_in.to_owned(), from, until: time("until", until)? })
    }
}

impl Registry {
    /// Who stands in for whom at `now`, in order: people who may decide, and no chains of them.
    #[must_use]
    pub fn stand_ins_at(&self, now: Timestamp) -> Vec<StandIn> {
        self.directory.stand_ins_at(now)
    }

    /// Lets another person decide for the one who is called so, for a period.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NoPerson`], [`RegistryError::BadField`] for a period or a stand-in that
    /// cannot be, [`RegistryError::StandsInAlready`]; else the database.
    pub async fn name_stand_in(
        &self,
        called: &str,
        new: NewStandIn,
        actor: &str,
    ) -> Result<Changed<PersonView>, RegistryError> {
        let now = self.clock.now();
        let person = self.person(called)?;
        let it = self.stand_in(&person, &new, now)?;
        let taken = RegistryError::StandsInAlready(new.stand_in);
        let position = self.apply(Effect::NameStandIn(it), actor, now).await?.ok_or(taken)?;
        let record = LoggedWithin::record(self.log.as_ref(), position).await;
        Ok(Changed { view: PersonView::of(&person, &self.directory, now), record })
    }

    /// Ends every period of the person who is called so, also those ahead: they are back.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NoPerson`] and [`RegistryError::NotAway`]; else the database.
    pub async fn end_stand_ins(
        &self,
        called: &str,
        actor: &str,
    ) -> Result<Changed<PersonView>, RegistryError> {
        let now = self.clock.now();
        let person = self.person(called)?;
        let not_away = RegistryError::NotAway(person.name.clone());
        let effect = Effect::EndStandIns(person.id);
        let position = self.apply(effect, actor, now).await?.ok_or(not_away)?;
        let record = LoggedWithin::record(self.log.as_ref(), position).await;
        Ok(Changed { view: PersonView::of(&person, &self.directory, now), record })
    }

    fn stand_in(
        &self,
        person: &crate::identity::Person,
        new: &NewStandIn,
        now: Timestamp,
    ) -> Result<StandIn, RegistryError> {
        let shown = gov_core::text::escape(&new.stand_in);
        let bad = |field, problem| Err(RegistryError::BadField { field, problem });
        if person.disabled_at.is_some() {
            return bad("id", "who may not decide has nothing to hand on".to_owned());
        }
        let other = self.directory.find_person(&new.stand_in);
        let Some(other) = other.filter(|it| it.disabled_at.is_none()) else {
            let problem = format!(
                "`stand_in` must be a person who may decide, by name or id; received `{shown}`"
            );
            return bad("stand_in", problem);
        };
        if other.id == person.id {
            let problem = format!("`stand_in` must be another person; received `{shown}`");
            return bad("stand_in", problem);
        }
        let (from, until) = (new.from.unwrap_or(now), new.until);
        if until <= from.max(now) {
            let earliest = from.max(now);
            let problem = format!("`until` must be later than {earliest}; received `{until}`");
            return bad("until", problem);
        }
        if self.directory.stand_ins_of(person.id, now).len() >= MAX_AHEAD {
            let problem = format!(
                "at most {MAX_AHEAD} periods may lie ahead; `gov people back` ends all of them"
            );
            return bad("stand_in", problem);
        }
        Ok(StandIn { person_id: person.id, stand_in_id: other.id, from, until })
    }
}

fn time(field: &'static str, text: &str) -> Result<Timestamp, RegistryError> {
    text.parse().map_err(|error| {
        let shown = gov_core::text::escape(text);
        RegistryError::BadField {
            field,
            problem: format!("`{field}`: {error}; received `{shown}`"),
        }
    })
}
