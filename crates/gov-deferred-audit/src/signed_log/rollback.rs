//! Accepts that records are lost: the log goes on as a new epoch whose first entry says so.

use gov_core::{AuditEventKind, Clock, Payload, RecordId, Timestamp};
use serde_json::json;

#[cfg(feature = "sqlite")]
use super::LogConfig;
use super::{
    LogPlaces, OpenError, Place,
    agreement::agrees,
    open::{Opened, blocking},
};
use crate::{
    entry::Entry,
    epoch::{self, Handover},
    outside_copy::Copied,
    signer::KeyDir,
    store::Head,
    tlog::{checkpoint::Checkpoint, empty_root, key::PrivateKey, leaf_hash, note::Note},
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
    let opened = Opened::sqlite(&config, clock, true).await?;
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
    let Opened { backend, mut outside, found, head } = opened;
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
    let now = clock.now();
    blocking(move || Ok(outside.append(now, &note)?)).await?;
    backend.close().await;
    Ok(accepted)
}

/// Everything that a new epoch begins with, worked out beforehand.
#[derive(Debug)]
pub(super) struct Succession {
    /// The row of an epoch of which nothing is left, not even its row.
    pub(super) lost_head: Option<Head>,
    pub(super) head: Head,
    /// The first record, which says so.
    pub(super) record: RecordId,
    pub(super) entry: Vec<u8>,
    pub(super) payload: Payload,
}

fn plan(
    places: &LogPlaces,
    head: Option<&Head>,
    last: &Copied,
    now: Timestamp,
    reason: &str,
) -> Result<(Accepted, Succession), OpenError> {
    let unavailable = |error| OpenError::Unavailable(error);
    let known = Place {
        epoch: epoch::of(&last.checkpoint.origin).unwrap_or(0),
        size: last.checkpoint.size,
    };
    let domain = epoch::domain(&last.checkpoint.origin).unwrap_or_default();
    let keys = KeyDir::new(&places.keys);
    // The epoch that ends is the latest that either side knows.
    let survivor = head.filter(|head| head.epoch >= known.epoch);
    let ending = survivor.map_or(known.epoch, |head| head.epoch);
    let old = keys.require(ending, &epoch::origin(domain, ending))?;
    let new = keys.require_or_create(ending + 1, &epoch::origin(domain, ending + 1))?;
    let (size, root) = survivor.map_or((0, empty_root()), |head| (head.size, head.root));
    let payload = Payload::seal(&json!({
        "known": {"epoch": known.epoch, "size": known.size, "at": last.at},
        "reason": reason,
        "survived": {"epoch": ending, "size": size},
    }))
    .map_err(|error| unavailable(Box::new(error)))?;
    let handover = Handover::new(last.note.clone(), size, &root);
    let entry = first_entry(&new, &handover, &payload, now)?;
    let record = entry.id;
    let entry = entry.to_bytes().map_err(|error| unavailable(Box::new(error)))?;
    let note = handover_checkpoint(&new, &old, &entry);
    let lost_head = survivor.is_none().then(|| Head {
        epoch: ending,
        vkey: old.verifier().to_string(),
        size: 0,
        root: empty_root(),
        note: None,
        first_note: None,
    });
    let head = Head {
        epoch: ending + 1,
        vkey: new.verifier().to_string(),
        size: 1,
        root: leaf_hash(&entry),
        note: Some(note.clone()),
        first_note: Some(note),
    };
    let survived = Place { epoch: ending, size };
    let accepted = Accepted { epoch: head.epoch, known, survived, record };
    Ok((accepted, Succession { lost_head, head, record, entry, payload }))
}

fn first_entry(
    key: &PrivateKey,
    handover: &Handover,
    payload: &Payload,
    now: Timestamp,
) -> Result<Entry, OpenError> {
    let reason = gov_core::canonical::to_bytes(handover)
        .map_err(|error| OpenError::Unavailable(Box::new(error)))?;
    Ok(Entry {
        seq: 1,
        id: RecordId::at(now),
        at: now,
        origin: key.verifier().name().to_owned(),
        kind: AuditEventKind::AdminRollbackAccepted,
        agent_id: None,
        session_id: None,
        action_kind: None,
        decision: None,
        rule_id: None,
        reason: Some(String::from_utf8_lossy(&reason).into_owned()),
        digest: None,
        policy_version: None,
        payload_commit: payload.commit(),
    })
}

/// The checkpoint of the new epoch's first entry, with both signatures.
fn handover_checkpoint(new: &PrivateKey, old: &PrivateKey, entry: &[u8]) -> String {
    let origin = new.verifier().name().to_owned();
    // The root of one leaf is that leaf.
    let text = Checkpoint { origin, size: 1, root: leaf_hash(entry) }.to_string();
    let signatures = [new, old].map(|key| (key.verifier(), key.sign(text.as_bytes())));
    signatures
        .iter()
        .fold(Note::unsigned(text), |note, (key, signature)| note.with_signature(key, *signature))
        .to_string()
}
