//! Approvals that nobody can read, and closing them by hand.

use gov_core::ApprovalId;
use gov_escalation::store::{SetAside, StoreError};
use serde::{Deserialize, Serialize};

use super::{Desk, DeskError};
use crate::check::Recorded;

/// Every approval that is set aside, the oldest first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAsideList {
    /// At most a thousand.
    pub items: Vec<SetAsideView>,
}

/// An approval that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SetAsideView {
    /// Which.
    pub id: ApprovalId,
    /// Which of its columns cannot be read.
    pub reason: String,
}

/// The most that are listed.
const LISTED: u32 = 1000;

impl Desk {
    /// The approvals that are set aside because they cannot be read.
    ///
    /// # Errors
    ///
    /// [`DeskError::Store`].
    pub async fn set_aside(&self) -> Result<SetAsideList, DeskError> {
        let items = self.auditing.set_aside(LISTED).await?;
        Ok(SetAsideList { items: items.into_iter().map(SetAsideView::from).collect() })
    }

    /// Closes an approval that is set aside, so that its action can be asked for again; `None`
    /// where nothing of this id is set aside.
    ///
    /// # Errors
    ///
    /// [`DeskError::Store`]. [`DeskError::NotLogged`]: it is closed, and the log has not got it.
    pub async fn discard(
        &self,
        id: ApprovalId,
        actor: &str,
        reason: &str,
    ) -> Result<Option<Recorded>, DeskError> {
        let discarded = self.auditing.discard(id, actor, reason, self.clock.now()).await;
        self.log.nudge();
        match discarded {
            Ok(position) => self.recorded(position).await.map(Some),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

impl From<SetAside> for SetAsideView {
    fn from(it: SetAside) -> Self {
        Self { id: it.approval_id, reason: it.reason }
    }
}
