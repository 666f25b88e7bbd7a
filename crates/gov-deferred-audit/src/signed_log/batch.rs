//! What a batch makes of a log: worked out beforehand, without a database.

use std::collections::HashMap;

use gov_core::{Payload, RecordId, payload};

use crate::{
    entry,
    record::LogRecord,
    sink::AppendOutcome,
    tlog::{bundle, edge::Edge, leaf_hashes, tile::FullTile},
};

/// One new record with its place.
#[derive(Debug)]
pub(crate) struct NewRow<'b> {
    pub(crate) seq: u64,
    pub(crate) id: RecordId,
    pub(crate) payload: &'b Payload,
    pub(crate) entry: Vec<u8>,
}

/// Everything that a batch writes.
#[derive(Debug)]
pub(super) struct Plan<'b> {
    pub(super) outcomes: Vec<AppendOutcome>,
    pub(super) rows: Vec<NewRow<'b>>,
    /// The tiles that became full.
    pub(super) tiles: Vec<FullTile>,
    /// What cannot enter the log, and why.
    pub(super) dead: Vec<(&'b LogRecord, String)>,
    /// The log's end behind the last of `rows`.
    pub(super) edge: Edge,
}

impl<'b> Plan<'b> {
    /// Puts behind `edge` what `known` does not name; `known` says what became of the others.
    pub(super) fn new(
        edge: Edge,
        origin: &str,
        mut known: HashMap<RecordId, AppendOutcome>,
        batch: &'b [LogRecord],
    ) -> Self {
        let (rows, tiles, dead) = (Vec::with_capacity(batch.len()), Vec::new(), Vec::new());
        let mut plan = Self { outcomes: Vec::with_capacity(batch.len()), rows, tiles, dead, edge };
        // Hashed together: what is known already is rare.
        let payloads = batch.iter().map(|it| (it.payload.salt(), it.payload.as_bytes()));
        for (record, commit) in batch.iter().zip(payload::commit_all(payloads)) {
            let take = || plan.take(record, commit, origin);
            let outcome = *known.entry(record.id).or_insert_with(take);
            plan.outcomes.push(outcome);
        }
        let Self { rows, tiles, edge, .. } = &mut plan;
        let leaves = leaf_hashes(rows.iter().map(|row| row.entry.as_slice()));
        edge.extend(&leaves, &mut |tile| tiles.push(tile));
        plan
    }

    fn take(&mut self, record: &'b LogRecord, commit: [u8; 32], origin: &str) -> AppendOutcome {
        let seq = self.edge.size() + self.rows.len() as u64 + 1;
        match encode(record, commit, seq, origin) {
            Ok(entry) => {
                self.rows.push(NewRow { seq, id: record.id, payload: &record.payload, entry });
                AppendOutcome::Appended { seq }
            }
            Err(why) => {
                self.dead.push((record, why));
                AppendOutcome::DlqLanded
            }
        }
    }
}

/// The entry, or why there can be none.
pub(super) fn encode(
    record: &LogRecord,
    commit: [u8; 32],
    seq: u64,
    origin: &str,
) -> Result<Vec<u8>, String> {
    record.check_size().map_err(|error| error.to_string())?;
    let entry = entry::encode_with(record, commit, seq, origin).map_err(|it| it.to_string())?;
    match entry.len() {
        0..=bundle::MAX_ENTRY_BYTES => Ok(entry),
        got => Err(bundle::EntryTooLong { got }.to_string()),
    }
}
