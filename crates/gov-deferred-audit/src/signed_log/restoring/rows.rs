//! Writes the rows of what was lost, bundle by bundle.

use rusqlite::Transaction;

use super::{Export, Place, RestoreError, Start};
use crate::{
    entry::Entry,
    payload_file::PayloadLine,
    pruned::PruneStatement,
    store::{Head, StoreError, sqlite as store},
    tlog::{
        bundle,
        edge::Edge,
        leaf_hash,
        tile::{FullTile, TILE_WIDTH, bundles_of},
    },
    verify::{
        directory::Directory,
        source::{BundleOf, PayloadsOf, Source},
    },
};

/// Writes all that the export has and the database has not, inside the caller's transaction.
pub(super) fn write(
    tx: &Transaction<'_>,
    export: &mut Export,
    start: Start,
) -> Result<(), RestoreError> {
    let Start { place, mut edge } = start;
    let Export { directory, heads, .. } = export;
    for head in heads.iter().filter(|head| head.epoch >= place.epoch) {
        let is_begun = head.epoch == place.epoch;
        if !is_begun {
            edge = Edge::default();
        }
        let from = edge.size();
        Epoch { tx, directory, head, place }.write(&mut edge)?;
        if (edge.size(), edge.root()) != (head.size, head.root) {
            // The export makes its root: it is the database that was on another way.
            return Err(RestoreError::OtherHistory { database: place });
        }
        if !is_begun {
            store::insert_head(tx, head)?;
        } else if from < head.size {
            let note = head.note.as_deref().unwrap_or_default();
            store::update_head(tx, head.epoch, head.size, &head.root, note)?;
        }
    }
    Ok(())
}

/// One epoch, on its way into the database.
struct Epoch<'a, 'c> {
    tx: &'a Transaction<'c>,
    directory: &'a mut Directory,
    head: &'a Head,
    /// Where the database ended.
    place: Place,
}

impl Epoch<'_, '_> {
    /// Writes the rows behind `edge`, which moves on with them.
    fn write(&mut self, edge: &mut Edge) -> Result<(), RestoreError> {
        for (index, width) in bundles_of(self.head.size) {
            let end = index * u64::from(TILE_WIDTH) + u64::from(width);
            if end > edge.size() {
                self.write_bundle((index, width), edge)?;
            }
        }
        Ok(())
    }

    fn write_bundle(
        &mut self,
        (index, width): (u64, u16),
        edge: &mut Edge,
    ) -> Result<(), RestoreError> {
        let (epoch, first) = (self.head.epoch, index * u64::from(TILE_WIDTH));
        let BundleOf::Bytes(bytes) = self.directory.bundle(epoch, index, width)? else {
            return Err(RestoreError::Pruned { epoch, index: first });
        };
        let PayloadsOf::Lines(payloads) = self.directory.payloads(epoch, index, width)? else {
            return Err(RestoreError::NoPayloads);
        };
        let entries = bundle::split(&bytes).unwrap_or_default();
        let mut payloads = payloads.into_iter().peekable();
        let (mut rows, mut full) = (store::Rows::of(self.tx, epoch)?, Vec::new());
        for (seq, entry) in (first + 1..).zip(entries) {
            let payload = payloads.next_if(|it| it.seq == seq);
            if seq <= edge.size() {
                continue;
            }
            let read = Entry::from_bytes(entry);
            let read = read.map_err(|error| StoreError::Corrupt(error.to_string()))?;
            match rows.insert_entry(seq, read.id, entry) {
                // It lies elsewhere already: appended again, on another way.
                Err(StoreError::Sqlite(error)) if store::is_known_record(&error) => {
                    return Err(RestoreError::OtherHistory { database: self.place });
                }
                written => written?,
            }
            if let Some(PayloadLine { salt, payload, .. }) = payload {
                rows.insert_payload(seq, &gov_core::Payload::from_parts(payload, salt))?;
            }
            // What the log said that it pruned is pruned again, or it would say less next time.
            for (epoch, below) in PruneStatement::of(&read).iter().flat_map(PruneStatement::below) {
                store::set_pruned(self.tx, *epoch, *below)?;
            }
            edge.push(leaf_hash(entry), &mut |tile: FullTile| full.push(tile));
        }
        Ok(full.iter().try_for_each(|tile| store::insert_tile(self.tx, epoch, tile))?)
    }
}
