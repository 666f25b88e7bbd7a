//! Accepts that records are lost: the log goes on as a new epoch whose first entry says so.

use gov_core::{AuditEventKind, Clock, RecordId, Timestamp};
use serde_json::json;

#[cfg(feature = "sqlite")]
use super::{LogConfig, open::Missing};
use super::{
    LogPlaces, OpenError, Place,
    agreement::agrees,
    open::{Opened, copy},
    succession::{Step, Succession},
};
use crate::{
    epoch::{self, Handover},
    outside_copy::Copied,
    store::Head,
    tlog::empty_root,
};

/// What was accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The epoch that begins.
    pub epoch: u64,
    /// What the outside copy knew of the one before.
    pub known: Place,
    /// What is left of it.
    pub survived: Place,
    /// The record that says so.
    pub record: RecordId,
}

/// Opens a new epoch after a rollback. Its first entry holds the last checkpoint known from
/// outside, and size and root of what is left; its first checkpoint carries the signatures of the
/// old key and the new. `reason` lies in that entry's payload.
///
/// The caller holds the lock of the data directory; afterwards [`SignedLog::open`] opens the log.
///
/// [`SignedLog::open`]: super::SignedLog::open
///
/// # Errors
///
/// [`OpenError::NoRollback`] if there is nothing to accept; otherwise as from opening. Nothing
/// changed, except that the new epoch's key may have been made.
#[cfg(feature = "sqlite")]
pub async fn accept_rollback(
    config: LogConfig,
    clock: &dyn Clock,
    reason: &str,
) -> Result<Accepted, OpenError> {
    let opened = Opened::sqlite(&config, clock, Missing::IsLost).await?;
    accept(opened, &config.places(), clock, reason).await
}

/// Like [`accept_rollback`], on PostgreSQL, for a deployment whose database was put back.
///
/// It compares with this node's outside copy; run it on the node whose copy knows the most. The
/// other nodes append nothing any more, and open the new epoch once they have its key.
///
/// # Errors
///
/// As from [`accept_rollback`]; [`OpenError::Moved`] if another node appended meanwhile: run it
/// again.
#[cfg(feature = "postgres")]
pub async fn accept_rollback_postgres(
    pool: sqlx::PgPool,
    places: LogPlaces,
    clock: &dyn Clock,
    reason: &str,
) -> Result<Accepted, OpenError> {
    let opened = Opened::postgres(pool, &places, clock).await?;
    accept(opened, &places, clock, reason).await
}

async fn accept(
    opened: Opened,
    places: &LogPlaces,
    clock: &dyn Clock,
    reason: &str,
) -> Result<Accepted, OpenError> {
    let Opened { backend, outside, found, head } = opened;
    let Some(last) = found.last else { return Err(OpenError::NoRollback) };
    if let Some(head) = head.clone() {
        let last = last.clone();
        // What cannot be read does not agree either.
        let compared =
            backend.read(move |it| Ok(agrees(it, &head, &last).unwrap_or(false))).await?;
        if compared {
            return Err(OpenError::NoRollback);
        }
    }
    let (accepted, succession) = plan(places, head.as_ref(), &last, clock.now(), reason)?;
    let note = succession.head.note.clone().unwrap_or_default();
    backend.succeed(head.as_ref(), succession).await?;
    gov_store::crash::point("log-after-accept-rollback");
    copy(outside, clock, note).await?;
    backend.close().await;
    Ok(accepted)
}

fn plan(
    places: &LogPlaces,
    head: Option<&Head>,
    last: &Copied,
    now: Timestamp,
    reason: &str,
) -> Result<(Accepted, Succession), OpenError> {
    let known = Place {
        epoch: epoch::of(&last.checkpoint.origin).unwrap_or(0),
        size: last.checkpoint.size,
    };
    let domain = epoch::domain(&last.checkpoint.origin).unwrap_or_default();
    // The epoch that ends is the latest that either side knows.
    let survivor = head.filter(|head| head.epoch >= known.epoch);
    let ending = survivor.map_or(known.epoch, |head| head.epoch);
    let step = Step::after(ending, domain, places)?;
    let (size, root) = survivor.map_or((0, empty_root()), |head| (head.size, head.root));
    let said = json!({
        "known": {"epoch": known.epoch, "size": known.size, "at": last.at},
        "reason": reason,
        "survived": {"epoch": ending, "size": size},
    });
    let handover = Handover::new(last.note.clone(), size, &root);
    let succession = step.take(AuditEventKind::AdminRollbackAccepted, &handover, &said, now)?;
    let lost_head = survivor.is_none().then(|| step.lost_head());
    let survived = Place { epoch: ending, size };
    let accepted = Accepted { epoch: step.begins(), known, survived, record: succession.record };
    Ok((accepted, Succession { lost_head, ..succession }))
}
