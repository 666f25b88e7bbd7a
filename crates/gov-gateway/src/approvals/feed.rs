//! The history of approvals as the signed log follows it.

use std::sync::Arc;

use async_trait::async_trait;
use gov_core::{ActionDigest, AuditEventKind};
use gov_deferred_audit::{Feed, FeedError, FeedRow, Verdict};
use gov_escalation::{approval::HistoryRow, store::History};
use serde_json::Value;

use super::GRANT;

/// The component's name in record ids, for ever the same.
pub(super) const COMPONENT: &str = "escalation";

/// Reads the history of approvals.
#[derive(Debug)]
pub struct ApprovalFeed(Arc<dyn History>);

impl ApprovalFeed {
    /// Follows this history.
    #[must_use]
    pub fn new(history: Arc<dyn History>) -> Self {
        Self(history)
    }
}

#[async_trait]
impl Feed for ApprovalFeed {
    fn component(&self) -> &'static str {
        COMPONENT
    }

    async fn cursor(&self) -> Result<u64, FeedError> {
        self.0.cursor().await.map_err(failed)
    }

    async fn rows_after(&self, cursor: u64, limit: u32) -> Result<Vec<FeedRow>, FeedError> {
        let rows = self.0.rows_after(cursor, limit).await.map_err(failed)?;
        Ok(rows.into_iter().map(feed_row).collect())
    }

    async fn set_cursor(&self, cursor: u64) -> Result<(), FeedError> {
        self.0.set_cursor(cursor).await.map_err(failed)
    }
}

/// What names a row for ever.
pub(super) fn history_key(position: u64) -> String {
    position.to_string()
}

fn feed_row(row: HistoryRow) -> FeedRow {
    let drawn = (row.action_kind == GRANT && row.kind == AuditEventKind::ApprovalConsumed)
        .then(|| DrawnAction::of(&row))
        .flatten();
    if row.agent_id.is_none() {
        let (id, kind) = (row.approval_id, row.kind.as_str());
        tracing::warn!(%id, kind, "nobody can read whose approval this is; its record names no agent");
    }
    // A row that is a decision has a digest, or could not be read.
    let digest = drawn.as_ref().map_or(row.digest, |it| Some(it.digest));
    let verdict = decision(&row.kind).zip(digest).map(|(decision, digest)| Verdict {
        action_kind: drawn.map_or(row.action_kind, |it| it.action_kind),
        digest,
        decision: decision.to_owned(),
        rule_id: row.rule_id,
        reason: Some(row.reason).filter(|it| !it.is_empty()),
    });
    FeedRow {
        position: row.position,
        history_key: history_key(row.position),
        at: row.at,
        verdict,
        kind: row.kind,
        agent_id: row.agent_id,
        session_id: row.session_id,
        policy_version: row.policy_version,
        payload: row.payload,
    }
}

/// The action that a grant was drawn on for: the approval itself is about none.
struct DrawnAction {
    action_kind: String,
    digest: ActionDigest,
}

impl DrawnAction {
    fn of(row: &HistoryRow) -> Option<Self> {
        let said: Value = serde_json::from_slice(row.payload.as_bytes()).ok()?;
        let action_kind = said.pointer("/action/action/kind")?.as_str()?.to_owned();
        Some(Self { action_kind, digest: said.get("digest")?.as_str()?.parse().ok()? })
    }
}

/// What was decided about the action, where the change is such a decision: what people and clocks
/// do is about the approval.
fn decision(kind: &AuditEventKind) -> Option<&'static str> {
    match kind {
        AuditEventKind::ApprovalRequested => Some("require_approval"),
        AuditEventKind::ApprovalConsumed => Some("allow"),
        _ => None,
    }
}

fn failed(source: impl std::error::Error + Send + Sync + 'static) -> FeedError {
    FeedError { component: COMPONENT, source: Box::new(source) }
}

#[cfg(test)]
mod tests {
    use gov_core::{Clock as _, Timestamp, clock::ManualClock};
    use gov_escalation::{
        Roster,
        approval::ApprovalRequest,
        chain::Chain,
        store::{ApprovalStore as _, memory::MemoryApprovalStore},
        transition::Change,
    };
    use serde_json::json;

    use super::*;

    fn request(now: Timestamp) -> ApprovalRequest {
        ApprovalRequest {
            digest: ActionDigest::from_bytes([7; 32]),
            agent_id: "coder".parse().unwrap(),
            session_id: Some("s".parse().unwrap()),
            team_id: None,
            action_kind: "bash".to_owned(),
            content: json!({"at": now}),
            rule_id: "r".parse().unwrap(),
            reason: "why".to_owned(),
            risk: None,
            policy_version: 3,
            chain: Chain::standard(),
            grant: None,
            edited_from: None,
        }
    }

    #[tokio::test]
    async fn every_change_is_fed_once_and_only_decisions_about_the_action_carry_a_verdict() {
        let (store, now) = (Arc::new(MemoryApprovalStore::default()), ManualClock::default().now());
        let digest = request(now).digest;
        let id = store.submit(request(now), now).await.unwrap().approval.id;
        let person_id = gov_core::PersonId::at(now);
        let roster = Roster { members: [(person_id, Vec::new())].into(), ..Roster::default() };
        let decide = Change::Decide {
            verdict: gov_escalation::approval::Verdict::Approve,
            digest,
            decider: gov_escalation::approval::Decider { person_id },
            roster: Arc::new(roster),
            comment: None,
        };
        let consume = Change::Consume { digest, policy_version: 4, idempotency_key: None };
        for change in [decide, consume] {
            store.apply(id, change, now).await.unwrap();
        }
        let feed = ApprovalFeed::new(Arc::clone(&store) as _);
        let rows = feed.rows_after(0, 9).await.unwrap();
        let told: Vec<_> = rows
            .iter()
            .map(|it| (it.kind.as_str(), it.verdict.as_ref().map(|it| &*it.decision)))
            .collect();
        assert_eq!(
            told,
            [
                ("approval.requested", Some("require_approval")),
                ("approval.routed", None),
                ("approval.approved", None),
                ("approval.consumed", Some("allow")),
            ]
        );
        assert_eq!(rows.iter().map(|it| it.position).collect::<Vec<_>>(), [1, 2, 3, 4]);
        assert_eq!((rows[0].policy_version, rows[3].policy_version), (Some(3), Some(4)));
        let verdict = rows[3].verdict.as_ref().unwrap();
        assert_eq!((verdict.digest, verdict.reason.as_deref()), (digest, Some("why")));
        assert_eq!(feed.cursor().await.unwrap(), 0);
        feed.set_cursor(2).await.unwrap();
        assert_eq!(store.cursor().await.unwrap(), 2);
    }
}
