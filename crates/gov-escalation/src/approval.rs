//! One request for a human's answer: what it holds, and which states it can be in.

use gov_core::{
    ActionDigest, AgentId, ApprovalId, AuditEventKind, NotificationId, Payload, PersonId, Role,
    RuleId, SessionId, TeamId, Timestamp, payload::SealError,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    chain::{Chain, Fallback, Rung},
    clock::RunningClock,
    grant::GrantTerms,
    transition::SYSTEM_TIMEOUT,
};

/// What an agent wants a human to allow.
#[derive(Clone, Debug, PartialEq)]
pub struct ApprovalRequest {
    /// Binds the answer to the exact action (and to the session where the chain says so).
    pub digest: ActionDigest,
    /// Who asks.
    pub agent_id: AgentId,
    /// The run of the agent.
    pub session_id: Option<SessionId>,
    /// The agent's team.
    pub team_id: Option<TeamId>,
    /// The kind of the action: `bash`, `tool_call`, …
    pub action_kind: String,
    /// What the approver is shown, an object: the whole action and its context, secrets redacted.
    pub content: Value,
    /// The policy that asks.
    pub rule_id: RuleId,
    /// Why, in the policy's words.
    pub reason: String,
    /// How bad it could be, if the policy says: `low`, `medium`, `high` or `critical`.
    pub risk: Option<String>,
    /// The policy version that was asked.
    pub policy_version: u64,
    /// Who is asked.
    pub chain: Chain,
    /// The calls that are asked for; `None`: one exact action.
    pub grant: Option<GrantTerms>,
    /// The request that somebody edited into this one.
    pub edited_from: Option<ApprovalId>,
}

/// One approval as it stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Approval {
    /// Names it.
    pub id: ApprovalId,
    /// What was asked for; never changes.
    pub request: ApprovalRequest,
    /// Whether there is an answer.
    pub status: Status,
    /// The rung that was asked last, from 0.
    pub rung: u32,
    /// When that rung was asked, as the clocks count: a halt since then is left out.
    pub arrived_at: Timestamp,
    /// When the request came.
    pub submitted_at: Timestamp,
    /// The end of the current status, where it ends by itself. While everything is halted it is as
    /// if that ended at once; its end moves it by the whole halt.
    pub expires_at: Option<Timestamp>,
    /// When the clock strikes next.
    pub due_at: Option<Timestamp>,
    /// Who is asked since a policy became stricter; [`Approval::chain`] says who is asked now.
    pub chain_now: Option<Chain>,
    /// What people have said so far, in order: each person, and each right, once.
    pub votes: Vec<Vote>,
    /// The answer, where there is one.
    pub answer: Option<HumanAnswer>,
    /// How the answer was used.
    pub consumption: Option<Consumption>,
    /// How many calls of a grant are left; `None`: it is none.
    pub calls_left: Option<u32>,
    /// The request that somebody edited this one into.
    pub edited_into: Option<ApprovalId>,
    /// Counts the changes, from 1: who read an older one changes nothing.
    pub generation: u64,
    /// What its deadlines are compared with.
    pub clock: RunningClock,
}

/// Where an approval stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Somebody is asked, and the clock runs.
    Pending,
    /// Nobody answered in time; it stays open, without a clock.
    Parked,
    /// Yes, and not used yet.
    Approved,
    /// No.
    Rejected,
    /// Nobody answered, which means no.
    TimedOut,
    /// Withdrawn, or overtaken by another policy.
    Cancelled,
    /// Yes, and used: once.
    Consumed,
    /// Yes, and never used.
    Expired,
}

/// What one person said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Vote {
    /// Who.
    pub person: PersonId,
    /// In whose right: their own, or that of who named them stand-in.
    pub seat: PersonId,
    /// Yes or no.
    pub verdict: Verdict,
    /// What whose right it was could decide as then: what is taken away later withdraws no vote.
    pub roles: Vec<Role>,
    /// The rung that was asked last, from 0.
    pub rung: u32,
    /// When.
    pub at: Timestamp,
    /// In their own words.
    pub comment: Option<String>,
}

/// What the humans (or the fallback) said: the word of the last one, whose vote settled it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HumanAnswer {
    /// Who: `per_…`, or `system:timeout`.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// In their own words.
    pub comment: Option<String>,
}

/// How an approval was used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consumption {
    /// When.
    pub at: Timestamp,
    /// The policy version that was asked again.
    pub policy_version: u64,
    /// The caller's key: a repeat of it gets the same answer.
    pub idempotency_key: Option<String>,
}

/// One change of one approval: a row of the routing history, and so a record of the signed log.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryEntry {
    /// When it happened.
    pub at: Timestamp,
    /// What happened: one of the kinds `approval.…`.
    pub kind: AuditEventKind,
    /// Who did it: `per_…`, an agent's id, or `system:…`.
    pub actor: String,
    /// The policy version that was asked, where one was.
    pub policy_version: Option<u64>,
    /// Who was asked before, where the rung changed.
    pub from_role: Option<String>,
    /// Who is asked now, where the rung changed.
    pub to_role: Option<String>,
    /// Everything else; sealed when it is stored, so that the record is always the same.
    pub content: Value,
}

