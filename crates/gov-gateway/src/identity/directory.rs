//! Everyone who is known, in memory.

use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use gov_core::{AgentId, PersonId, Role, Timestamp, TokenId};
use gov_escalation::Roster;
use parking_lot::RwLock;
use tokio::sync::watch;

mod away;
mod halting;

use super::{Agent, Halt, Person, PersonName, SlackUser, StandIn, Token, TokenSecret, roster};
use crate::store::{Edit, Effect};

/// The tokens, agents and people that are known, and whether all are halted; shared by every door.
#[derive(Debug, Default)]
pub struct Directory {
    known: RwLock<Known>,
    halts: watch::Sender<Option<Halt>>,
}

/// Everyone that the database knows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identities {
    /// Every token, also those that ended.
    pub tokens: Vec<Token>,
    /// Every agent with its owners.
    pub agents: Vec<Agent>,
    /// Every person, also the disabled ones.
    pub people: Vec<Person>,
    /// Every period in which one decides for another, by person and time, also those that are
    /// over by themselves; not those that somebody ended.
    pub stand_ins: Vec<StandIn>,
    /// The last halt, also one that ended.
    pub halt: Option<Halt>,
}

impl Identities {
    /// Everyone who may decide about approvals.
    #[must_use]
    pub fn roster(&self) -> Roster {
        roster::of(self.people.iter(), self.agents.iter(), self.stand_ins.iter())
    }
}

#[derive(Debug, Default)]
struct Known {
    tokens: HashMap<TokenId, Arc<Token>>,
    agents: HashMap<AgentId, Arc<Agent>>,
    people: HashMap<PersonId, Arc<Person>>,
    names: HashMap<PersonName, PersonId>,
    // In order, as the database gives them.
    stand_ins: Vec<StandIn>,
    halt: Option<Halt>,
    /// The position of the last change that was made here.
    own: u64,
    /// Everyone who may decide; made when it is asked for, once for every change of them.
    roster: OnceLock<Arc<Roster>>,
}

/// Why a token is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No token was sent.
    #[error("send a token as `Authorization: Bearer gov_…`; `gov tokens create` makes one")]
    Missing,
    /// The text is no token, or its secret is not the one that was made.
    #[error("the token is not valid")]
    Invalid,
    /// Its time is over.
    #[error("the token expired at `{0}`; `gov tokens create` makes another")]
    Expired(Timestamp),
    /// An operator has withdrawn it.
    #[error("the token was revoked at `{0}`")]
    Revoked(Timestamp),
    /// The person whose token it is may no longer decide.
    #[error("the person of this token was disabled at `{0}`")]
    Disabled(Timestamp),
}

impl Directory {
    /// What the database holds.
    #[must_use]
    pub fn new(identities: Identities) -> Self {
        let halts = watch::Sender::new(identities.halt.clone());
        Self { known: RwLock::new(identities.into()), halts }
    }

    /// The token behind the text that a caller sent after `Bearer `.
    ///
    /// # Errors
    ///
    /// [`AuthError`] for a text that is no token, or whose token is unknown, expired or revoked,
    /// or whose person is disabled. Only who knows the secret learns which.
    pub fn authenticate(&self, text: &str, now: Timestamp) -> Result<Arc<Token>, AuthError> {
        let (id, secret) = TokenSecret::parse(text).ok_or(AuthError::Invalid)?;
        let token = self.token(id).ok_or(AuthError::Invalid)?;
        if !secret.matches(&token.secret_hash) {
            return Err(AuthError::Invalid);
        }
        self.in_force(id, now)
    }

    /// The token of a caller who has shown its secret before, while it is in force.
    ///
    /// # Errors
    ///
    /// [`AuthError`] for a token that is unknown, expired or revoked, or whose person is disabled.
    pub fn in_force(&self, id: TokenId, now: Timestamp) -> Result<Arc<Token>, AuthError> {
        let known = self.known.read();
        let token = known.tokens.get(&id).ok_or(AuthError::Invalid)?;
        if let Some(at) = token.revoked_at {
            return Err(AuthError::Revoked(at));
        }
        if let Some(at) = token.expires_at.filter(|at| *at <= now) {
            return Err(AuthError::Expired(at));
        }
        if let Some(id) = token.person_id {
            let person = known.people.get(&id).ok_or(AuthError::Invalid)?;
            if let Some(at) = person.disabled_at {
                return Err(AuthError::Disabled(at));
            }
        }
        Ok(Arc::clone(token))
    }

