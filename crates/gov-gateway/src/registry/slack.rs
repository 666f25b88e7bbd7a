//! Who people are in Slack.

use serde_json::Value;

use super::{
    PersonView, Registry, RegistryError,
    people::{nothing_else, object},
};
use crate::{
    http::Problem,
    identity::{Person, SlackUser},
    logged::{Changed, LoggedWithin},
    store::Effect,
};

/// Who a person is in Slack from now on; `None`: nobody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSlackUser(pub Option<SlackUser>);

impl NewSlackUser {
    /// Reads `{"slack_user": "U…" | null}`.
    ///
    /// # Errors
    ///
    /// A problem that names the field and what was wanted.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = object(body)?;
        let user = match fields.remove("slack_user") {
            Some(Value::String(text)) => Some(text),
            Some(Value::Null) => None,
            Some(_) => {
                return Err(Problem::bad_field(
                    "slack_user",
                    "`slack_user` must be a text or null",
                ));
            }
            None => return Err(Problem::bad_field("slack_user", "missing field `slack_user`")),
        };
        nothing_else(&fields)?;
        Ok(Self::read(user.as_deref())?)
    }

    /// Reads the field as a text.
    ///
    /// # Errors
    ///
    /// [`RegistryError::BadField`].
    pub fn read(user: Option<&str>) -> Result<Self, RegistryError> {
        let bad =
            |error| RegistryError::BadField { field: "slack_user", problem: format!("{error}") };
        Ok(Self(user.map(|it| it.parse().map_err(bad)).transpose()?))
    }
}

impl Registry {
    /// Says who the person is in Slack who is called so, by name or id: a click there decides as
    /// them.
    ///
    /// # Errors
    ///
    /// [`RegistryError::NoPerson`] and [`RegistryError::SlackUserTaken`]; else the database.
    pub async fn tie_slack(
        &self,
        called: &str,
        NewSlackUser(user): NewSlackUser,
        actor: &str,
    ) -> Result<Changed<PersonView>, RegistryError> {
        let now = self.clock.now();
        let known = self.person(called)?;
        let effect = Effect::TieSlack { id: known.id, user: user.clone() };
        let position = self.apply(effect, actor, now).await?.ok_or_else(|| match &user {
            Some(user) => RegistryError::SlackUserTaken(user.clone()),
            None => RegistryError::NoPerson(called.to_owned()),
        })?;
        let person = Person { slack_user: user, ..Person::clone(&known) };
        let record = LoggedWithin::record(self.log.as_ref(), position).await;
        Ok(Changed { view: PersonView::of(&person, &self.directory, now), record })
    }
}
