//! The event of an answer that lets the agent act.

use std::collections::BTreeMap;

use gov_core::{
    ActionDigest, AuditEvent, AuditEventKind, Decision, EventId, Payload, Redactor, Timestamp,
    canonical::CanonicalError, payload::SealError,
};
use serde_json::{Map, Value};

use super::payload::bounded;
use crate::{check::CheckRequest, policy::Judgement};

/// The event of `judgement`, an allow or a warning. It takes the request apart: a call on every
/// allowed action copies nothing that it can move.
///
/// # Errors
///
/// [`SealError`]: there is no randomness for the salt.
pub(super) fn event(
    request: CheckRequest,
    judgement: &Judgement,
    redactor: &Redactor,
    now: Timestamp,
) -> Result<AuditEvent, SealError> {
    let CheckRequest { agent_id, session_id, team_id, action, context, .. } = request;
    let digest = ActionDigest::of(&agent_id, None, &action, context.as_ref())?;
    let mut subjects = BTreeMap::from([
        ("action_kind".to_owned(), action.kind().to_owned()),
        ("digest".to_owned(), digest.to_string()),
        ("policy_version".to_owned(), judgement.policy_version.to_string()),
    ]);
    if let Some(rule_id) = &judgement.rule_id {
        subjects.insert("rule_id".to_owned(), rule_id.to_string());
    }
    let action = serde_json::to_value(action).map_err(CanonicalError::from)?;
    let reason = judgement.decision.reason().map_or(Value::Null, Value::from);
    let mut content = Value::Object(Map::from_iter([
        ("action".to_owned(), action),
        ("context".to_owned(), context.unwrap_or_default()),
        ("reason".to_owned(), reason),
    ]));
    redactor.redact(&mut content);
    Ok(AuditEvent {
        id: EventId::at(now),
        at: now,
        kind: kind(&judgement.decision),
        agent_id: Some(agent_id),
        session_id,
        team_id,
        subjects,
        trace_id: None,
        payload: bounded(Payload::seal(&content)?),
    })
}

/// Which of the two it is.
pub(super) fn kind(decision: &Decision) -> AuditEventKind {
    match decision {
        Decision::Warn { .. } => AuditEventKind::ActionWarned,
        _ => AuditEventKind::ActionAllowed,
    }
}
