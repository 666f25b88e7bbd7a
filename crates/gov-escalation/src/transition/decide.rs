//! A person answers.

use gov_core::{ActionDigest, AuditEventKind, Timestamp};
use serde_json::json;

use super::{Refusal, Step, answer, closed, entry};
use crate::approval::{Approval, Decider, HistoryEntry, HumanAnswer, Status, Verdict};

pub(super) fn decide(
    approval: &Approval,
    verdict: Verdict,
    digest: &ActionDigest,
    decider: Decider,
    comment: Option<&str>,
    now: Timestamp,
) -> Result<Step, Refusal> {
    // The time-out may have passed, and only its timer be late: then silence has won already.
    let status = approval.status_at(now);
    if !status.awaits_answer() {
        return Err(Refusal::Status(status));
    }
    if approval.request.digest != *digest {
        return Err(Refusal::OtherDigest);
    }
    let actor = decider.person_id.to_string();
    let (status, kind) = match verdict {
        Verdict::Approve => (Status::Approved, AuditEventKind::ApprovalApproved),
        Verdict::Reject => (Status::Rejected, AuditEventKind::ApprovalRejected),
    };
    let answered =
        HumanAnswer { actor: actor.clone(), at: now, comment: comment.map(str::to_owned) };
    let history = HistoryEntry {
        content: json!({
            "approval_id": approval.id, "actor": actor, "comment": comment, "rung": approval.rung,
        }),
        ..entry(now, kind, &actor, approval.id)
    };
    Ok(closed(answer(approval, status, answered, now), history))
}
