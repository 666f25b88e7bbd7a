//! What an approval is bound to.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use serde_json::Value;

use crate::{
    AgentAction, AgentId, SessionId,
    canonical::{self, CanonicalError},
    hex::{self, Hex},
};

/// SHA-256 over the canonical bytes of one exact action of one agent.
///
/// Its text, in serde too, is 64 lower-case hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ActionDigest([u8; 32]);

#[derive(Serialize)]
struct Preimage<'a> {
    v: u8,
    agent_id: &'a AgentId,
    session_id: Option<&'a SessionId>,
    action: &'a AgentAction,
    context: Option<&'a Value>,
}

impl ActionDigest {
    /// The digest of `action` as it was received: SHA-256(JCS{v: 1, `agent_id`, `session_id`,
    /// action, context}), absent parts as `null`.
    ///
    /// `session_id` is given only where the approval chain binds to the session. The version of
    /// the policy is not part of it: the policy is asked again when an approval is consumed.
    ///
    /// # Errors
    ///
    /// [`CanonicalError`] never happens for an action that [`crate::json::parse`] read.
    pub fn of(
        agent_id: &AgentId,
        session_id: Option<&SessionId>,
        action: &AgentAction,
        context: Option<&Value>,
    ) -> Result<Self, CanonicalError> {
        let preimage = Preimage { v: 1, agent_id, session_id, action, context };
        Ok(Self(canonical::sha256(&canonical::to_bytes(&preimage)?)))
    }

    /// The digest's bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// A digest read back from its bytes.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for ActionDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Hex(&self.0).fmt(f)
    }
}

/// The text is not a digest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a digest must be 64 lower-case hex digits")]
pub struct ParseDigestError;

impl FromStr for ActionDigest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Self, ParseDigestError> {
        hex::parse(text).map(Self).ok_or(ParseDigestError)
    }
}

impl Serialize for ActionDigest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for ActionDigest {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn digest(
        agent: &str,
        session: Option<&str>,
        command: &str,
        context: Option<&Value>,
    ) -> String {
        let action = AgentAction::Bash { command: command.to_owned(), cwd: None };
        let session = session.map(|it| it.parse::<SessionId>().unwrap());
        let agent = agent.parse().unwrap();
        ActionDigest::of(&agent, session.as_ref(), &action, context).unwrap().to_string()
    }

    #[test]
    fn the_preimage_is_the_documented_one() {
        let preimage = br#"{"action":{"command":"ls","cwd":null,"kind":"bash"},"agent_id":"a","context":null,"session_id":null,"v":1}"#;
        assert_eq!(digest("a", None, "ls", None), Hex(&canonical::sha256(preimage)).to_string());
    }

    #[test]
    fn every_part_changes_it() {
        let (context, base) = (json!({"k": 1}), digest("a", None, "ls", None));
        for other in [
            digest("b", None, "ls", None),
            digest("a", Some("s"), "ls", None),
            digest("a", None, "ls ", None),
            digest("a", None, "ls", Some(&context)),
        ] {
            assert_ne!(base, other);
            assert_eq!(other.parse::<ActionDigest>().unwrap().to_string(), other);
        }
    }
}
