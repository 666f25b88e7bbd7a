//! What is kept of an action: its record where it is refused, and what a human is shown.

use gov_core::{
    ActionDigest, AuditEventKind, Decision, Payload, RecordId, Redactor, RuleId, Timestamp,
    canonical::CanonicalError, payload::SealError,
};
use gov_deferred_audit::{LogRecord, Verdict};
use serde::Serialize;
use serde_json::{Value, json};

use super::CheckRequest;
use crate::policy::Judgement;

/// The record of a refusal: static text for ever, and what comes from the action in the payload.
pub(super) fn record(
    redactor: &Redactor,
    request: &CheckRequest,
    judgement: &Judgement,
    now: Timestamp,
) -> Result<LogRecord, SealError> {
    let decision = &judgement.decision;
    Ok(LogRecord {
        id: RecordId::at(now),
        at: now,
        kind: AuditEventKind::ActionRefused,
        agent_id: Some(request.agent_id.clone()),
        session_id: request.session_id.clone(),
        policy_version: Some(judgement.policy_version).filter(|it| *it > 0),
        verdict: Some(Verdict {
            action_kind: request.action.kind().to_owned(),
            digest: digest(request, false)?,
            decision: decision.name().to_owned(),
            rule_id: decision.rule_id().cloned(),
            reason: decision.reason().map(|it| static_reason(decision, it).to_owned()),
        }),
        payload: payload(redactor, request, decision)?,
    })
}

/// What an approval of this action is bound to.
pub(super) fn digest(
    request: &CheckRequest,
    with_session: bool,
) -> Result<ActionDigest, CanonicalError> {
    let CheckRequest { agent_id, session_id, action, context, .. } = request;
    let session = session_id.as_ref().filter(|_| with_session);
    ActionDigest::of(agent_id, session, action, context.as_ref())
}

/// The whole action and its context, secrets redacted: what an approver is shown.
pub(super) fn shown(redactor: &Redactor, request: &CheckRequest) -> Result<Value, CanonicalError> {
    let action = serde_json::to_value(&request.action)?;
    let mut content = json!({ "action": action, "context": request.context });
    redactor.redact(&mut content);
    Ok(content)
}

/// The payload of a refusal's record.
#[derive(Serialize)]
struct Content<'a> {
    action: &'a gov_core::AgentAction,
    context: Option<&'a Value>,
    team_id: Option<&'a str>,
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    approval_id: Option<gov_core::ApprovalId>,
}

fn payload(
    redactor: &Redactor,
    request: &CheckRequest,
    decision: &Decision,
) -> Result<Payload, SealError> {
    let mut content = serde_json::to_value(Content {
        action: &request.action,
        context: request.context.as_ref(),
        team_id: request.team_id.as_ref().map(gov_core::TeamId::as_str),
        reason: decision.reason(),
        approval_id: request.approval_id,
    })
    .map_err(CanonicalError::from)?;
    redactor.redact(&mut content);
    Payload::seal(&content)
}

/// The reason as it may stay for ever. That of an action which cannot be judged tells about the
/// action, and that of a halt is in somebody's own words: both go into the payload only, which can
/// be erased.
fn static_reason<'a>(decision: &Decision, reason: &'a str) -> &'a str {
    match decision.rule_id() {
        Some(it) if *it == RuleId::unparsable_action() => "the action cannot be judged",
        Some(it) if *it == RuleId::halted() => "everything is halted",
        _ => reason,
    }
}
