//! One request for approval, as a person is shown it who may decide about it.

use gov_core::{PersonId, Timestamp};
use gov_escalation::approval::{Approval, Status, Verdict};

use super::{
    action::{self, ActionView},
    edit::Editing,
    shown::{Block, Shown},
    time::{self, TimeView},
};
use crate::approvals::still_needed;

/// A request that waits for an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Card {
    /// Names it.
    pub id: String,
    /// Who asks.
    pub agent: Shown,
    /// What for.
    pub action: ActionView,
    /// Everything that was asked: the action and its context, as JSON.
    pub whole: Block,
    /// The policy that asks.
    pub rule: Shown,
    /// Its version.
    pub policy_version: u64,
    /// Why, in the policy's words.
    pub reason: Shown,
    /// How bad it could be, if the policy says.
    pub risk: Option<RiskView>,
    /// Which rung is asked: `1 of 2`.
    pub rung: String,
    /// Who is asked there.
    pub audience: Shown,
    /// Who has approved so far, and in whose right: `Ann, Bob for Kim`.
    pub approved: Option<Shown>,
    /// How far that is, where one answer is not enough: `1 of 2; still needed: 1 of security`.
    pub needed: Option<Shown>,
    /// The agent's team and session, and how many calls of a grant are left: where it has them.
    pub facts: Vec<(&'static str, Shown)>,
    /// The ids of what it was edited from and into, where it was.
    pub edits: Vec<(&'static str, String)>,
    /// When it was asked for.
    pub submitted: TimeView,
    /// When nobody has answered in time; `None` for one that waits without a clock.
    pub expires: Option<Expiry>,
    /// What the answer is bound to, 64 hex digits.
    pub digest: String,
    /// What the person before the page may do.
    pub may: May,
    /// What they may make of it.
    pub edit: Editing,
}

/// How bad it could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RiskView {
    /// Its word.
    pub word: Shown,
    /// The mark it gets: `high` or `some`.
    pub level: &'static str,
}

/// The end of the wait.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// When; `None` while everything is halted and the clock stands still.
    pub at: Option<TimeView>,
    /// How long it is until then: `11 min 42 s`.
    pub left: String,
}

/// What the person before the page may do with a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum May {
    /// Approve or reject.
    Decide,
    /// Look, because of this.
    Look(String),
}

impl Card {
    /// What is shown of an approval at `now`; `name_of` gives what a person is called.
    #[must_use]
    pub fn of(
        approval: &Approval,
        now: Timestamp,
        may: May,
        name_of: impl Fn(PersonId) -> Option<String>,
    ) -> Self {
        let request = &approval.request;
        let action = request.content.get("action").unwrap_or(&request.content);
        let rungs = approval.chain().rungs.len();
        let rung = approval.chain().rung(approval.rung);
        let facts = [
            ("team", request.team_id.as_ref().map(|it| Shown::line(it.as_str()))),
            ("calls left", approval.calls_left.map(|it| Shown::line(&it.to_string()))),
            ("session", request.session_id.as_ref().map(|it| Shown::line(it.as_str()))),
        ];
        let edits = [("edited from", request.edited_from), ("edited into", approval.edited_into)];
        Self {
            id: approval.id.to_string(),
            agent: Shown::line(request.agent_id.as_str()),
            action: ActionView::of(action),
            whole: Block::of(&action::pretty(&request.content)),
            rule: Shown::line(request.rule_id.as_str()),
            policy_version: request.policy_version,
            reason: Shown::line(&request.reason),
            risk: request.risk.as_deref().map(RiskView::of),
            rung: format!("{} of {rungs}", approval.rung.saturating_add(1)),
            audience: Shown::line(&rung.map(|it| it.audience_named(&name_of)).unwrap_or_default()),
            approved: approved(approval, &name_of),
            needed: needed(approval, &name_of),
            facts: facts.into_iter().filter_map(|(name, it)| Some((name, it?))).collect(),
            edits: edits
                .into_iter()
                .filter_map(|(name, it)| Some((name, it?.to_string())))
                .collect(),
            submitted: approval.submitted_at.into(),
            expires: approval.expires_at.filter(|_| approval.status == Status::Pending).map(|at| {
                Expiry {
                    at: approval.clock.halted_at.is_none().then(|| at.into()),
                    left: time::span(at.since(approval.clock.at(now))),
                }
            }),
            digest: request.digest.to_string(),
            edit: Editing::of(approval, &may),
            may,
        }
    }
}

impl Card {
    /// Where all of the request stands.
    #[must_use]
    pub fn page(&self) -> String {
        format!("/approvals/{}", self.id)
    }

    /// The card as it may stand in a list; all of it stands on the request's own page.
    #[must_use]
    pub fn listed(mut self) -> Self {
        self.action.main = self.action.main.listed();
        self.whole = self.whole.listed();
        self.edit = self.edit.listed();
        self
    }
}

/// One rejection is the end of it, so whoever has answered a request that waits has approved.
fn approved(approval: &Approval, name_of: impl Fn(PersonId) -> Option<String>) -> Option<Shown> {
    let name = |id: PersonId| name_of(id).unwrap_or_else(|| id.to_string());
    let yes = approval.votes.iter().filter(|it| it.verdict == Verdict::Approve);
    let said: Vec<_> = yes
        .map(|it| {
            let own = it.seat == it.person;
            let seat = if own { String::new() } else { format!(" for {}", name(it.seat)) };
            format!("{}{seat}", name(it.person))
        })
        .collect();
    (!said.is_empty()).then(|| Shown::line(&said.join(", ")))
}

fn needed(approval: &Approval, name_of: impl Fn(PersonId) -> Option<String>) -> Option<Shown> {
    let one_is_enough = approval.asked().any(|it| it.seats() == 1);
    if one_is_enough || !approval.status.awaits_answer() {
        return None;
    }
    let (count, missing) = still_needed(approval, name_of);
    Some(Shown::line(&format!("{count}; still needed: {missing}")))
}

impl RiskView {
    fn of(word: &str) -> Self {
        let level = if matches!(word, "high" | "critical") { "high" } else { "some" };
        Self { word: Shown::line(word), level }
    }
}
