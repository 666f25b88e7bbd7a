//! What a batch makes of a log: worked out beforehand, without a database.

#[cfg(feature = "postgres")]
use std::collections::HashMap;

#[cfg(feature = "postgres")]
use gov_core::{Payload, RecordId};

use crate::{entry, record::LogRecord, tlog::bundle};
#[cfg(feature = "postgres")]
use crate::{
    sink::AppendOutcome,
    tlog::{edge::Edge, leaf_hash, tile::FullTile},
};

/// The entry, or why there can be none.
pub(super) fn encode(record: &LogRecord, seq: u64, origin: &str) -> Result<Vec<u8>, String> {
    record.check_size().map_err(|error| error.to_string())?;
    let entry = entry::encode(record, seq, origin).map_err(|error| error.to_string())?;
    match entry.len() {
        0..=bundle::MAX_ENTRY_BYTES => Ok(entry),
        got => Err(bundle::EntryTooLong { got }.to_string()),
    }
}

/// One new record with its place.
#[cfg(feature = "postgres")]
#[derive(Debug)]
pub(crate) struct NewRow<'b> {
    pub(crate) seq: u64,
    pub(crate) id: RecordId,
    pub(crate) payload: &'b Payload,
    pub(crate) entry: Vec<u8>,
}

/// Everything that a batch writes.
#[cfg(feature = "postgres")]
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

#[cfg(feature = "postgres")]
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
        for record in batch {
            let outcome = *known.entry(record.id).or_insert_with(|| plan.take(record, origin));
            plan.outcomes.push(outcome);
        }
        plan
    }

    fn take(&mut self, record: &'b LogRecord, origin: &str) -> AppendOutcome {
        let seq = self.edge.size() + 1;
        match encode(record, seq, origin) {
            Ok(entry) => {
                let tiles = &mut self.tiles;
                self.edge.push(leaf_hash(&entry), &mut |tile| tiles.push(tile));
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