    /// Every token, the newest first.
    #[must_use]
    pub fn tokens(&self) -> Vec<Arc<Token>> {
        let mut tokens: Vec<_> = self.known.read().tokens.values().cloned().collect();
        tokens.sort_by_key(|it| std::cmp::Reverse((it.created_at, it.id)));
        tokens
    }

    /// One token.
    #[must_use]
    pub fn token(&self, id: TokenId) -> Option<Arc<Token>> {
        self.known.read().tokens.get(&id).cloned()
    }

    /// Whether the agent is registered.
    #[must_use]
    pub fn knows_agent(&self, id: &AgentId) -> bool {
        self.known.read().agents.contains_key(id)
    }

    /// One agent.
    #[must_use]
    pub fn agent(&self, id: &AgentId) -> Option<Arc<Agent>> {
        self.known.read().agents.get(id).cloned()
    }

    /// Every registered agent, by id.
    #[must_use]
    pub fn agents(&self) -> Vec<Arc<Agent>> {
        let mut agents: Vec<_> = self.known.read().agents.values().cloned().collect();
        agents.sort_by(|a, b| a.id.cmp(&b.id));
        agents
    }

    /// One person, also a disabled one.
    #[must_use]
    pub fn person(&self, id: PersonId) -> Option<Arc<Person>> {
        self.known.read().people.get(&id).cloned()
    }

    /// The person of this name, also a disabled one.
    #[must_use]
    pub fn person_by_name(&self, name: &str) -> Option<Arc<Person>> {
        let known = self.known.read();
        known.names.get(name).and_then(|id| known.people.get(id)).cloned()
    }

    /// The person that people call so: a name or a `per_…` id.
    #[must_use]
    pub fn find_person(&self, text: &str) -> Option<Arc<Person>> {
        match text.parse() {
            Ok(id) => self.person(id),
            Err(_) => self.person_by_name(text),
        }
    }

    /// The person who is this one in Slack, also a disabled one.
    #[must_use]
    pub fn person_by_slack(&self, user: &SlackUser) -> Option<Arc<Person>> {
        let known = self.known.read();
        known.people.values().find(|it| it.slack_user.as_ref() == Some(user)).cloned()
    }

    /// Every person, by name.
    #[must_use]
    pub fn people(&self) -> Vec<Arc<Person>> {
        let mut people: Vec<_> = self.known.read().people.values().cloned().collect();
        people.sort_by(|a, b| a.name.cmp(&b.name));
        people
    }

    /// What the person may decide as; `None` for one who is unknown or disabled.
    #[must_use]
    pub fn roles_of(&self, id: PersonId) -> Option<Vec<Role>> {
        let person = self.person(id).filter(|it| it.disabled_at.is_none())?;
        Some(person.roles.clone())
    }

    /// Whose agent it is; nobody's where it is unknown.
    #[must_use]
    pub fn owners_of(&self, id: &AgentId) -> Vec<PersonId> {
        self.agent(id).map(|it| it.owners.clone()).unwrap_or_default()
    }

