//! Gives the log a new key: it goes on as a new epoch that hands over all of the old one.

use gov_core::{AuditEventKind, Clock, RecordId, Timestamp};
use gov_store::crash;
use serde_json::json;

#[cfg(feature = "sqlite")]
use super::{LogConfig, open::Missing};
use super::{
    LogPlaces, OpenError, Place,
    open::{Agreed, Opened, blocking, copy},
    succession::{Step, Succession},
};
use crate::{
    epoch::{self, Handover},
    store::Head,
};

/// Under which epoch the log goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rotated {
    /// The epoch that begins, with its own key.
    pub epoch: u64,
    /// The end of the one before: nothing is signed with the old key beyond it.
    pub ended: Place,
    /// The record that says so.
    pub record: RecordId,
}

/// Ends the epoch of a log at rest and begins the next one, with a key of its own.
///
/// The new epoch's first entry holds the final checkpoint of the old one; its first checkpoint
/// carries the signatures of both keys. `reason` lies in that entry's payload. The old private key
/// is not needed any more afterwards, its public half is.
///
/// The caller holds the lock of the data directory; afterwards [`SignedLog::open`] opens the log.
/// If it is interrupted the log is in the old epoch or in the new one, and opens either way.
///
/// [`SignedLog::open`]: super::SignedLog::open
///
/// # Errors
///
/// [`OpenError::NoLog`] if there is no log yet; otherwise as from opening. Nothing changed, except
/// that the new epoch's key may have been made, and the outside copy brought up to date.
#[cfg(feature = "sqlite")]
pub async fn rotate_key(
    config: LogConfig,
    clock: &dyn Clock,
    reason: &str,
) -> Result<Rotated, OpenError> {
    let opened = Opened::sqlite(&config, clock, Missing::IsNoLog).await?;
    rotate(opened, &config.places(), clock, reason).await
}

/// Like [`rotate_key`], on PostgreSQL, where the other nodes may run on.
///
/// They append nothing any more once the epoch has ended, say so in their health, and open the new
/// epoch once they have its key: copy it from this node, then restart them.
///
/// # Errors
///
/// As from [`rotate_key`]; [`OpenError::Moved`] if another node appended meanwhile: run it again.
#[cfg(feature = "postgres")]
pub async fn rotate_key_postgres(
    pool: sqlx::PgPool,
    places: LogPlaces,
    clock: &dyn Clock,
    reason: &str,
) -> Result<Rotated, OpenError> {
    let opened = Opened::postgres(pool, &places, clock).await?;
    rotate(opened, &places, clock, reason).await
}

async fn rotate(
    opened: Opened,
    places: &LogPlaces,
    clock: &dyn Clock,
    reason: &str,
) -> Result<Rotated, OpenError> {
    if opened.head.is_none() && opened.found.last.is_none() {
        return Err(OpenError::NoLog);
    }
    let Agreed { backend, outside, head, .. } = opened.agreed(places, clock).await?;
    let (places, now, said) = (places.clone(), clock.now(), reason.to_owned());
    let (head, rotated, succession) = blocking(move || {
        let (rotated, succession) = plan(&places, &head, now, &said)?;
        Ok((head, rotated, succession))
    })
    .await?;
    crash::point("log-rotate-after-key");
    // Outside first: should the new epoch be lost, nobody can take the old one for a longer one.
    let outside = copy(outside, clock, head.note.clone().unwrap_or_default()).await?;
    crash::point("log-rotate-after-final-copy");
    let note = succession.head.note.clone().unwrap_or_default();
    backend.succeed(Some(&head), succession).await?;
    crash::point("log-rotate-after-commit");
    copy(outside, clock, note).await?;
    crash::point("log-rotate-after-first-copy");
    backend.close().await;
    Ok(rotated)
}

fn plan(
    places: &LogPlaces,
    head: &Head,
    now: Timestamp,
    reason: &str,
) -> Result<(Rotated, Succession), OpenError> {
    let note = head.note.clone().unwrap_or_default();
    let origin = note.split('\n').next().unwrap_or_default();
    let step = Step::after(head.epoch, epoch::domain(origin).unwrap_or_default(), places)?;
    let ended = Place { epoch: head.epoch, size: head.size };
    let said = json!({"ended": {"epoch": ended.epoch, "size": ended.size}, "reason": reason});
    let handover = Handover::new(note, head.size, &head.root);
    let succession = step.take(AuditEventKind::AdminKeyRotated, &handover, &said, now)?;
    Ok((Rotated { epoch: step.begins(), ended, record: succession.record }, succession))
}
