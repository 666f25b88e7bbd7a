//! One answer among the last ones: of a policy, of a person, or of silence.

use std::collections::BTreeMap;

use gov_core::{ApprovalId, AuditEvent, AuditEventKind};
use gov_escalation::approval::Approval;
use serde_json::Value;

use super::{
    action::{self, ActionView},
    shown::{Block, Shown},
    time::TimeView,
};

/// An answer as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Names it among the rows.
    pub id: String,
    /// When it was given.
    pub at: TimeView,
    /// What was answered, in a word.
    pub word: &'static str,
    /// Its colour's name.
    pub tone: &'static str,
    /// The agent concerned.
    pub agent: Shown,
    /// What it is about, in one line; empty where the event itself does not say.
    pub title: Shown,
    /// Who answered, where it was a person or silence.
    pub by: Option<Shown>,
    /// The approval that it is about.
    pub approval: Option<ApprovalId>,
    /// What else there is to say, each with its name.
    pub facts: Vec<(&'static str, Shown)>,
    /// What is kept of it, as JSON; `None` once it is erased.
    pub whole: Option<Block>,
}

/// The kinds of events that are answers, with word and tone.
const ANSWERS: [(AuditEventKind, &str, &str); 11] = [
    (AuditEventKind::ActionAllowed, "allow", "yes"),
    (AuditEventKind::ActionWarned, "warn", "care"),
    (AuditEventKind::ActionRefused, "refuse", "no"),
    (AuditEventKind::ApprovalRequested, "ask", "ask"),
    (AuditEventKind::ApprovalEscalated, "escalated", "ask"),
    (AuditEventKind::ApprovalApproved, "approved", "yes"),
    (AuditEventKind::ApprovalRejected, "rejected", "no"),
    (AuditEventKind::ApprovalTimedOut, "timed out", "no"),
    (AuditEventKind::ApprovalEdited, "edited", "care"),
    (AuditEventKind::ApprovalCancelled, "cancelled", "care"),
    (AuditEventKind::ApprovalConsumed, "released", "yes"),
];

/// Which events are listed.
#[must_use]
pub fn kinds() -> Vec<AuditEventKind> {
    ANSWERS.iter().map(|(kind, ..)| kind.clone()).collect()
}

/// What is said of an event beside its action, by field of the payload or subject.
const FACTS: [(&str, &str); 6] = [
    ("comment", "comment"),
    ("rule_id", "rule"),
    ("reason", "reason"),
    ("policy_version", "policy version"),
    ("approval_id", "approval"),
    ("record_id", "record"),
];

impl Row {
    /// The row of an event; `None` for one that is no answer. `name_of` gives what an
    /// actor is called.
    #[must_use]
    pub fn of(event: &AuditEvent, name_of: impl Fn(&str) -> String) -> Option<Self> {
        let (_, word, tone) = ANSWERS.iter().find(|(kind, ..)| *kind == event.kind)?;
        let content = serde_json::from_slice(event.payload.as_bytes()).unwrap_or(Value::Null);
        let action = content.get("action").map(|it| it.get("action").unwrap_or(it));
        let fact = |(field, name): (&str, &'static str)| {
            Some((name, Shown::line(&said(&content, &event.subjects, field)?)))
        };
        let actor = said(&content, &event.subjects, "actor");
        let approval = said(&content, &event.subjects, "approval_id");
        let whole = (!content.is_null()).then(|| Block::of(&action::pretty(&content)).listed());
        Some(Self {
            id: event.id.to_string(),
            at: event.at.into(),
            word,
            tone,
            agent: Shown::line(event.agent_id.as_ref().map_or("", |it| it.as_str())),
            title: action.map(|it| ActionView::of(it).title).unwrap_or_default(),
            by: actor.map(|it| Shown::line(&name_of(&it))),
            approval: approval.and_then(|it| it.parse().ok()),
            facts: FACTS.into_iter().filter_map(fact).collect(),
            whole,
        })
    }
}

/// What an approval is about, in one line.
#[must_use]
pub fn title(approval: &Approval) -> Shown {
    let content = &approval.request.content;
    ActionView::of(content.get("action").unwrap_or(content)).title
}

fn said(content: &Value, subjects: &BTreeMap<String, String>, field: &str) -> Option<String> {
    match content.get(field) {
        None | Some(Value::Null) => subjects.get(field).cloned(),
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    }
}