    /// Takes in a change that the store has made, at `position` of its history.
    pub fn take_in(&self, edit: &Edit, position: u64) {
        let known = &mut *self.known.write();
        known.own = known.own.max(position);
        let at = edit.change.at;
        match edit.effect.clone() {
            Effect::AddToken(token) => known.put_token(token),
            Effect::RevokeToken(token) => {
                known.put_token(Token { revoked_at: Some(at), ..token });
            }
            Effect::RegisterAgent(id) => known.register(id, at),
            Effect::OwnAgent { id, owners } => {
                if let Some(agent) = known.agents.get(&id) {
                    known.put_agent(Agent { owners, ..Agent::clone(agent) });
                }
            }
            Effect::AddPerson(person) => known.put_person(person),
            Effect::ChangePerson { id, roles, disabled } => {
                if let Some(person) = known.people.get(&id) {
                    known.put_person(Person::clone(person).changed(roles, disabled, at));
                }
            }
            Effect::TieSlack { id, user } => {
                if let Some(person) = known.people.get(&id) {
                    known.put_person(Person { slack_user: user, ..Person::clone(person) });
                }
            }
            Effect::NameStandIn(it) => known.put_stand_in(it),
            Effect::EndStandIns(id) => known.end_stand_ins(id, at),
            Effect::Halt(halt) => {
                known.halt = Some(halt);
                self.tell(known.halt.as_ref());
            }
            Effect::Resume { .. } => {
                if let Some(halt) = &mut known.halt {
                    halt.resumed_at = Some(at);
                }
                self.tell(known.halt.as_ref());
            }
            Effect::EnableTarget { .. } | Effect::ActivatePolicy { .. } => (),
        }
    }

    /// Replaces everyone by what the store held at `generation`; `false` where a change of our own
    /// is later than that: read again.
    ///
    /// What is withdrawn here stays withdrawn, even if the store has not heard of it yet.
    pub fn replace(&self, identities: Identities, generation: u64) -> bool {
        let mut fresh = Known::from(identities);
        let known = &mut *self.known.write();
        if generation < known.own {
            return false;
        }
        fresh.own = known.own;
        for (id, token) in &known.tokens {
            let withdrawn = token.revoked_at.is_some();
            if withdrawn && fresh.tokens.get(id).is_some_and(|it| it.revoked_at.is_none()) {
                fresh.tokens.insert(*id, Arc::clone(token));
            }
        }
        *known = fresh;
        self.tell(known.halt.as_ref());
        true
    }

    /// Takes in an agent that another server has registered.
    pub fn register(&self, id: AgentId, at: Timestamp) {
        self.known.write().register(id, at);
    }

    /// Takes in a token that the database now holds, new or changed.
    pub fn put_token(&self, token: Token) {
        self.known.write().put_token(token);
    }

    /// Takes in an agent that the database now holds, new or changed.
    pub fn put_agent(&self, agent: Agent) {
        self.known.write().put_agent(agent);
    }

    /// Takes in a person that the database now holds, new or changed.
    pub fn put_person(&self, person: Person) {
        self.known.write().put_person(person);
    }
}

/// Who the deciders of approvals are.
impl gov_escalation::Directory for Directory {
    fn roster(&self) -> Arc<Roster> {
        let known = self.known.read();
        Arc::clone(known.roster.get_or_init(|| {
            let people = known.people.values().map(Arc::as_ref);
            let agents = known.agents.values().map(Arc::as_ref);
            Arc::new(roster::of(people, agents, known.stand_ins.iter()))
        }))
    }
}

impl Known {
    fn put_token(&mut self, token: Token) {
        self.tokens.insert(token.id, Arc::new(token));
    }

    fn put_agent(&mut self, agent: Agent) {
        let before = self.agents.get(&agent.id).map_or(&[][..], |it| &it.owners);
        if before != agent.owners {
            self.roster = OnceLock::new();
        }
        self.agents.insert(agent.id.clone(), Arc::new(agent));
    }

    /// An agent that is registered already keeps its owners.
    fn register(&mut self, id: AgentId, at: Timestamp) {
        if !self.agents.contains_key(&id) {
            self.put_agent(Agent { id, registered_at: at, owners: Vec::new() });
        }
    }

    fn put_person(&mut self, person: Person) {
        self.roster = OnceLock::new();
        self.names.insert(person.name.clone(), person.id);
        self.people.insert(person.id, Arc::new(person));
    }
}

impl From<Identities> for Known {
    fn from(identities: Identities) -> Self {
        let mut known = Self::default();
        identities.tokens.into_iter().for_each(|it| known.put_token(it));
        identities.agents.into_iter().for_each(|it| known.put_agent(it));
        identities.people.into_iter().for_each(|it| known.put_person(it));
        (known.stand_ins, known.halt) = (identities.stand_ins, identities.halt);
        known
    }
}

#[cfg(test)]
mod tests;
