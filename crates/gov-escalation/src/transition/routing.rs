//! The way from rung to rung: who is asked, and who is passed over.

use gov_core::{AuditEventKind, Timestamp};
use serde_json::json;

use super::{SYSTEM_CHAIN, entry};
use crate::{
    approval::{Approval, HistoryEntry},
    chain::{Late, Rung},
    roster::Roster,
};

/// Where a request has come to.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) rung: u32,
    pub(super) at: Timestamp,
    /// The rungs without anybody, which say that they may be skipped.
    pub(super) skipped: Vec<u32>,
    /// The rungs whose time was over before the clock was looked at.
    pub(super) passed: Vec<u32>,
}

/// Where the request comes to that reaches rung `first` at `at`, when the clock shows `now`.
///
/// An empty rung is left at once if it says so, and one whose time is over is passed over unless it
/// says otherwise. The last rung is always asked. Without a roster no rung counts as empty.
pub(super) fn arrive(
    approval: &Approval,
    people: Option<&Roster>,
    first: u32,
    at: Timestamp,
    now: Timestamp,
) -> Arrival {
    let (chain, agent) = (approval.chain(), &approval.request.agent_id);
    let is_empty =
        |rung: &Rung| people.is_some_and(|it| it.candidates(rung, Some(agent)).next().is_none());
    let mut it = Arrival { rung: first, at, skipped: Vec::new(), passed: Vec::new() };
    while let (Some(rung), Some(next)) =
        (chain.rung(it.rung), chain.rung(it.rung.saturating_add(1)))
    {
        let over = it.at + next.after.0;
        if rung.allow_skip_when_empty && is_empty(rung) {
            it.skipped.push(it.rung);
        } else if rung.late == Late::SkipToCurrent && over <= now {
            it.passed.push(it.rung);
            it.at = over;
        } else {
            break;
        }
        it.rung = it.rung.saturating_add(1);
    }
    it
}

impl Arrival {
    /// Moves the approval there, its clock set from the moment of arrival.
    pub(super) fn move_there(&self, approval: Approval) -> Approval {
        let times_out = approval.expires_at.unwrap_or(Timestamp::MAX);
        let due_at = Some(approval.chain().next_deadline(self.rung, self.at, times_out));
        Approval { rung: self.rung, arrived_at: self.at, due_at, ..approval }
    }

    /// One entry for each rung that was skipped.
    pub(super) fn skips(&self, approval: &Approval, now: Timestamp) -> Vec<HistoryEntry> {
        let entry = |rung: &u32| {
            let audience = approval.chain().rung(*rung).map(Rung::audience);
            HistoryEntry {
                from_role: audience.clone(),
                content: json!({"approval_id": approval.id, "rung": rung, "empty": audience}),
                ..entry(now, AuditEventKind::ApprovalSkipped, SYSTEM_CHAIN, approval.id)
            }
        };
        self.skipped.iter().map(entry).collect()
    }

    /// The entry that says who is asked first.
    pub(super) fn routed(&self, approval: &Approval, now: Timestamp) -> HistoryEntry {
        let audience = approval.chain().rung(self.rung).map(Rung::audience).unwrap_or_default();
        HistoryEntry {
            to_role: Some(audience.clone()),
            content: json!({"approval_id": approval.id, "rung": self.rung, "to": audience}),
            ..entry(now, AuditEventKind::ApprovalRouted, SYSTEM_CHAIN, approval.id)
        }
    }
}
