//! A person changes what is asked for, and says yes to that.

use std::sync::Arc;

use gov_core::{ActionDigest, ApprovalId, AuditEventKind, Timestamp};
use serde_json::json;

use super::{Refusal, Step, closed, decide, ended, entry, open, right};
use crate::{
    approval::{Approval, ApprovalRequest, Decider, HistoryEntry, Status, Verdict},
    roster::Roster,
};

/// What a person makes of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct Edit {
    /// The digest of the request that they saw.
    pub digest: ActionDigest,
    /// What is asked for instead; the policy has been asked about it.
    pub request: ApprovalRequest,
    /// The person.
    pub decider: Decider,
    /// Everyone as of now: whether this person may answer is judged by it.
    pub roster: Arc<Roster>,
    /// In their own words.
    pub comment: Option<String>,
}

/// What an edit does: written whole, in this order, or not at all.
#[derive(Clone, Debug, PartialEq)]
pub struct Exchange {
    /// The end of the request as it was.
    pub closed: Step,
    /// The request that stands for it.
    pub opened: Step,
    /// The editor's yes to that one.
    pub voted: Step,
}

/// What `edit` makes of the approval, whose place `id` takes.
///
/// The person must be one whose yes would count about both.
///
/// # Errors
///
/// As from [`apply`](super::apply) of a decision, about either; [`Refusal::NotCovered`] about a
/// grant, and [`Refusal::SameAction`] where nothing is changed.
pub fn edit(
    approval: &Approval,
    edit: &Edit,
    id: ApprovalId,
    now: Timestamp,
) -> Result<Exchange, Refusal> {
    fn said<'a>(edit: &'a Edit, digest: &'a ActionDigest) -> decide::Answer<'a> {
        decide::Answer { verdict: Verdict::Approve, digest, comment: edit.comment.as_deref() }
    }
    let roster = edit.roster.as_ref();
    // Judged as a yes to it would be, which is not cast.
    decide::decide(approval, &said(edit, &edit.digest), edit.decider, roster, now)?;
    if approval.request.grant.is_some() || edit.request.grant.is_some() {
        return Err(Refusal::NotCovered);
    }
    if edit.request.digest == approval.request.digest {
        return Err(Refusal::SameAction);
    }
    let request = ApprovalRequest { edited_from: Some(approval.id), ..edit.request.clone() };
    let mut opened = open(id, request, Some(roster), approval.clock, now);
    let asked = &opened.approval;
    let voted =
        decide::decide(asked, &said(edit, &asked.request.digest), edit.decider, roster, now)
            .map_err(|it| if it == Refusal::NotAsked { Refusal::OthersAsked } else { it })?;
    if !voted.approval.status.awaits_answer() {
        // Nobody else is needed, so nobody is told.
        opened.outbox.clear();
    }
    Ok(Exchange { closed: replaced(approval, edit, id, now)?, opened, voted })
}

fn replaced(
    approval: &Approval,
    edit: &Edit,
    by: ApprovalId,
    now: Timestamp,
) -> Result<Step, Refusal> {
    let actor = edit.decider.person_id;
    let seat = right(approval, &edit.roster, actor, now)?.seat;
    let actor = actor.to_string();
    let history = HistoryEntry {
        policy_version: Some(edit.request.policy_version),
        content: json!({
            "approval_id": approval.id, "actor": actor, "seat": seat, "comment": edit.comment,
            "edited_into": by, "digest": edit.request.digest,
        }),
        ..entry(now, AuditEventKind::ApprovalEdited, &actor, approval.id)
    };
    let after = Approval { edited_into: Some(by), ..ended(approval, Status::Cancelled) };
    Ok(closed(after, history))
}
