//! Names that callers choose: validated text, one newtype per kind of thing.

use std::sync::Arc;

// So that a crate which calls the macro needs neither dependency itself.
#[doc(hidden)]
pub use serde;

/// The longest name, in bytes of UTF-8.
pub const MAX_BYTES: usize = 256;

/// The text cannot be a name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{what}` {reason}")]
#[non_exhaustive]
pub struct NameError {
    /// Which kind of name was wanted, as its field is called: `agent_id`.
    pub what: &'static str,
    /// Which limit it breaks.
    pub reason: NameProblem,
}

/// Why a text cannot be a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameProblem {
    /// It has no characters.
    #[error("must not be empty")]
    Empty,
    /// It is longer than [`MAX_BYTES`].
    #[error("must be at most {MAX_BYTES} bytes long; received {0}")]
    TooLong(usize),
    /// It holds a control character, which would corrupt logs and terminals.
    #[error("must not contain a control character; received U+{0:04X} at byte {1}")]
    Control(u32, usize),
    /// Two names that differ only here would look the same.
    #[error("must not begin or end with white space")]
    OuterSpace,
}

/// Checks `text` and shares it.
///
/// # Errors
///
/// [`NameError`] naming the broken limit: correct the value and send it again.
pub fn validate(what: &'static str, text: &str) -> Result<Arc<str>, NameError> {
    problem(text).map_or_else(|| Ok(text.into()), |reason| Err(NameError { what, reason }))
}

fn problem(text: &str) -> Option<NameProblem> {
    if text.is_empty() {
        return Some(NameProblem::Empty);
    }
    if text.len() > MAX_BYTES {
        return Some(NameProblem::TooLong(text.len()));
    }
    if let Some((at, it)) = text.char_indices().find(|(_, it)| it.is_control()) {
        return Some(NameProblem::Control(it.into(), at));
    }
    (text.trim() != text).then_some(NameProblem::OuterSpace)
}

/// Declares newtypes over validated text: 1 to [`MAX_BYTES`](crate::name::MAX_BYTES) bytes, no
/// control characters, no outer white space. In serde they are plain strings.
#[macro_export]
macro_rules! define_names {
    ($($(#[$doc:meta])* $name:ident => $what:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            /// The name's text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::name::NameError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::name::validate($what, text).map(Self)
            }
        }

        impl $crate::name::serde::Serialize for $name {
            fn serialize<S: $crate::name::serde::Serializer>(
                &self,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> $crate::name::serde::Deserialize<'de> for $name {
            fn deserialize<D: $crate::name::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> Result<Self, D::Error> {
                let text = <String as $crate::name::serde::Deserialize>::deserialize(deserializer)?;
                text.parse().map_err($crate::name::serde::de::Error::custom)
            }
        }
    )*};
}

define_names! {
    /// An agent, as its operator calls it.
    AgentId => "agent_id";
    /// A team, also the tenant of version 1 (not a security border).
    TeamId => "team_id";
    /// What a person may decide as.
    Role => "role";
    /// One run of an agent.
    SessionId => "session_id";
    /// One delegation from an agent to another; minted ones look like `dlg_…`.
    DelegationId => "delegation_id";
    /// One policy: its `@id` annotation.
    RuleId => "rule_id";
}

impl RuleId {
    /// The rule of a refusal because no policy permits the action.
    #[must_use]
    pub fn default_deny() -> Self {
        Self("default-deny".into())
    }

    /// The rule of a refusal because a policy, or its evaluation, failed.
    #[must_use]
    pub fn policy_error() -> Self {
        Self("policy-error".into())
    }

    /// The rule of a refusal because the action cannot be normalised, parsed or matched.
    #[must_use]
    pub fn unparsable_action() -> Self {
        Self("unparsable-action".into())
    }

    /// The rule of a refusal because the agent is not registered.
    #[must_use]
    pub fn unknown_agent() -> Self {
        Self("unknown-agent".into())
    }

    /// The rule of a refusal because the shared state was not confirmed for too long.
    #[must_use]
    pub fn state_stale() -> Self {
        Self("state-stale".into())
    }

    /// The rule of a refusal because everything is halted.
    #[must_use]
    pub fn halted() -> Self {
        Self("halted".into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_as_it_is() {
        let longest = "n".repeat(MAX_BYTES);
        for text in ["a", "team/α β", longest.as_str()] {
            let name: AgentId = text.parse().unwrap();
            assert_eq!(name.as_str(), text);
            let json = serde_json::to_string(&name).unwrap();
            assert_eq!(serde_json::from_str::<AgentId>(&json).unwrap(), name);
        }
    }

    #[test]
    fn a_text_that_breaks_a_limit_is_refused_with_the_limit() {
        for (text, message) in [
            (String::new(), "`agent_id` must not be empty"),
            ("n".repeat(257), "`agent_id` must be at most 256 bytes long; received 257"),
            (
                "a\u{1b}b".to_owned(),
                "`agent_id` must not contain a control character; received U+001B at byte 1",
            ),
            (" a".to_owned(), "`agent_id` must not begin or end with white space"),
            ("a\u{a0}".to_owned(), "`agent_id` must not begin or end with white space"),
        ] {
            assert_eq!(text.parse::<AgentId>().unwrap_err().to_string(), message);
        }
    }
}
