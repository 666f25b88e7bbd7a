//! People who decide, and the agents that belong to them.

use std::str::FromStr;

use gov_core::{
    AgentId, PersonId, Role, Timestamp,
    name::{self, NameError},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::SlackUser;

/// A person. It stays for ever; one who leaves is disabled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// Names the person in records.
    pub id: PersonId,
    /// What the person is called; no two have the same.
    pub name: PersonName,
    /// What the person may decide as, in order, each once.
    pub roles: Vec<Role>,
    /// When the person was added.
    pub created_at: Timestamp,
    /// Since when the person may not decide.
    pub disabled_at: Option<Timestamp>,
    /// Who the person is in Slack; no two are the same.
    pub slack_user: Option<SlackUser>,
}

impl Person {
    /// The person with what is given changed at `at`; who is disabled stays so since the first
    /// time.
    #[must_use]
    pub fn changed(self, roles: Option<Vec<Role>>, disabled: Option<bool>, at: Timestamp) -> Self {
        Self {
            roles: roles.unwrap_or(self.roles),
            disabled_at: match disabled {
                Some(true) => self.disabled_at.or(Some(at)),
                Some(false) => None,
                None => self.disabled_at,
            },
            ..self
        }
    }
}

/// A registered agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Names it.
    pub id: AgentId,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// Whose it is, in order, each once: they do not decide about it.
    pub owners: Vec<PersonId>,
}

/// What a person is called: 1 to 256 bytes without control characters or outer white space, and
/// nothing that begins as an id does, so that a command takes either.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonName(std::sync::Arc<str>);

/// The text cannot be a person's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PersonNameError {
    /// It breaks a limit of all names.
    #[error(transparent)]
    Name(#[from] NameError),
    /// It looks like an id.
    #[error("`name` must not begin with `per_`, as ids of people do")]
    LikeAnId,
}

impl PersonName {
    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for PersonName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PersonName {
    type Err = PersonNameError;

    fn from_str(text: &str) -> Result<Self, PersonNameError> {
        if text.starts_with("per_") {
            return Err(PersonNameError::LikeAnId);
        }
        Ok(Self(name::validate("name", text)?))
    }
}

/// So that a map by name is asked by a text.
impl std::borrow::Borrow<str> for PersonName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl Serialize for PersonName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for PersonName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_keeps_to_the_limits_of_names_and_is_no_id() {
        assert_eq!("Ann Öz".parse::<PersonName>().unwrap().as_str(), "Ann Öz");
        for (text, message) in [
            ("", "`name` must not be empty"),
            ("a\n", "`name` must not contain a control character; received U+000A at byte 1"),
            ("per_1", "`name` must not begin with `per_`, as ids of people do"),
        ] {
            assert_eq!(text.parse::<PersonName>().unwrap_err().to_string(), message);
        }
    }
}
