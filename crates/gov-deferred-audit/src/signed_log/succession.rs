//! How one epoch follows another: an entry that hands over, under a checkpoint with both signatures.

use gov_core::{AuditEventKind, Payload, RecordId, Timestamp};
use serde::Serialize;

use super::{LogPlaces, OpenError};
use crate::{
    entry::Entry,
    epoch::{self, Handover},
    signer::KeyDir,
    store::Head,
    tlog::{checkpoint::Checkpoint, empty_root, key::PrivateKey, leaf_hash, note::Note},
};

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

/// The step from one epoch to the next, with the keys of both.
pub(super) struct Step {
    ending: u64,
    old: PrivateKey,
    new: PrivateKey,
}

impl Step {
    /// Reads the key of the epoch that ends, and reads or makes the next one. Blocks.
    pub(super) fn after(ending: u64, domain: &str, places: &LogPlaces) -> Result<Self, OpenError> {
        let keys = KeyDir::new(&places.keys);
        let old = keys.require(ending, &epoch::origin(domain, ending))?;
        let new = keys.require_or_create(ending + 1, &epoch::origin(domain, ending + 1))?;
        Ok(Self { ending, old, new })
    }

    /// The epoch that begins.
    pub(super) fn begins(&self) -> u64 {
        self.ending + 1
    }

    /// The row of an ending epoch that has none.
    pub(super) fn lost_head(&self) -> Head {
        Head {
            epoch: self.ending,
            vkey: self.old.verifier().to_string(),
            size: 0,
            root: empty_root(),
            note: None,
            first_note: None,
        }
    }

    /// The new epoch, whose first record is of `kind` and hands over; `said` is its payload, which
    /// may be erased.
    pub(super) fn take(
        &self,
        kind: AuditEventKind,
        handover: &Handover,
        said: &impl Serialize,
        now: Timestamp,
    ) -> Result<Succession, OpenError> {
        let unavailable = |error| OpenError::Unavailable(error);
        let payload = Payload::seal(said).map_err(|error| unavailable(Box::new(error)))?;
        let entry = self.first_entry(kind, handover, &payload, now)?;
        let record = entry.id;
        let entry = entry.to_bytes().map_err(|error| unavailable(Box::new(error)))?;
        let note = self.checkpoint(&entry);
        let head = Head {
            epoch: self.begins(),
            vkey: self.new.verifier().to_string(),
            size: 1,
            root: leaf_hash(&entry),
            note: Some(note.clone()),
            first_note: Some(note),
        };
        Ok(Succession { lost_head: None, head, record, entry, payload })
    }

    fn first_entry(
        &self,
        kind: AuditEventKind,
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
            origin: self.new.verifier().name().to_owned(),
            kind,
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
    fn checkpoint(&self, entry: &[u8]) -> String {
        let origin = self.new.verifier().name().to_owned();
        // The root of one leaf is that leaf.
        let text = Checkpoint { origin, size: 1, root: leaf_hash(entry) }.to_string();
        let signatures =
            [&self.new, &self.old].map(|key| (key.verifier(), key.sign(text.as_bytes())));
        let unsigned = Note::unsigned(text);
        let both =
            signatures.iter().fold(unsigned, |note, (key, it)| note.with_signature(key, *it));
        both.to_string()
    }
}
