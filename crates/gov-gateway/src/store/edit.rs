//! One change that is to be made, and how the history tells of it.

use gov_core::{
    AgentId, AuditEventKind, Payload, PersonId, Role, Timestamp, hex::Hex, payload::SealError,
};
use serde_json::{Value, json};

use super::{Change, StoredPolicy};
use crate::identity::{Halt, Person, SlackUser, StandIn, Token};

/// A change, and the row that tells of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// What is changed.
    pub effect: Effect,
    /// What the history says, and when it happens; written exactly where the effect is.
    pub change: Change,
}

/// What is changed, and when that does not fit what is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// A token is added. (An id that is taken is an error.)
    AddToken(Token),
    /// A token is withdrawn; does not fit where there is none, or it was withdrawn before.
    RevokeToken(Token),
    /// An agent is registered; does not fit where it was before.
    RegisterAgent(AgentId),
    /// An agent is given these owners and no other; does not fit where it is not registered.
    OwnAgent {
        /// Which.
        id: AgentId,
        /// In order, each once.
        owners: Vec<PersonId>,
    },
    /// A person is added; does not fit where the name is taken.
    AddPerson(Person),
    /// A person is changed in what is given, and in nothing else; does not fit where there is no
    /// such person.
    ChangePerson {
        /// Who.
        id: PersonId,
        /// In order, each once.
        roles: Option<Vec<Role>>,
        /// Whether the person may not decide, from now on.
        disabled: Option<bool>,
    },
    /// A person is this one in Slack, or nobody there; does not fit where there is no such person,
    /// or another one is that.
    TieSlack {
        /// Who.
        id: PersonId,
        /// Who they are there.
        user: Option<SlackUser>,
    },
    /// A person lets another decide for them; does not fit where that is so from the same moment.
    NameStandIn(StandIn),
    /// A person decides for themselves again, in every period that is not over; does not fit where
    /// there is none.
    EndStandIns(PersonId),
    /// Every check is refused; does not fit where that is so.
    Halt(Halt),
    /// Checks are judged again; does not fit where nothing is halted.
    Resume {
        /// Why.
        reason: String,
    },
    /// A target of messages gets them again: that is kept with the messages, and here is who said so.
    EnableTarget {
        /// Its name.
        name: String,
    },
    /// A policy becomes the active one; does not fit where its version is not the next one.
    ActivatePolicy {
        /// Which.
        policy: StoredPolicy,
        /// Whether it was active before.
        again: bool,
    },
}

impl Edit {
    /// The change at `at`, told in the history as what `actor` did.
    ///
    /// # Errors
    ///
    /// [`SealError`]: the operating system gives no randomness for the payload's salt.
    pub fn new(effect: Effect, actor: &str, at: Timestamp) -> Result<Self, SealError> {
        let mut payload = effect.payload();
        if let Value::Object(fields) = &mut payload {
            fields.insert("actor".to_owned(), actor.into());
        }
        let change = Change {
            at,
            kind: effect.kind(),
            agent_id: effect.agent_id().cloned(),
            policy_version: effect.policy_version(),
            payload: Payload::seal(&payload)?,
        };
        Ok(Self { effect, change })
    }
}

impl Effect {
    fn kind(&self) -> AuditEventKind {
        match self {
            Self::AddToken(_) => AuditEventKind::AdminTokenCreated,
            Self::RevokeToken(_) => AuditEventKind::AdminTokenRevoked,
            Self::RegisterAgent(_) => AuditEventKind::AgentRegistered,
            Self::OwnAgent { .. } => AuditEventKind::AgentOwned,
            Self::AddPerson(_) => AuditEventKind::PersonAdded,
            Self::ChangePerson { disabled: Some(true), .. } => AuditEventKind::PersonDisabled,
            Self::ChangePerson { .. } | Self::TieSlack { .. } => AuditEventKind::PersonChanged,
            Self::NameStandIn(_) => AuditEventKind::PersonStandInNamed,
            Self::EndStandIns(_) => AuditEventKind::PersonStandInEnded,
            Self::Halt(_) => AuditEventKind::AdminHalted,
            Self::Resume { .. } => AuditEventKind::AdminResumed,
            Self::EnableTarget { .. } => AuditEventKind::NotifyEnabled,
            Self::ActivatePolicy { again: false, .. } => AuditEventKind::PolicyActivated,
            Self::ActivatePolicy { again: true, .. } => AuditEventKind::PolicyRolledBack,
        }
    }

    fn agent_id(&self) -> Option<&AgentId> {
        match self {
            Self::AddToken(token) | Self::RevokeToken(token) => token.agent_id.as_ref(),
            Self::RegisterAgent(id) | Self::OwnAgent { id, .. } => Some(id),
            Self::AddPerson(_)
            | Self::ChangePerson { .. }
            | Self::TieSlack { .. }
            | Self::NameStandIn(_)
            | Self::EndStandIns(_)
            | Self::Halt(_)
            | Self::Resume { .. }
            | Self::EnableTarget { .. }
            | Self::ActivatePolicy { .. } => None,
        }
    }

    fn policy_version(&self) -> Option<u64> {
        match self {
            Self::ActivatePolicy { policy, .. } => Some(policy.version),
            _ => None,
        }
    }

    /// What else there is to say. A policy's hash ties its version to its text, for as long as the
    /// log lives.
    fn payload(&self) -> Value {
        match self {
            Self::AddToken(token) | Self::RevokeToken(token) => json!({
                "token_id": token.id,
                "scope": token.scope,
                "person_id": token.person_id,
                "expires_at": token.expires_at,
            }),
            Self::RegisterAgent(_) => json!({}),
            Self::OwnAgent { owners, .. } => json!({ "owners": owners }),
            Self::AddPerson(person) => json!({
                "person_id": person.id, "name": person.name, "roles": person.roles,
            }),
            Self::ChangePerson { id, roles, disabled } => json!({
                "person_id": id, "roles": roles, "disabled": disabled,
            }),
            Self::TieSlack { id, user } => json!({ "person_id": id, "slack_user": user }),
            Self::NameStandIn(it) => json!({
                "person_id": it.person_id,
                "stand_in_id": it.stand_in_id,
                "from": it.from,
                "until": it.until,
            }),
            Self::EndStandIns(id) => json!({ "person_id": id }),
            Self::Halt(Halt { reason, .. }) | Self::Resume { reason } => {
                json!({ "reason": reason })
            }
            Self::EnableTarget { name } => json!({ "target": name }),
            Self::ActivatePolicy { policy, .. } => json!({
                "name": policy.name, "sha256": Hex(&policy.about().sha256).to_string(),
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_who_is_disabled_is_told_apart_from_one_who_is_changed() {
        let kind = |disabled| {
            let id = PersonId::at(Timestamp::UNIX_EPOCH);
            let effect = Effect::ChangePerson { id, roles: None, disabled };
            Edit::new(effect, "test", Timestamp::UNIX_EPOCH).unwrap().change.kind
        };
        assert_eq!(kind(Some(true)), AuditEventKind::PersonDisabled);
        for other in [None, Some(false)] {
            assert_eq!(kind(other), AuditEventKind::PersonChanged);
        }
    }

    #[test]
    fn the_history_says_who_did_it_and_to_which_agent() {
        let effect = Effect::OwnAgent { id: "a".parse().unwrap(), owners: Vec::new() };
        let change = Edit::new(effect, "tok_1", Timestamp::UNIX_EPOCH).unwrap().change;
        assert_eq!(change.agent_id, Some("a".parse().unwrap()));
        assert_eq!(change.payload.as_bytes(), br#"{"actor":"tok_1","owners":[]}"#);
    }
}
