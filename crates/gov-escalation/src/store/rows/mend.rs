//! The clock that an approval should have, worked out before anything is written.

use gov_core::{ApprovalId, Timestamp};

use crate::{
    approval::Approval,
    store::{StoreError, audit::deadline_of},
};

/// The timer that is to be written, if the approval has none or one that does not run.
#[derive(Debug)]
pub(in crate::store) struct Mending {
    pub(in crate::store) id: ApprovalId,
    /// As it was read, or what a lost one is counted from.
    pub(in crate::store) generation: i64,
    /// Whether the row itself is gone.
    pub(in crate::store) is_missing: bool,
    pub(in crate::store) rung: u32,
    /// This and `due_at` as they are stored.
    pub(in crate::store) arrived_at: Timestamp,
    pub(in crate::store) due_at: Option<Timestamp>,
    /// Why the approval is set aside instead.
    pub(in crate::store) unreadable: Option<String>,
}

/// Works out the timer of an approval as it was read; where nobody knows, its rung begins at
/// `begins`, as that is stored.
///
/// # Errors
///
/// Everything but [`StoreError::Corrupt`], which sets the approval aside.
pub(in crate::store) fn mending(
    id: ApprovalId,
    generation: i64,
    is_missing: bool,
    read: Result<Approval, StoreError>,
    begins: Timestamp,
) -> Result<Mending, StoreError> {
    let clock = read.and_then(|it| {
        let due_at = deadline_of(&it)?.map(|at| it.clock.stored(at));
        Ok((it.rung, it.clock.stored(it.arrived_at), due_at))
    });
    let (rung, arrived_at, due_at, unreadable) = match clock {
        Ok((rung, arrived_at, due_at)) => (rung, arrived_at, due_at, None),
        Err(StoreError::Corrupt { column, .. }) => {
            (0, begins, None, Some(format!("invalid `{column}`")))
        }
        Err(other) => return Err(other),
    };
    Ok(Mending { id, generation, is_missing, rung, arrived_at, due_at, unreadable })
}
