//! The clocks of what waits for people, which stand still while everything is halted.

use std::sync::Arc;

use gov_escalation::store::{
    HaltClock, StoreError, postgres::PgApprovalStore, sqlite::SqliteApprovalStore,
};

use crate::{identity::Halt, storage::Kind};

/// The clocks in this database.
#[must_use]
pub fn of(kind: &Kind) -> Arc<dyn HaltClock> {
    match kind {
        Kind::Embedded { database } => {
            Arc::new(SqliteApprovalStore::new(database.writer.clone(), database.readers.clone()))
        }
        Kind::Shared { pool, .. } => Arc::new(PgApprovalStore::new(pool.clone())),
    }
}

/// Makes the clocks follow a halt that the history knows, or its end; true if they run again now.
///
/// Whoever hears of it may say it, as often as they like: it counts once. A halt that nobody has
/// said while it lasted gives its time back, too.
///
/// # Errors
///
/// The store of the approvals: say it again.
pub async fn follow(clocks: &dyn HaltClock, halt: &Halt) -> Result<bool, StoreError> {
    clocks.halt(halt.halted_at).await?;
    catch_up(clocks, halt).await
}

/// The same for a halt from before this process began: if it has ended and the clocks never stood
/// still for it, it may be older than they are, and gives nothing back.
///
/// # Errors
///
/// As from [`follow`].
pub async fn catch_up(clocks: &dyn HaltClock, halt: &Halt) -> Result<bool, StoreError> {
    match halt.resumed_at {
        None => clocks.halt(halt.halted_at).await.map(|_| false),
        Some(at) => Ok(clocks.resume(halt.halted_at, at).await?.is_some()),
    }
}
