//! An edit in the form in which it is stored.

use super::{SealedStep, unavailable};
use crate::{approval::Approval, store::StoreError, transition::Exchange};

/// The steps of an edit, in the order in which they are written.
#[derive(Debug)]
pub(in crate::store) struct SealedExchange {
    pub(in crate::store) closed: SealedStep,
    pub(in crate::store) opened: SealedStep,
    pub(in crate::store) voted: SealedStep,
}

impl SealedExchange {
    /// The edit of `before`.
    ///
    /// # Errors
    ///
    /// [`StoreError::Unavailable`] without randomness: nothing may be written.
    pub(in crate::store) fn of(it: Exchange, before: &Approval) -> Result<Self, StoreError> {
        let asked = it.opened.approval.clone();
        Ok(Self {
            closed: SealedStep::of(it.closed, Some(before)).map_err(unavailable)?,
            opened: SealedStep::of(it.opened, None).map_err(unavailable)?,
            voted: SealedStep::of(it.voted, Some(&asked)).map_err(unavailable)?,
        })
    }
}
