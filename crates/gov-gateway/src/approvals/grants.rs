//! Drawing on grants, and finding what was drawn.

use gov_core::{ActionDigest, AgentId, ApprovalId, AuditEventKind};
use gov_escalation::{
    approval::{Approval, Status},
    store::Applied,
    transition::{Draw, Refusal},
};

use super::{Desk, DeskError};
use crate::check::Recorded;

/// The kind of a grant's action, and the word in the rule of its request.
pub const GRANT: &str = "grant";

/// How many grants of an agent a check looks at.
const LOOKED_AT: u32 = 32;

/// A call that a grant was drawn on for.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    /// The grant as it is by now.
    pub approval: Approval,
    /// Which of its calls, from 1.
    pub call: u32,
    /// The policy version that was asked.
    pub policy_version: u64,
    /// The record of the call.
    pub recorded: Recorded,
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq)]
pub enum Drawing {
    /// It is released: now, or under the same key before.
    Released(Box<Drawn>),
    /// The grant does not release it.
    Refused(Refusal),
}

impl Desk {
    /// The grants of an agent that a check looks at, by id.
    ///
    /// # Errors
    ///
    /// [`DeskError::Store`].
    pub async fn grants_of(&self, agent: &AgentId) -> Result<Vec<Approval>, DeskError> {
        Ok(self.approvals.grants_of(agent, LOOKED_AT).await?)
    }

    /// Draws one call on a grant, which the policy has let through. A repeat of its key gets what it
    /// got before.
    ///
    /// # Errors
    ///
    /// [`DeskError`]: it may be drawn, and the call must not happen; only a repeat of the key tells.
    pub async fn draw(&self, id: ApprovalId, draw: Draw) -> Result<Drawing, DeskError> {
        let (digest, version) = (draw.digest, draw.policy_version);
        let key = draw.idempotency_key.clone();
        let applied = self.approvals.draw(id, draw).await;
        self.log.nudge();
        match applied? {
            Applied::Done { approval, position } => {
                let terms = approval.request.grant.as_ref();
                let call = terms.zip(approval.calls_left);
                let call = call.map_or(0, |(it, left)| it.calls.saturating_sub(left));
                let recorded = self.recorded(position).await?;
                let approval = *approval;
                let drawn = Drawn { approval, call, policy_version: version, recorded };
                Ok(Drawing::Released(Box::new(drawn)))
            }
            Applied::Refused { refusal: Refusal::Replayed, .. } => {
                let before = match key {
                    Some(key) => self.drawn_under(&key, &digest).await?,
                    None => None,
                };
                Ok(before.map_or(Drawing::Refused(Refusal::Replayed), Drawing::Released))
            }
            Applied::Refused { refusal, .. } => Ok(Drawing::Refused(refusal)),
        }
    }

    /// The call with this digest that was drawn under `key`; `None` also where its grant was
    /// revoked since: then nothing that it let happen happens again.
    ///
    /// # Errors
    ///
    /// [`DeskError::Store`]. [`DeskError::NotLogged`] while the log has not got it.
    pub async fn drawn_under(
        &self,
        key: &str,
        digest: &ActionDigest,
    ) -> Result<Option<Box<Drawn>>, DeskError> {
        let Some(used) = self.approvals.drawn_under(digest, key).await? else { return Ok(None) };
        let approval = self.approvals.get(used.approval_id).await?;
        if approval.status == Status::Cancelled {
            return Ok(None);
        }
        // Each call wrote one such row, in order.
        let rows = self.history.of_approval(approval.id).await?;
        let mut calls = rows.iter().filter(|it| it.kind == AuditEventKind::ApprovalConsumed);
        let before = usize::try_from(used.number.saturating_sub(1)).unwrap_or(usize::MAX);
        let row = calls.nth(before).ok_or(DeskError::NoHistory(approval.id))?;
        let recorded = self.recorded(row.position).await?;
        let (call, policy_version) = (used.number, used.policy_version);
        Ok(Some(Box::new(Drawn { approval, call, policy_version, recorded })))
    }

    /// The approval of this action that is not over, if there is one.
    ///
    /// # Errors
    ///
    /// [`DeskError::Store`].
    pub async fn find_open(&self, digest: &ActionDigest) -> Result<Option<Approval>, DeskError> {
        Ok(self.approvals.find_open(digest).await?)
    }
}
