//! What a new token shall be.

use std::time::Duration;

use gov_core::{AgentId, PersonId, Timestamp, json};
use serde_json::{Map, Value};

use super::RegistryError;
use crate::{
    config::span,
    http::Problem,
    identity::{Scope, Token, TokenSecret},
};

/// The longest life of a token: ten years.
const MAX_LIFE: Duration = Duration::from_hours(3650 * 24);

/// The request for a token, as the command line and the HTTP door take it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewToken {
    /// What it is for.
    pub scope: Scope,
    /// The agent it speaks for, with scope `agent`.
    pub agent_id: Option<AgentId>,
    /// The person who decides with it, by name or `per_…` id, with scope `approver`.
    pub person: Option<String>,
    /// How long it lives; `None` for ever.
    pub expires_in: Option<Duration>,
    /// Also registers the agent: for servers with `agents.auto_register = false`.
    pub register: bool,
}

impl NewToken {
    /// Reads `{"scope", "agent_id"?, "person"?, "expires_in"?: "30d", "register"?: true}`.
    ///
    /// # Errors
    ///
    /// A problem that names the field, the limit and what was received.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let Value::Object(mut fields) = json::parse_value(body)? else {
            return Err(Problem::bad_field("body", "the body must be an object with a `scope`"));
        };
        let scope = text(&mut fields, "scope")?
            .ok_or_else(|| Problem::bad_field("scope", "missing field `scope`"))?;
        let agent_id = text(&mut fields, "agent_id")?;
        let person = text(&mut fields, "person")?;
        let expires_in = text(&mut fields, "expires_in")?;
        let register = match fields.remove("register") {
            None | Some(Value::Null) => false,
            Some(Value::Bool(it)) => it,
            Some(_) => {
                let detail = "`register` must be true or false";
                return Err(Problem::bad_field("register", detail));
            }
        };
        if let Some(unknown) = fields.keys().next() {
            let shown = gov_core::text::escape(unknown);
            return Err(Problem::bad_field(shown.clone(), format!("unknown field `{shown}`")));
        }
        let agent_id = agent_id.as_deref();
        Self::read(&scope, agent_id, person, expires_in.as_deref(), register).map_err(Problem::from)
    }

    /// Reads the fields as texts.
    ///
    /// # Errors
    ///
    /// [`RegistryError::BadField`] naming the field and what it may be.
    pub fn read(
        scope: &str,
        agent_id: Option<&str>,
        person: Option<String>,
        expires_in: Option<&str>,
        register: bool,
    ) -> Result<Self, RegistryError> {
        let bad = |field, problem: String| RegistryError::BadField { field, problem };
        let scope: Scope = scope
            .parse()
            .map_err(|error| bad("scope", format!("`scope` {error}; received `{scope}`")))?;
        let agent_id = agent_id
            .map(str::parse)
            .transpose()
            .map_err(|error| bad("agent_id", format!("{error}")))?;
        let expires_in = expires_in.map(|text| {
            span::parse(text).filter(|it| !it.is_zero() && *it <= MAX_LIFE).ok_or_else(|| {
                let wanted = "`expires_in` must be a span up to 3650d, such as `30d`";
                bad("expires_in", format!("{wanted}; received `{text}`"))
            })
        });
        let new = Self { scope, agent_id, person, expires_in: expires_in.transpose()?, register };
        new.check()?;
        Ok(new)
    }

    fn check(&self) -> Result<(), RegistryError> {
        let bad = |field, problem: &str| {
            Err(RegistryError::BadField { field, problem: problem.to_owned() })
        };
        match (self.scope, &self.person) {
            (Scope::Approver, None) => {
                return bad("person", "scope `approver` needs the person: `person`");
            }
            (Scope::Approver, Some(_)) | (_, None) => (),
            (_, Some(_)) => return bad("person", "only scope `approver` names a person"),
        }
        match (self.scope, &self.agent_id) {
            (Scope::Agent, None) => bad("agent_id", "scope `agent` needs the agent: `agent_id`"),
            (Scope::Agent, Some(_)) => Ok(()),
            (_, Some(_)) => bad("agent_id", "only scope `agent` speaks for an agent"),
            (_, None) if self.register => bad("register", "only scope `agent` names an agent"),
            (_, None) => Ok(()),
        }
    }

    /// What is stored, and whether the agent is to be registered.
    pub(super) fn token(
        self,
        secret: &TokenSecret,
        now: Timestamp,
        person_id: Option<PersonId>,
    ) -> Result<(Token, bool), RegistryError> {
        self.check()?;
        let token = Token {
            id: secret.id(),
            secret_hash: secret.hash(),
            scope: self.scope,
            agent_id: self.agent_id,
            person_id,
            created_at: now,
            expires_at: self.expires_in.map(|it| now + it),
            revoked_at: None,
        };
        Ok((token, self.register))
    }
}

fn text(fields: &mut Map<String, Value>, field: &'static str) -> Result<Option<String>, Problem> {
    match fields.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::bad_field(field, format!("`{field}` must be a text"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_made_is_refused_by_its_field() {
        for (scope, agent, person, expires, register, message) in [
            ("root", None, None, None, false, "`scope` must be `agent`, `approver`"),
            ("agent", None, None, None, false, "scope `agent` needs the agent"),
            ("agent", Some("a\n"), None, None, false, "`agent_id` must not contain a control"),
            ("admin", Some("a"), None, None, false, "only scope `agent` speaks for"),
            ("admin", None, None, None, true, "only scope `agent` names an agent"),
            ("approver", None, None, None, false, "scope `approver` needs the person"),
            ("auditor", None, Some("Ann"), None, false, "only scope `approver` names a person"),
            ("admin", None, None, Some("0s"), false, "`expires_in` must be a span up to 3650d"),
            ("admin", None, None, Some("3651d"), false, "received `3651d`"),
        ] {
            let error = NewToken::read(scope, agent, person.map(str::to_owned), expires, register);
            let error = error.unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        assert!(NewToken::read("agent", Some("a"), None, Some("30d"), true).is_ok());
        assert!(NewToken::read("approver", None, Some("Ann".into()), None, false).is_ok());
    }
}
