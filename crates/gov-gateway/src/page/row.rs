//! One answer among the last ones: of a policy, of a person, or of silence.

use std::collections::BTreeMap;

use gov_core::{AuditEvent, AuditEventKind};
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
    /// What it is about, in one line.
    pub title: Shown,
    /// What else there is to say, each with its name.
    pub facts: Vec<(&'static str, Shown)>,
    /// Everything that is kept of it, as JSON; `None` once it is erased.
    pub whole: Option<Block>,
}

/// The kinds of events that are answers, with word and tone.
const ANSWERS: [(AuditEventKind, &str, &str); 10] = [
    (AuditEventKind::ActionAllowed, "allow", "yes"),
    (AuditEventKind::ActionWarned, "warn", "care"),
    (AuditEventKind::ActionRefused, "refuse", "no"),
    (AuditEventKind::ApprovalRequested, "ask", "ask"),
    (AuditEventKind::ApprovalEscalated, "escalate", "ask"),
    (AuditEventKind::ApprovalApproved, "approve", "yes"),
    (AuditEventKind::ApprovalRejected, "reject", "no"),
    (AuditEventKind::ApprovalTimedOut, "time out", "no"),
    (AuditEventKind::ApprovalCancelled, "cancel", "care"),
    (AuditEventKind::ApprovalConsumed, "release", "yes"),
];

/// Which events are listed.
#[must_use]
pub fn kinds() -> Vec<AuditEventKind> {
    ANSWERS.iter().map(|(kind, ..)| kind.clone()).collect()
}

/// What is said of an event beside its action, by field of the payload or subject.
const FACTS: [(&str, &str); 7] = [
    ("actor", "by"),
    ("comment", "comment"),
    ("rule_id", "rule"),
    ("reason", "reason"),
    ("policy_version", "policy version"),
    ("approval_id", "approval"),
    ("record_id", "record"),
];

impl Row {
    /// The row of an event; `None` for one that is no answer. `name_of` gives what a person with
    /// an id is called.
    #[must_use]
    pub fn of(event: &AuditEvent, name_of: impl Fn(&str) -> Option<String>) -> Option<Self> {
        let (_, word, tone) = ANSWERS.iter().find(|(kind, ..)| *kind == event.kind)?;
        let content = serde_json::from_slice(event.payload.as_bytes()).unwrap_or(Value::Null);
        let action = content.get("action").map(|it| it.get("action").unwrap_or(it));
        let fact = |(field, name): (&str, &'static str)| {
            let text = said(&content, &event.subjects, field)?;
            let text = if field == "actor" { name_of(&text).unwrap_or(text) } else { text };
            Some((name, Shown::line(&text)))
        };
        let whole = (!content.is_null()).then(|| Block::of(&action::pretty(&content)));
        Some(Self {
            id: event.id.to_string(),
            at: event.at.into(),
            word,
            tone,
            agent: Shown::line(event.agent_id.as_ref().map_or("", |it| it.as_str())),
            title: action.map(|it| ActionView::of(it).title).unwrap_or_default(),
            facts: FACTS.into_iter().filter_map(fact).collect(),
            whole,
        })
    }
}

fn said(content: &Value, subjects: &BTreeMap<String, String>, field: &str) -> Option<String> {
    match content.get(field) {
        None | Some(Value::Null) => subjects.get(field).cloned(),
        Some(Value::String(text)) => Some(text.clone()),
        Some(other) => Some(other.to_string()),
    }
}
