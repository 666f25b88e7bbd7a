//! Approvals as they are shown.

use gov_core::{
    ActionDigest, AgentId, ApprovalId, AuditEventKind, PersonId, RuleId, SessionId, TeamId,
    Timestamp,
};
use gov_escalation::{
    approval::{Approval, HistoryRow, Verdict, Vote},
    chain::{Chain, Rung},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::summary::summary;
use crate::{check::RecordRef, config::span};

/// One approval in a list: enough to find it. What is asked for is shown whole by its id.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalRow {
    /// Names it.
    pub id: ApprovalId,
    /// Where it stands.
    pub status: String,
    /// Who asks.
    pub agent_id: AgentId,
    /// The kind of the action: `bash`, `tool_call`, …
    pub action_kind: String,
    /// The action in at most 200 characters; a longer one ends with `…`.
    pub summary: String,
    /// The policy that asks.
    pub rule_id: RuleId,
    /// Why, in the policy's words.
    pub reason: String,
    /// How bad it could be, if the policy says.
    pub risk: Option<String>,
    /// What an answer is bound to.
    pub digest: ActionDigest,
    /// Who is asked now, in words.
    pub audience: String,
    /// When the request came.
    pub submitted_at: Timestamp,
    /// The end of the current status, where it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// While everything is halted: since when its clock stands still. `expires_at` is then as it was
    /// at that time, and is later by the whole halt once that ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub halted_at: Option<Timestamp>,
}

/// A list as every route gives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalList {
    /// The approvals, the newest first.
    pub items: Vec<ApprovalRow>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// One approval, whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ApprovalView {
    /// What a list shows of it.
    #[serde(flatten)]
    pub row: ApprovalRow,
    /// The run of the agent.
    pub session_id: Option<SessionId>,
    /// The agent's team.
    pub team_id: Option<TeamId>,
    /// The whole action, secrets redacted.
    pub action: Value,
    /// What the agent said beside it, secrets redacted.
    pub context: Value,
    /// The policy version that asked.
    pub policy_version: u64,
    /// Who is asked now, and what silence means.
    pub chain: ChainView,
    /// The rung that was asked last, from 0.
    pub rung: u32,
    /// What people have said so far, in order.
    #[serde(default)]
    pub votes: Vec<VoteView>,
    /// The answer, where there is one.
    pub answer: Option<AnswerView>,
    /// How it was used.
    pub consumption: Option<ConsumptionView>,
    /// The request that somebody edited into this one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_from: Option<ApprovalId>,
    /// The request that somebody edited this one into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub edited_into: Option<ApprovalId>,
    /// What a grant covers, and how much is left of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantView>,
    /// What happened, in order.
    pub history: Vec<HistoryView>,
}

/// A grant in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GrantRow {
    /// What a list shows of every approval.
    #[serde(flatten)]
    pub row: ApprovalRow,
    /// What it covers, and how much is left of it.
    pub grant: Option<GrantView>,
}

/// A list of grants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GrantList {
    /// The grants, the newest first.
    pub items: Vec<GrantRow>,
    /// Where the next page begins.
    pub next: Option<String>,
}

/// What a grant covers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GrantView {
    /// The server that offers the tool.
    pub server: Option<String>,
    /// The tool.
    pub tool: String,
    /// The limit of each argument, secrets redacted.
    pub arguments: Value,
    /// How many calls.
    pub calls: u32,
    /// How many are left.
    pub calls_left: u32,
    /// How long it lasts from its approval.
    pub lasts: String,
}

/// What a person is answered who decided.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Decided {
    /// The approval after it.
    #[serde(flatten)]
    pub approval: ApprovalView,
    /// The record of the decision.
    pub record: RecordRef,
}

/// One decision of many, as far as it is shown: the whole action comes by its id.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DecidedRow {
    /// The approval after it.
    #[serde(flatten)]
    pub approval: ApprovalRow,
    /// The record of the decision.
    pub record: RecordRef,
}

/// A chain as it was when the request came.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainView {
    /// Its name.
    pub name: String,
    /// How long all rungs together have.
    pub timeout: String,
    /// What silence means: `deny`, `park` or `allow`.
    pub fallback: gov_escalation::chain::Fallback,
    /// Who is asked, in order.
    pub rungs: Vec<RungView>,
}

/// One rung.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RungView {
    /// Who may decide, in words.
    pub audience: String,
    /// How long the rung before has.
    pub after: String,
}

