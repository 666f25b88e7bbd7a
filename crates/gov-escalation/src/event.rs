//! What a program is told when the next people are asked.

use gov_core::{ApprovalId, TeamId};

use crate::{
    approval::{Approval, Status},
    chain::Rung,
};

/// One rung was reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EscalationEvent {
    /// The approval that waits.
    pub request_id: ApprovalId,
    /// The team of its agent.
    pub team_id: Option<TeamId>,
    /// Who is asked now, in words: `ops, security` or `any approver`.
    pub escalation_approvers: String,
    /// The rung, from 0.
    pub rung: u32,
    /// Names the event, whoever tells of it: `<approval_id>/<generation>`.
    pub key: String,
}

impl EscalationEvent {
    /// What the clock has made of an approval; `None` if nobody else is asked.
    pub(crate) fn of(after: &Approval) -> Option<Self> {
        let request = &after.request;
        let rung = (after.status == Status::Pending).then(|| request.chain.rung(after.rung))??;
        Some(Self {
            request_id: after.id,
            team_id: request.team_id.clone(),
            escalation_approvers: Rung::audience(rung),
            rung: after.rung,
            key: format!("{}/{}", after.id, after.generation),
        })
    }
}
