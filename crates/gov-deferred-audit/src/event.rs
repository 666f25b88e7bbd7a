//! The event that a policy hook hands over: an agent was refused.

use gov_core::{
    ActionDigest, AgentAction, AgentId, AuditEventKind, Decision, Payload, RecordId, RuleId,
    Timestamp,
    canonical::{self, CanonicalError},
};
use serde::Serialize;
use serde_json::Value;

use crate::{
    queue::SubmitError,
    record::{LogRecord, MAX_POLICY_VERSION, TooLarge, Verdict},
};

/// How deep the JSON of an action may nest, as at the border (`gov_core::json`).
pub const MAX_NESTING: u64 = 64;

/// What a refusal is called where events have a type of text.
pub const GOVERNANCE_REFUSAL_EVENT_TYPE: &str = "governance.refusal";

/// One decision about one action of one agent.
#[derive(Clone, Debug, PartialEq)]
pub struct DeferredAuditEvent {
    /// Who wanted to act.
    pub agent_id: AgentId,
    /// What it wanted.
    pub action: AgentAction,
    /// What it was told.
    pub decision: Decision,
    /// When.
    pub timestamp: Timestamp,
}

#[derive(Serialize)]
struct Canonical<'a> {
    event_type: &'static str,
    agent_id: &'a AgentId,
    action: &'a AgentAction,
    decision: &'a Decision,
    timestamp: Timestamp,
}

#[derive(Serialize)]
struct Content<'a> {
    action: &'a AgentAction,
}

impl DeferredAuditEvent {
    /// The event of a refusal; `None` for every other decision.
    #[must_use]
    pub fn from_refusal(
        agent_id: &AgentId,
        action: &AgentAction,
        decision: &Decision,
        timestamp: Timestamp,
    ) -> Option<Self> {
        decision.is_refusal().then(|| Self {
            agent_id: agent_id.clone(),
            action: action.clone(),
            decision: decision.clone(),
            timestamp,
        })
    }

    /// The policy that decided.
    #[must_use]
    pub fn rule_id(&self) -> Option<&RuleId> {
        self.decision.rule_id()
    }

    /// Why, in the policy's words.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.decision.reason()
    }

    /// The event as RFC 8785 JSON: equal events are equal bytes.
    ///
    /// # Errors
    ///
    /// [`CanonicalError`] never happens for an action that was read from JSON.
    pub fn canonical_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        canonical::to_bytes(&Canonical {
            event_type: GOVERNANCE_REFUSAL_EVENT_TYPE,
            agent_id: &self.agent_id,
            action: &self.action,
            decision: &self.decision,
            timestamp: self.timestamp,
        })
    }

    /// The record of this event: what is kept for ever in its fields, the action itself in the
    /// erasable payload.
    ///
    /// # Errors
    ///
    /// [`SubmitError::TooLarge`] if the action nests deeper than [`MAX_NESTING`], or has a number
    /// beyond ±(2⁵³ - 1);
    /// [`SubmitError::Seal`] if the operating system gives no randomness for the salt.
    pub fn into_record(self, id: RecordId) -> Result<LogRecord, SubmitError> {
        check_json(&self.action)?;
        let digest = ActionDigest::of(&self.agent_id, None, &self.action, None)
            .map_err(gov_core::payload::SealError::from)?;
        let payload = Payload::seal(&Content { action: &self.action })?;
        let kind = match &self.decision {
            Decision::Allow => AuditEventKind::ActionAllowed,
            Decision::Warn { .. } => AuditEventKind::ActionWarned,
            Decision::RequireApproval { .. } => AuditEventKind::ApprovalRequested,
            _ => AuditEventKind::ActionRefused,
        };
        let verdict = Verdict {
            action_kind: self.action.kind().to_owned(),
            digest,
            decision: self.decision.name().to_owned(),
            rule_id: self.rule_id().cloned(),
            reason: self.reason().map(str::to_owned),
        };
        Ok(LogRecord {
            id,
            at: self.timestamp,
            kind,
            agent_id: Some(self.agent_id),
            session_id: None,
            policy_version: None,
            verdict: Some(verdict),
            payload,
        })
    }
}

/// Whether the action's JSON nests no deeper, and its numbers are no larger, than at the border.
///
/// Whatever walks JSON does so on the stack, which a deep enough one overflows; and the canonical
/// form rounds larger numbers, so that two actions would be one.
pub(crate) fn check_json(action: &AgentAction) -> Result<(), TooLarge> {
    let mut level: Vec<&Value> = match action {
        AgentAction::ToolCall { arguments: value, .. }
        | AgentAction::Custom { payload: value, .. } => vec![value],
        AgentAction::FilesystemWrite { byte_estimate: Some(bytes), .. } => {
            return within_number(*bytes);
        }
        _ => return Ok(()),
    };
    level.iter().try_for_each(|it| check_number(it))?;
    for _ in 0..MAX_NESTING {
        level = level.into_iter().flat_map(inside).collect();
        level.iter().try_for_each(|it| check_number(it))?;
        level.retain(|it| is_nested(it));
        if level.is_empty() {
            return Ok(());
        }
    }
    Err(TooLarge { what: "nesting", limit: MAX_NESTING, got: MAX_NESTING + 1 })
}