/// A history entry as it is stored, with what the log needs of its approval.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryRow {
    /// Its place in the component's history: dense, from 1; never visible after a greater one.
    pub position: u64,
    /// Which approval.
    pub approval_id: ApprovalId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: AuditEventKind,
    /// Who did it.
    pub actor: String,
    /// The policy version that was asked, where one was.
    pub policy_version: Option<u64>,
    /// Who was asked before, where the rung changed.
    pub from_role: Option<String>,
    /// Who is asked now, where the rung changed.
    pub to_role: Option<String>,
    /// The content, sealed.
    pub payload: Payload,
    /// The approval's agent; this and what follows is `None` or empty where nobody can read it any
    /// more, except for what was decided about the action.
    pub agent_id: Option<AgentId>,
    /// The approval's session.
    pub session_id: Option<SessionId>,
    /// The kind of its action.
    pub action_kind: String,
    /// The digest of its action.
    pub digest: Option<ActionDigest>,
    /// The policy that asked.
    pub rule_id: Option<RuleId>,
    /// Why, in the policy's words.
    pub reason: String,
}

/// One message to one notifier.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// The key by which the receiver drops repeats; the same at every try.
    pub id: NotificationId,
    /// Which approval.
    pub approval_id: ApprovalId,
    /// The rung that is told, from 0.
    pub rung: u32,
    /// The notifier, by name.
    pub notifier: String,
    /// What is told, an object: agent, action, rule, reason, risk, audience, `expires_at`.
    pub content: Value,
}

/// Who decides: always a person, found by the caller's token and never by a field of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decider {
    /// The person.
    pub person_id: PersonId,
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Yes.
    Approve,
    /// No.
    Reject,
}

impl Approval {
    /// Who is asked now, and what silence means.
    #[must_use]
    pub fn chain(&self) -> &Chain {
        self.chain_now.as_ref().unwrap_or(&self.request.chain)
    }

    /// What silence means: never yes to a grant, for which a person must have said so.
    #[must_use]
    pub fn fallback(&self) -> Fallback {
        match self.chain().fallback {
            Fallback::Allow if self.request.grant.is_some() => Fallback::Deny,
            fallback => fallback,
        }
    }

    /// The rungs that were asked so far.
    pub fn asked(&self) -> impl Iterator<Item = &Rung> {
        (0..=self.rung).map_while(|it| self.chain().rung(it))
    }

    /// Whether what was answered is an answer under this chain too: the votes satisfy one of its
    /// rungs, or it was silence that has answered and silence still means yes.
    #[must_use]
    pub fn holds_under(&self, chain: &Chain) -> bool {
        let silence = self.answer.as_ref().is_some_and(|it| it.actor == SYSTEM_TIMEOUT);
        chain == self.chain()
            || chain.satisfied_by(self.rung, &self.votes).is_some()
            || (silence && chain.fallback == Fallback::Allow)
    }

    /// The status at `now`: the stored one, or what its timer will make of it where that is late.
    #[must_use]
    pub fn status_at(&self, now: Timestamp) -> Status {
        let is_over = self.expires_at.is_some_and(|it| it <= self.clock.at(now));
        match (self.status, self.fallback()) {
            (Status::Pending, Fallback::Deny) if is_over => Status::TimedOut,
            (Status::Pending, Fallback::Allow) if is_over => Status::Approved,
            (Status::Pending, Fallback::Park) if is_over => Status::Parked,
            (Status::Approved, _) if is_over => Status::Expired,
            (status, _) => status,
        }
    }
}

impl HistoryEntry {
    /// The row that is stored at `position`, its content sealed under a fresh salt.
    ///
    /// # Errors
    ///
    /// [`SealError`]: nothing may be written.
    pub fn into_row(self, approval: &Approval, position: u64) -> Result<HistoryRow, SealError> {
        let request = &approval.request;
        Ok(HistoryRow {
            position,
            approval_id: approval.id,
            at: self.at,
            kind: self.kind,
            actor: self.actor,
            policy_version: self.policy_version,
            from_role: self.from_role,
            to_role: self.to_role,
            payload: Payload::seal(&self.content)?,
            agent_id: Some(request.agent_id.clone()),
            session_id: request.session_id.clone(),
            action_kind: request.action_kind.clone(),
            digest: Some(request.digest),
            rule_id: Some(request.rule_id.clone()),
            reason: request.reason.clone(),
        })
    }
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Parked,
        Self::Approved,
        Self::Rejected,
        Self::TimedOut,
        Self::Cancelled,
        Self::Consumed,
        Self::Expired,
    ];

    /// Its word, as it is stored and sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Parked => "parked",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::Consumed => "consumed",
            Self::Expired => "expired",
        }
    }

    /// The status of a word.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|it| it.as_str() == word)
    }

    /// Whether a human may still answer.
    #[must_use]
    pub fn awaits_answer(self) -> bool {
        matches!(self, Self::Pending | Self::Parked)
    }

    /// Whether a request with the same digest joins this approval: it is not over.
    #[must_use]
    pub fn is_open(self) -> bool {
        self.awaits_answer() || self == Self::Approved
    }
}

impl Verdict {
    /// Its word, as it is sent.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
        }
    }
}
