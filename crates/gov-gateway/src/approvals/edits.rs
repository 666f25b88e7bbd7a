//! Requests that people edit.

use gov_core::{ActionDigest, ApprovalId};
use gov_escalation::approval::{ApprovalRequest, Decider};

use super::{Desk, DeskError, Kept};

impl Desk {
    /// Puts `request` in the place of an approval, with the person's yes; gives the one in its
    /// place.
    ///
    /// # Errors
    ///
    /// [`DeskError::Decide`]: it does not count, and nothing is changed. [`DeskError::NotLogged`]: it
    /// counts, and the log has not got it.
    pub async fn edit(
        &self,
        id: ApprovalId,
        digest: ActionDigest,
        request: ApprovalRequest,
        decider: Decider,
        comment: Option<String>,
    ) -> Result<Kept, DeskError> {
        let edited = self.approvals.edit(id, digest, request, decider, comment).await;
        self.log.nudge();
        let edited = edited?;
        let recorded = self.recorded(edited.position).await?;
        Ok(Kept { approval: edited.approval, recorded })
    }
}
