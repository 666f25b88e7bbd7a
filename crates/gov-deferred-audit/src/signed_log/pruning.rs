//! Lets whole bundles of old entries go, once a signed entry says so. Tiles stay, and with them
//! every proof.
//!
//! ```text
//! prune ─▶ one transaction: entry `admin.log_pruned`, checkpoint, audit_log_pruned ─▶ COMMIT
//!            └─▶ bundle by bundle: ids to audit_log_pruned_record, entries and payloads go
//! ```

use std::{collections::BTreeMap, error::Error};

use gov_core::{AuditEventKind, Payload, RecordId, Timestamp};
use gov_store::crash;
use serde_json::json;

use super::{EpochExtent, ReadLogError, SignedLog};
use crate::{
    entry::Entry,
    pruned::{PruneStatement, first_prunable},
    record::{MAX_PAYLOAD_BYTES, TooLarge, within},
    store::{LogRows, StoreError, tree::Nodes},
    tlog::{bundle::MAX_ENTRY_BYTES, key::VerifierKey, proof, receipt::Receipt, tile::TILE_WIDTH},
};

/// How many entries a bundle has.
const BUNDLE: u64 = TILE_WIDTH as u64;

/// So often somebody else may prune at the same time.
const TRIES: u32 = 5;

/// What a pruning did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pruned {
    /// The record that says so; `None` where all of it had been said before.
    pub record: Option<RecordId>,
    /// How many entries this call deleted, each with its payload.
    pub entries: u64,
    /// Below which index the entries of each epoch are pruned by now.
    pub below: BTreeMap<u64, u64>,
}

/// Nothing was pruned, or not all of it: the same call goes on where this one ended.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PruneError {
    /// Only whole bundles go.
    #[error("epoch {epoch} is pruned by whole bundles: below a multiple of 256; received {below}")]
    NotWhole {
        /// Which epoch.
        epoch: u64,
        /// What was asked.
        below: u64,
    },
    /// The log has not so many full bundles.
    #[error("epoch {epoch} can be pruned below {limit} at most; received {below}")]
    Beyond {
        /// Which epoch.
        epoch: u64,
        /// What was asked.
        below: u64,
        /// The end of its last full bundle; 0 where there is no such epoch.
        limit: u64,
    },
    /// What is to be said about it is longer than the log takes.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// Others prune at the same time, again and again; try later.
    #[error("somebody else prunes this log just now; try again")]
    Moved,
    /// The log cannot be read or written; [`ReadLogError::Corrupt`] needs `gov audit verify`, and
    /// all else can be tried again.
    #[error(transparent)]
    Log(#[from] ReadLogError),
}

/// A statement on its way into the log.
#[derive(Debug)]
pub(super) struct Stating {
    /// What is pruned before, and must still be when this is appended.
    pub(super) before: PruneStatement,
    pub(super) after: PruneStatement,
    /// The entry, but for its place.
    pub(super) entry: Entry,
    pub(super) payload: Payload,
}

impl Stating {
    pub(super) fn entry_at(&self, seq: u64) -> Result<Vec<u8>, StoreError> {
        let entry = Entry { seq, ..self.entry.clone() };
        entry.to_bytes().map_err(|error| StoreError::Corrupt(error.to_string()))
    }
}

impl SignedLog {
    /// Prunes the entries below an index of each epoch, which are whole bundles. `by` and `reason`
    /// go into the payload of the record that says so.
    ///
    /// First that record is appended, and is on the disk; only then entries and payloads go, a
    /// bundle a transaction, so that appending goes on meanwhile. What was pruned stays pruned and
    /// may be named again; the first bundle of an epoch after the first stays, since it hands the
    /// log over. Where a process ends in between, the next pruning or
    /// [`finish_pruning`](Self::finish_pruning) deletes the rest.
    ///
    /// A pruned record is still known by its id, its proof is still made, and whoever reads past
    /// it sees the gap in `seq`.
    ///
    /// # Errors
    ///
    /// [`PruneError`]. After `NotWhole`, `Beyond` and `TooLarge` nothing happened.
    pub async fn prune(
        &self,
        below: &BTreeMap<u64, u64>,
        by: &str,
        reason: &str,
    ) -> Result<Pruned, PruneError> {
        for _ in 0..TRIES {
            let before = self.pruned().await?;
            let after = before.join(&wanted(below, &self.epochs().await?)?);
            let mut record = None;
            if after != before {
                let stating = self.stating(before, after.clone(), by, reason)?;
                record = Some(stating.entry.id);
                let inner = &self.inner;
                let Some(head) = inner.backend.state(&inner.writing, stating).await? else {
                    continue;
                };
                self.settled(head);
                crash::point("log-after-prune-statement");
            }
            let entries = self.delete_pruned(&after).await?;
            return Ok(Pruned { record, entries, below: after.below().clone() });
        }
        Err(PruneError::Moved)
    }

