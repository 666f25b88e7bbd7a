//! Tokens, people and agents as they are shown: a token without its secret, except once.

use gov_core::{AgentId, PersonId, Role, Timestamp, TokenId};
use serde::{Deserialize, Serialize};

use crate::identity::{Agent, Directory, Person, PersonName, SlackUser, Token, TokenSecret};

/// One token without its secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenView {
    /// Names it.
    pub id: TokenId,
    /// What it is for.
    pub scope: String,
    /// The agent it speaks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent_id: Option<AgentId>,
    /// The person who decides with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub person_id: Option<PersonId>,
    /// `active`, `expired` or `revoked`.
    pub status: String,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it ends by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When it was withdrawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<Timestamp>,
}

impl TokenView {
    /// The token as it is at `now`.
    #[must_use]
    pub fn of(token: &Token, now: Timestamp) -> Self {
        let status = if token.revoked_at.is_some() {
            "revoked"
        } else if token.expires_at.is_some_and(|at| at <= now) {
            "expired"
        } else {
            "active"
        };
        Self {
            id: token.id,
            scope: token.scope.name().to_owned(),
            agent_id: token.agent_id.clone(),
            person_id: token.person_id,
            status: status.to_owned(),
            created_at: token.created_at,
            expires_at: token.expires_at,
            revoked_at: token.revoked_at,
        }
    }
}

/// One person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PersonView {
    /// Names the person in records.
    pub id: PersonId,
    /// What the person is called.
    pub name: PersonName,
    /// What the person may decide as, in order.
    pub roles: Vec<Role>,
    /// When the person was added.
    pub created_at: Timestamp,
    /// Since when the person may not decide.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disabled_at: Option<Timestamp>,
    /// Who the person is in Slack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slack_user: Option<SlackUser>,
    /// Who decides for the person, in periods that are not over, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stand_ins: Vec<StandInView>,
}

/// Who decides for a person, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StandInView {
    /// Names the person in records.
    pub id: PersonId,
    /// What the person is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<PersonName>,
    /// The first moment of it.
    pub from: Timestamp,
    /// The first moment after it.
    pub until: Timestamp,
}

impl PersonView {
    /// The person as they are at `now`, with their stand-ins as `directory` knows them.
    #[must_use]
    pub fn of(person: &Person, directory: &Directory, now: Timestamp) -> Self {
        let Person { id, name, roles, created_at, disabled_at, slack_user } = person.clone();
        let stand_ins = directory.stand_ins_of(id, now);
        let stand_ins = stand_ins.into_iter().map(|it| StandInView {
            id: it.stand_in_id,
            name: directory.person(it.stand_in_id).map(|it| it.name.clone()),
            from: it.from,
            until: it.until,
        });
        let stand_ins = stand_ins.collect();
        Self { id, name, roles, created_at, disabled_at, slack_user, stand_ins }
    }
}

/// One agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgentView {
    /// Names it.
    pub id: AgentId,
    /// When it was registered.
    pub registered_at: Timestamp,
    /// Whose it is: they do not decide about it.
    pub owners: Vec<Owner>,
}

/// The owner of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// Names the person in records.
    pub id: PersonId,
    /// What the person is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<PersonName>,
}

impl AgentView {
    /// The agent, with its owners as `directory` calls them.
    #[must_use]
    pub fn of(agent: &Agent, directory: &Directory) -> Self {
        let name = |id| directory.person(id).map(|it| it.name.clone());
        let owners = agent.owners.iter().map(|id| Owner { id: *id, name: name(*id) }).collect();
        Self { id: agent.id.clone(), registered_at: agent.registered_at, owners }
    }
}

/// The tokens, the newest first.
pub type TokenList = List<TokenView>;

/// The people, by name.
pub type PersonList = List<PersonView>;

/// The agents, by id.
pub type AgentList = List<AgentView>;

/// A list as every route gives it; `next` is always null: all of these fit one page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct List<T> {
    /// What there is.
    pub items: Vec<T>,
    /// Where the next page begins.
    pub next: Option<String>,
}

impl<T> List<T> {
    /// A list that is one page.
    #[must_use]
    pub fn new(items: Vec<T>) -> Self {
        Self { items, next: None }
    }
}

/// A new token, with the text that is shown once.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreatedToken {
    /// What to send after `Authorization: Bearer `.
    pub token: String,
    /// The rest of it.
    #[serde(flatten)]
    pub view: TokenView,
}

impl CreatedToken {
    /// The token with its secret.
    #[must_use]
    pub fn new(token: &Token, secret: &TokenSecret, now: Timestamp) -> Self {
        Self { token: secret.to_text(), view: TokenView::of(token, now) }
    }
}

/// Without the secret.
impl std::fmt::Debug for CreatedToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CreatedToken").field("view", &self.view).finish_non_exhaustive()
    }
}