/// What one person said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoteView {
    /// Who: `per_…`.
    pub person: PersonId,
    /// In whose right: their own, or that of who named them stand-in.
    pub seat: PersonId,
    /// `approve` or `reject`.
    pub decision: Verdict,
    /// The rung that was asked last then, from 0.
    pub rung: u32,
    /// When.
    pub at: Timestamp,
    /// In their own words.
    pub comment: Option<String>,
}

/// What a person, or silence, said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AnswerView {
    /// Who: `per_…`, or `system:timeout`.
    pub actor: String,
    /// When.
    pub at: Timestamp,
    /// In their own words.
    pub comment: Option<String>,
}

/// How an approval was used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsumptionView {
    /// When.
    pub at: Timestamp,
    /// The policy version that was asked again.
    pub policy_version: u64,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryView {
    /// When.
    pub at: Timestamp,
    /// What: `approval.requested`, …
    pub kind: AuditEventKind,
    /// Who did it: `per_…`, an agent's id, or `system:…`.
    pub actor: String,
    /// Who was asked before, where the rung changed.
    pub from: Option<String>,
    /// Who is asked now, where the rung changed.
    pub to: Option<String>,
}

impl From<&Approval> for ApprovalRow {
    fn from(approval: &Approval) -> Self {
        let request = &approval.request;
        let rung = approval.chain().rung(approval.rung);
        Self {
            id: approval.id,
            status: approval.status.as_str().to_owned(),
            agent_id: request.agent_id.clone(),
            action_kind: request.action_kind.clone(),
            summary: summary(part(approval, "action")),
            rule_id: request.rule_id.clone(),
            reason: request.reason.clone(),
            risk: request.risk.clone(),
            digest: request.digest,
            audience: rung.map(Rung::audience).unwrap_or_default(),
            submitted_at: approval.submitted_at,
            expires_at: approval.expires_at,
            halted_at: approval.clock.halted_at.filter(|_| approval.expires_at.is_some()),
        }
    }
}

impl ApprovalView {
    /// The approval with what happened to it.
    #[must_use]
    pub fn new(approval: &Approval, history: Vec<HistoryRow>) -> Self {
        let request = &approval.request;
        Self {
            row: approval.into(),
            session_id: request.session_id.clone(),
            team_id: request.team_id.clone(),
            action: part(approval, "action").clone(),
            context: part(approval, "context").clone(),
            policy_version: request.policy_version,
            chain: approval.chain().into(),
            rung: approval.rung,
            votes: approval.votes.iter().map(VoteView::from).collect(),
            answer: approval.answer.as_ref().map(|it| AnswerView {
                actor: it.actor.clone(),
                at: it.at,
                comment: it.comment.clone(),
            }),
            consumption: approval
                .consumption
                .as_ref()
                .map(|it| ConsumptionView { at: it.at, policy_version: it.policy_version }),
            edited_from: request.edited_from,
            edited_into: approval.edited_into,
            grant: GrantView::of(approval),
            history: history.into_iter().map(HistoryView::from).collect(),
        }
    }
}

impl GrantView {
    fn of(approval: &Approval) -> Option<Self> {
        let terms = approval.request.grant.as_ref()?;
        let arguments = part(approval, "action").get("arguments").unwrap_or(&Value::Null);
        Some(Self {
            server: terms.server.clone(),
            tool: terms.tool.clone(),
            arguments: arguments.clone(),
            calls: terms.calls,
            calls_left: approval.calls_left.unwrap_or_default(),
            lasts: span::show(terms.lasts.0),
        })
    }
}

impl From<&Approval> for GrantRow {
    fn from(approval: &Approval) -> Self {
        Self { row: approval.into(), grant: GrantView::of(approval) }
    }
}

impl From<&Chain> for ChainView {
    fn from(chain: &Chain) -> Self {
        let rung = |it: &Rung| RungView { audience: it.audience(), after: span::show(it.after.0) };
        Self {
            name: chain.name.clone(),
            timeout: span::show(chain.timeout.0),
            fallback: chain.fallback,
            rungs: chain.rungs.iter().map(rung).collect(),
        }
    }
}

impl From<&Vote> for VoteView {
    fn from(vote: &Vote) -> Self {
        let Vote { person, seat, verdict: decision, rung, at, ref comment, .. } = *vote;
        Self { person, seat, decision, rung, at, comment: comment.clone() }
    }
}

impl From<HistoryRow> for HistoryView {
    fn from(row: HistoryRow) -> Self {
        let HistoryRow { at, kind, actor, from_role, to_role, .. } = row;
        Self { at, kind, actor, from: from_role, to: to_role }
    }
}

fn part<'a>(approval: &'a Approval, name: &str) -> &'a Value {
    approval.request.content.get(name).unwrap_or(&Value::Null)
}
