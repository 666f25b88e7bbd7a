//! One governance fact on its way into the log.

use gov_core::{
    ActionDigest, AgentId, AuditEventKind, Payload, RecordId, RuleId, SessionId, Timestamp,
};

/// The longest reason, in bytes of UTF-8: it is a policy's static text, kept for ever.
pub const MAX_REASON_BYTES: usize = 1024;

/// The longest `kind` and `action_kind`, in bytes.
pub const MAX_KIND_BYTES: usize = 256;

/// The largest payload, in bytes: a whole check body (1 MiB) and what is said about it.
pub const MAX_PAYLOAD_BYTES: usize = 1024 * 1024 + 64 * 1024;

/// The largest policy version: 2⁵³ − 1, what every JSON reader keeps exactly.
pub const MAX_POLICY_VERSION: u64 = 9_007_199_254_740_991;

/// One governance fact. Id, time and salt are fixed when it is submitted, so a replay from the
/// spool makes the same leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRecord {
    /// Names it: the key by which a repeated append is recognised.
    pub id: RecordId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: AuditEventKind,
    /// The agent concerned; `None` for what people and the system do.
    pub agent_id: Option<AgentId>,
    /// The agent's session.
    pub session_id: Option<SessionId>,
    /// The policy version that decided, at most [`MAX_POLICY_VERSION`].
    pub policy_version: Option<u64>,
    /// What was decided; `None` where the fact is no decision about an action.
    pub verdict: Option<Verdict>,
    /// Everything else, erasable; at most [`MAX_PAYLOAD_BYTES`].
    pub payload: Payload,
}

/// What was decided about one action. All of it is kept for ever: nothing here may come from the
/// action's arguments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The action's `kind` tag: `bash`, `tool_call`, …; at most [`MAX_KIND_BYTES`].
    pub action_kind: String,
    /// Stands for the action itself.
    pub digest: ActionDigest,
    /// `allow`, `warn`, `refuse` or `require_approval`.
    pub decision: String,
    /// The policy that decided.
    pub rule_id: Option<RuleId>,
    /// Why, in the policy's static text; at most [`MAX_REASON_BYTES`].
    pub reason: Option<String>,
}

/// A part of the record is larger than the log takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{what}` must be at most {limit}; received {got}")]
pub struct TooLarge {
    /// Which field.
    pub what: &'static str,
    /// Its limit; bytes, except for `policy_version`.
    pub limit: u64,
    /// What was received, in the same unit.
    pub got: u64,
}

impl LogRecord {
    /// Whether every part keeps to its limit, and with them the whole entry: asked at submit.
    ///
    /// # Errors
    ///
    /// [`TooLarge`] with the field and both sizes: shorten it, or move it into the payload.
    pub fn check_size(&self) -> Result<(), TooLarge> {
        within("kind", MAX_KIND_BYTES, self.kind.as_str().len())?;
        within("payload", MAX_PAYLOAD_BYTES, self.payload.as_bytes().len())?;
        if let Some(verdict) = &self.verdict {
            within("action_kind", MAX_KIND_BYTES, verdict.action_kind.len())?;
            within("decision", MAX_KIND_BYTES, verdict.decision.len())?;
            within("reason", MAX_REASON_BYTES, verdict.reason.as_ref().map_or(0, String::len))?;
        }
        match self.policy_version {
            Some(got) if got > MAX_POLICY_VERSION => {
                Err(TooLarge { what: "policy_version", limit: MAX_POLICY_VERSION, got })
            }
            _ => Ok(()),
        }
    }
}

pub(crate) fn within(what: &'static str, limit: usize, got: usize) -> Result<(), TooLarge> {
    if got > limit {
        let size = |bytes| u64::try_from(bytes).unwrap_or(u64::MAX);
        return Err(TooLarge { what, limit: size(limit), got: size(got) });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Change = fn(&mut LogRecord);

    fn record() -> LogRecord {
        LogRecord {
            id: RecordId::at(Timestamp::UNIX_EPOCH),
            at: Timestamp::UNIX_EPOCH,
            kind: AuditEventKind::ActionRefused,
            agent_id: None,
            session_id: None,
            policy_version: Some(MAX_POLICY_VERSION),
            verdict: Some(Verdict {
                action_kind: "k".repeat(MAX_KIND_BYTES),
                digest: ActionDigest::from_bytes([0; 32]),
                decision: "refuse".to_owned(),
                rule_id: None,
                reason: Some("r".repeat(MAX_REASON_BYTES)),
            }),
            payload: Payload::from_parts(vec![b' '; MAX_PAYLOAD_BYTES], [0; 16]),
        }
    }

    #[test]
    fn a_record_at_its_limits_is_taken_and_one_beyond_is_named() {
        assert_eq!(record().check_size(), Ok(()));
        let beyond: [(&str, Change); 6] = [
            ("kind", |it| it.kind = AuditEventKind::Other("k".repeat(MAX_KIND_BYTES + 1))),
            ("payload", |it| {
                it.payload = Payload::from_parts(vec![b' '; MAX_PAYLOAD_BYTES + 1], [0; 16]);
            }),
            ("action_kind", |it| it.verdict.as_mut().unwrap().action_kind.push('k')),
            ("decision", |it| it.verdict.as_mut().unwrap().decision = "d".repeat(257)),
            ("reason", |it| {
                it.verdict.as_mut().unwrap().reason = Some("r".repeat(MAX_REASON_BYTES + 1));
            }),
            ("policy_version", |it| it.policy_version = Some(MAX_POLICY_VERSION + 1)),
        ];
        for (what, change) in beyond {
            let mut record = record();
            change(&mut record);
            let error = record.check_size().unwrap_err();
            assert_eq!((error.what, error.got), (what, error.limit + 1));
        }
    }
}