fn check_number(value: &Value) -> Result<(), TooLarge> {
    let Value::Number(number) = value else { return Ok(()) };
    let whole = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    let beyond = || number.as_f64().is_some_and(|it| it.abs() > gov_core::json::MAX_NUMBER);
    within_number(whole.unwrap_or_else(|| if beyond() { u64::MAX } else { 0 }))
}

fn within_number(got: u64) -> Result<(), TooLarge> {
    // 2⁵³ - 1, like every number here.
    let limit = MAX_POLICY_VERSION;
    if got > limit { Err(TooLarge { what: "number", limit, got }) } else { Ok(()) }
}

fn is_nested(value: &Value) -> bool {
    value.is_array() || value.is_object()
}

fn inside(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(list) => Box::new(list.iter()),
        Value::Object(map) => Box::new(map.values()),
        _ => Box::new(std::iter::empty()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_action_may_nest_as_deep_as_at_the_border_and_no_deeper() {
        let nested = |depth: u64| {
            let mut value = Value::Null;
            for _ in 0..depth {
                value = Value::Array(vec![value]);
            }
            AgentAction::Custom { custom_kind: "c".into(), payload: value }
        };
        assert_eq!(check_json(&nested(MAX_NESTING)), Ok(()));
        assert_eq!(check_json(&nested(MAX_NESTING + 1)).unwrap_err().what, "nesting");
    }

    #[test]
    fn a_number_that_the_canonical_form_would_round_is_refused_wherever_it_stands() {
        let largest = 9_007_199_254_740_991_i64;
        for good in [json!(largest), json!([-largest]), json!({"a": [0.5, 1e-300]})] {
            let action = AgentAction::Custom { custom_kind: "c".into(), payload: good };
            assert_eq!(check_json(&action), Ok(()));
        }
        for bad in
            [json!(largest + 1), json!([[-largest - 1]]), json!({"a": u64::MAX}), json!(1e300)]
        {
            let action =
                AgentAction::ToolCall { server: None, tool: "t".into(), arguments: bad.clone() };
            assert_eq!(check_json(&action).unwrap_err().what, "number", "{bad}");
        }
        let path = gov_core::ActionPath::new("/a");
        let action = AgentAction::FilesystemWrite { path, byte_estimate: Some(u64::MAX) };
        assert_eq!(check_json(&action).unwrap_err().got, u64::MAX);
    }

    fn refusal() -> DeferredAuditEvent {
        let decision = Decision::Refuse { rule_id: "no-rm".parse().unwrap(), reason: "why".into() };
        let action = AgentAction::Bash { command: "rm -rf /".into(), cwd: None };
        let agent = "agent".parse().unwrap();
        DeferredAuditEvent::from_refusal(&agent, &action, &decision, Timestamp::UNIX_EPOCH).unwrap()
    }

    #[test]
    fn only_a_refusal_is_an_event() {
        let DeferredAuditEvent { agent_id, action, .. } = refusal();
        let at = Timestamp::UNIX_EPOCH;
        for decision in
            [Decision::Allow, Decision::Warn { rule_id: "w".parse().unwrap(), reason: "w".into() }]
        {
            assert_eq!(DeferredAuditEvent::from_refusal(&agent_id, &action, &decision, at), None);
        }
        assert_eq!(
            (refusal().rule_id().unwrap().as_str(), refusal().reason()),
            ("no-rm", Some("why"))
        );
    }

    #[test]
    fn equal_events_are_equal_bytes() {
        let bytes = String::from_utf8(refusal().canonical_bytes().unwrap()).unwrap();
        assert_eq!(
            bytes,
            r#"{"action":{"command":"rm -rf /","cwd":null,"kind":"bash"},"agent_id":"agent","decision":{"decision":"refuse","reason":"why","rule_id":"no-rm"},"event_type":"governance.refusal","timestamp":"1970-01-01T00:00:00.000000Z"}"#
        );
    }

    #[test]
    fn the_record_keeps_the_verdict_and_hides_the_action_in_the_payload() {
        let id = RecordId::at(Timestamp::UNIX_EPOCH);
        let record = refusal().into_record(id).unwrap();
        let verdict = record.verdict.unwrap();
        assert_eq!((record.id, record.kind), (id, AuditEventKind::ActionRefused));
        assert_eq!((verdict.action_kind.as_str(), verdict.decision.as_str()), ("bash", "refuse"));
        assert!(record.payload.as_bytes().starts_with(br#"{"action":{"command":"rm -rf /""#));
    }
}
