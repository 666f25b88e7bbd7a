//! A person answers.

use gov_core::{ActionDigest, AuditEventKind, Timestamp};
use serde_json::json;

use super::{Refusal, Step, answer, closed, entry, right};
use crate::{
    approval::{Approval, Decider, HistoryEntry, HumanAnswer, Status, Verdict, Vote},
    roster::Roster,
};

/// What the person says.
pub(super) struct Answer<'a> {
    pub(super) verdict: Verdict,
    /// The digest that they saw.
    pub(super) digest: &'a ActionDigest,
    pub(super) comment: Option<&'a str>,
}

/// One no is enough; a yes is, once a rung that was asked has all that it needs.
pub(super) fn decide(
    approval: &Approval,
    said: &Answer<'_>,
    decider: Decider,
    roster: &Roster,
    now: Timestamp,
) -> Result<Step, Refusal> {
    let person = decider.person_id;
    let right = right(approval, roster, person, now);
    if let Err(refusal @ (Refusal::Unknown | Refusal::OwnsAgent | Refusal::NotAsked)) = right {
        return Err(refusal);
    }
    // The time-out may have passed, and only its timer be late: then silence has won already.
    let status = approval.status_at(now);
    if !status.awaits_answer() {
        return Err(Refusal::Status(status));
    }
    if approval.request.digest != *said.digest {
        return Err(Refusal::OtherDigest);
    }
    let right = right?;
    let vote = Vote {
        person,
        seat: right.seat,
        verdict: said.verdict,
        roles: right.roles.to_vec(),
        rung: approval.rung,
        at: now,
        comment: said.comment.map(str::to_owned),
    };
    let mut after = approval.clone();
    after.votes.push(vote.clone());
    if said.verdict == Verdict::Reject {
        let history = voted(&after, &vote, AuditEventKind::ApprovalRejected);
        return Ok(closed(answered(&after, &vote, Status::Rejected, now), history));
    }
    if after.chain().satisfied_by(after.rung, &after.votes).is_some() {
        return Ok(settle(&after, &vote, now));
    }
    after.generation = after.generation.saturating_add(1);
    let history = voted(&after, &vote, AuditEventKind::ApprovalVoted);
    Ok(closed(after, history))
}

/// What becomes of an approval whose votes, of which `last` is the last, are enough.
pub(super) fn settle(approval: &Approval, last: &Vote, now: Timestamp) -> Step {
    let history =
        HistoryEntry { at: now, ..voted(approval, last, AuditEventKind::ApprovalApproved) };
    closed(answered(approval, last, Status::Approved, now), history)
}

fn answered(approval: &Approval, vote: &Vote, status: Status, now: Timestamp) -> Approval {
    let (actor, comment) = (vote.person.to_string(), vote.comment.clone());
    answer(approval, status, HumanAnswer { actor, at: now, comment }, now)
}

/// The history names both: who has answered, and in whose right.
fn voted(approval: &Approval, vote: &Vote, kind: AuditEventKind) -> HistoryEntry {
    let actor = vote.person.to_string();
    HistoryEntry {
        content: json!({
            "approval_id": approval.id, "actor": actor, "seat": vote.seat,
            "comment": vote.comment, "rung": approval.rung, "votes": approval.votes.len(),
        }),
        ..entry(vote.at, kind, &actor, approval.id)
    }
}