    /// Below which index each epoch can be pruned so that only entries older than `before` go; an
    /// epoch with nothing to prune is not named.
    ///
    /// Reads what would go, from what is pruned already up to the first bundle with an entry that
    /// is not older.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn prunable(&self, before: Timestamp) -> Result<BTreeMap<u64, u64>, ReadLogError> {
        let said = self.pruned().await?;
        let mut prunable = BTreeMap::new();
        for EpochExtent { epoch, size, .. } in self.epochs().await? {
            let first = said.below_of(epoch).max(first_prunable(epoch));
            let mut below = first;
            while below + BUNDLE <= size && self.is_older(epoch, below, before).await? {
                below += BUNDLE;
            }
            if below > first {
                prunable.insert(epoch, below);
            }
        }
        Ok(prunable)
    }

    /// What of this log is pruned, as its last signed statement says.
    ///
    /// # Errors
    ///
    /// [`ReadLogError::Corrupt`] if the database says otherwise than the log; else reading can be
    /// tried again.
    pub async fn pruned(&self) -> Result<PruneStatement, ReadLogError> {
        self.inner.backend.read(stated).await
    }

    /// Deletes what is pruned and still there, after a process that ended in between; tells how
    /// many entries.
    ///
    /// # Errors
    ///
    /// As from [`prune`](Self::prune).
    pub async fn finish_pruning(&self) -> Result<u64, PruneError> {
        let said = self.pruned().await?;
        Ok(self.delete_pruned(&said).await?)
    }

    fn stating(
        &self,
        before: PruneStatement,
        after: PruneStatement,
        by: &str,
        reason: &str,
    ) -> Result<Stating, PruneError> {
        let unavailable = |error: Box<dyn Error + Send + Sync>| ReadLogError::Unavailable(error);
        let payload = Payload::seal(&json!({"by": by, "reason": reason}))
            .map_err(|error| unavailable(Box::new(error)))?;
        let entry = Entry {
            // The longest there is, until it has its place.
            seq: u64::MAX,
            id: after.record(),
            at: self.inner.clock.now(),
            origin: self.key().name().to_owned(),
            kind: AuditEventKind::AdminLogPruned,
            agent_id: None,
            session_id: None,
            action_kind: None,
            decision: None,
            rule_id: None,
            reason: Some(after.text()),
            digest: None,
            policy_version: None,
            payload_commit: payload.commit(),
        };
        let bytes = entry.to_bytes().map_err(|error| unavailable(Box::new(error)))?;
        within("payload", MAX_PAYLOAD_BYTES, payload.as_bytes().len())?;
        within("entry", MAX_ENTRY_BYTES, bytes.len())?;
        Ok(Stating { before, after, entry, payload })
    }

    async fn delete_pruned(&self, said: &PruneStatement) -> Result<u64, ReadLogError> {
        let mut deleted = 0;
        for (epoch, below) in said.below().clone() {
            let mut from = first_prunable(epoch);
            while let Some(seq) = self.first_after(epoch, from).await?.filter(|it| *it <= below) {
                let first = (seq - 1) - (seq - 1) % BUNDLE;
                from = first + BUNDLE;
                deleted += self.inner.backend.delete_rows(epoch, (first, from)).await?;
                crash::point("log-between-pruned-bundles");
            }
        }
        Ok(deleted)
    }

    async fn first_after(&self, epoch: u64, seq: u64) -> Result<Option<u64>, ReadLogError> {
        let read = move |rows: &mut dyn LogRows| {
            Ok(rows.entries_after((epoch, seq), 1)?.first().map(|(seq, _)| *seq))
        };
        self.inner.backend.read(read).await
    }

    /// Whether a whole bundle is there, and all of it happened before that time.
    async fn is_older(
        &self,
        epoch: u64,
        first: u64,
        before: Timestamp,
    ) -> Result<bool, ReadLogError> {
        let read = move |rows: &mut dyn LogRows| {
            let entries = rows.entries_after((epoch, first), BUNDLE)?;
            let is_older = |(_, entry): &(u64, Vec<u8>)| {
                Entry::from_bytes(entry).is_ok_and(|entry| entry.at < before)
            };
            let is_whole = entries.last().is_some_and(|(seq, _)| *seq == first + BUNDLE);
            Ok(is_whole && entries.iter().all(is_older))
        };
        self.inner.backend.read(read).await
    }
}

/// What is asked, if the log can say it.
fn wanted(
    below: &BTreeMap<u64, u64>,
    epochs: &[EpochExtent],
) -> Result<PruneStatement, PruneError> {
    let mut wanted = BTreeMap::new();
    for (&epoch, &below) in below {
        if !below.is_multiple_of(BUNDLE) {
            return Err(PruneError::NotWhole { epoch, below });
        }
        let size = epochs.iter().find(|it| it.epoch == epoch).map_or(0, |it| it.size);
        let limit = size - size % BUNDLE;
        if below > limit {
            return Err(PruneError::Beyond { epoch, below, limit });
        }
        if below > first_prunable(epoch) {
            wanted.insert(epoch, below);
        }
    }
    Ok(PruneStatement::new(wanted).unwrap_or_default())
}

/// What the database has as pruned, once the entry that says so is found under a signed root:
/// nothing goes, and nothing is said anew, because a row says so.
pub(super) fn stated(rows: &mut dyn LogRows) -> Result<PruneStatement, StoreError> {
    let corrupt = || StoreError::Corrupt("it never said what it has as pruned".to_owned());
    let said = PruneStatement::new(rows.pruned()?).ok_or_else(corrupt)?;
    if said.is_empty() {
        return Ok(said);
    }
    let (epoch, seq) = rows.find(said.record())?.ok_or_else(corrupt)?;
    let index = seq.checked_sub(1).ok_or_else(corrupt)?;
    let head = rows.heads()?.into_iter().find(|head| head.epoch == epoch).ok_or_else(corrupt)?;
    let (_, entry) = rows.entries_after((epoch, index), 1)?.pop().ok_or_else(corrupt)?;
    let says =
        Entry::from_bytes(&entry).is_ok_and(|it| PruneStatement::of(&it).as_ref() == Some(&said));
    let proof = proof::inclusion(&mut Nodes::new(rows, epoch, head.size), index, head.size)?;
    let receipt = Receipt { index, proof, checkpoint: head.note.unwrap_or_default() };
    let key: VerifierKey = head.vkey.parse().map_err(|_| corrupt())?;
    if says && receipt.verify(&entry, &[key]).is_ok() { Ok(said) } else { Err(corrupt()) }
}
