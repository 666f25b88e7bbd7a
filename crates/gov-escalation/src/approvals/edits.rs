//! Editing a request and saying yes to what it is then.

use gov_core::{ActionDigest, ApprovalId};

use super::{Approvals, DecideError, Decided, comment, objection};
use crate::{
    approval::{ApprovalRequest, Decider},
    store::Replaced,
    transition::Edit,
};

impl Approvals {
    /// Puts `request` in the place of an approval whose digest the person saw, with their yes.
    ///
    /// It counts if their yes would count about the one and about the other; then the first is
    /// cancelled, and says into what it was edited. The answer is the approval in its place.
    ///
    /// # Errors
    ///
    /// As from [`Approvals::decide`].
    pub async fn edit(
        &self,
        id: ApprovalId,
        digest: ActionDigest,
        request: ApprovalRequest,
        decider: Decider,
        comment: Option<String>,
    ) -> Result<Decided, DecideError> {
        let it = &*self.inner;
        if let Some(problem) = comment.as_deref().and_then(comment::problem) {
            return Err(DecideError::Comment(problem));
        }
        let roster = it.directory.roster();
        let edit = Edit { digest, request, decider, roster, comment };
        match it.store.replace(id, edit, it.clock.now()).await? {
            Replaced::Done { new, position, .. } => {
                it.meters.edited.increment(1);
                it.alarm.answered();
                it.alarm.armed(new.due_at);
                it.alarm.mailed();
                Ok(Decided { approval: *new, position })
            }
            Replaced::Refused { approval, refusal } => {
                match objection::of_refusal(refusal, &approval, decider.person_id) {
                    Some(reason) => Err(DecideError::NotAllowed { reason }),
                    None => Err(DecideError::Refused(refusal)),
                }
            }
        }
    }
}
