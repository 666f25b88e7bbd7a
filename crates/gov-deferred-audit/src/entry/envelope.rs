//! Writes an entry. Its keys are constant and stand in JCS order, so writing them in this order, with
//! texts escaped as RFC 8785 §3.2.2.2 does it, is writing JCS.

use gov_core::{
    ActionDigest, AgentId, AuditEventKind, RecordId, RuleId, SessionId, Timestamp,
    canonical::CanonicalError, hex,
};

use super::FORMAT_VERSION;

/// What most entries fit into, so that their bytes are not moved while they grow.
const USUAL_BYTES: usize = 768;

/// An entry's fields, in the order of its bytes; the version follows.
pub(super) struct Envelope<'a> {
    pub(super) action_kind: Option<&'a str>,
    pub(super) agent: Option<&'a AgentId>,
    pub(super) decision: Option<&'a str>,
    pub(super) digest: Option<ActionDigest>,
    pub(super) id: RecordId,
    pub(super) kind: &'a AuditEventKind,
    pub(super) origin: &'a str,
    pub(super) payload_commit: [u8; 32],
    pub(super) policy_version: Option<u64>,
    pub(super) reason: Option<&'a str>,
    pub(super) rule_id: Option<&'a RuleId>,
    pub(super) seq: u64,
    pub(super) session: Option<&'a SessionId>,
    pub(super) ts: Timestamp,
}

impl Envelope<'_> {
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>, CanonicalError> {
        let mut json = Json(Vec::with_capacity(USUAL_BYTES));
        json.text("{\"action_kind\":", self.action_kind)?;
        json.text(",\"agent\":", self.agent.map(AgentId::as_str))?;
        json.text(",\"decision\":", self.decision)?;
        json.hex(",\"digest\":", self.digest.as_ref().map(ActionDigest::as_bytes));
        json.plain(",\"id\":", &self.id.to_string());
        json.text(",\"kind\":", Some(self.kind.as_str()))?;
        json.text(",\"origin\":", Some(self.origin))?;
        json.hex(",\"payload_commit\":", Some(&self.payload_commit));
        json.number(",\"policy_version\":", self.policy_version);
        json.text(",\"reason\":", self.reason)?;
        json.text(",\"rule_id\":", self.rule_id.map(RuleId::as_str))?;
        json.number(",\"seq\":", Some(self.seq));
        json.text(",\"session\":", self.session.map(SessionId::as_str))?;
        json.plain(",\"ts\":", &self.ts.to_string());
        json.number(",\"v\":", Some(FORMAT_VERSION));
        json.raw("}");
        Ok(json.0)
    }
}

/// JSON as it grows; `key` is everything between two values.
struct Json(Vec<u8>);

impl Json {
    fn raw(&mut self, text: &str) {
        self.0.extend_from_slice(text.as_bytes());
    }

    fn text(&mut self, key: &str, text: Option<&str>) -> Result<(), CanonicalError> {
        self.raw(key);
        // serde_json escapes just what RFC 8785 escapes, and in the same way.
        Ok(serde_json::to_writer(&mut self.0, &text)?)
    }

    /// A text in which nothing can need an escape.
    fn plain(&mut self, key: &str, text: &str) {
        self.raw(key);
        self.raw("\"");
        self.raw(text);
        self.raw("\"");
    }

    fn hex(&mut self, key: &str, bytes: Option<&[u8; 32]>) {
        self.raw(key);
        match bytes {
            None => self.raw("null"),
            Some(bytes) => {
                self.raw("\"");
                hex::push(&mut self.0, bytes);
                self.raw("\"");
            }
        }
    }

    fn number(&mut self, key: &str, number: Option<u64>) {
        self.raw(key);
        match number {
            None => self.raw("null"),
            Some(number) => self.raw(&number.to_string()),
        }
    }
}
