//! What outsiders read of a log: checkpoints, tiles, bundles and receipts, of every epoch.

use std::sync::Arc;

use super::{ReadLogError, SignedLog};
use crate::{
    store::{
        Head, LogRows, StoreError,
        tree::{self, Nodes},
    },
    tlog::{
        bundle,
        edge::Edge,
        key::VerifierKey,
        proof,
        receipt::Receipt,
        tile::{self, TILE_WIDTH, TilePlace},
    },
};

impl SignedLog {
    /// The public key of `epoch`; `None` if there is no such epoch.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn key_of(&self, epoch: u64) -> Result<Option<VerifierKey>, ReadLogError> {
        let corrupt = move |_| StoreError::Corrupt(format!("the key of epoch {epoch}"));
        let key = move |head: Head| head.vkey.parse().map_err(corrupt);
        let job = move |rows: &mut dyn LogRows| head(rows, epoch)?.map(key).transpose();
        self.inner.backend.read(job).await
    }

    /// The last signed checkpoint of `epoch`; `None` if there is no such epoch, or nothing is left
    /// of it.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn checkpoint_of(&self, epoch: u64) -> Result<Option<String>, ReadLogError> {
        let read =
            self.inner.backend.read(move |rows| Ok(head(rows, epoch)?.and_then(|it| it.note)));
        read.await
    }

    /// The first checkpoint of an epoch that was handed over, with the signatures of both keys;
    /// `None` for the first epoch, and where there is no such epoch.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn first_checkpoint_of(&self, epoch: u64) -> Result<Option<String>, ReadLogError> {
        let first = |head: Head| head.first_note;
        self.inner.backend.read(move |rows| Ok(head(rows, epoch)?.and_then(first))).await
    }

    /// One tile's file (C2SP tlog-tiles) under the checkpoint of now, in at most 256 reads.
    ///
    /// A partial tile may be one that has grown since. `None` if the epoch has not so many records.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn tile(
        &self,
        epoch: u64,
        place: TilePlace,
    ) -> Result<Option<Vec<u8>>, ReadLogError> {
        let edge = self.edge_of(epoch);
        let read = self.inner.backend.read(move |rows| {
            let Some(head) = head(rows, epoch)? else { return Ok(None) };
            let hashes = tree::tile(rows, (epoch, head.size), place, edge.as_ref())?;
            Ok(hashes.map(|it| tile::encode(&it)))
        });
        read.await
    }

    /// The file of one bundle of entries (C2SP tlog-tiles), the `index`th from 0 with its first
    /// `width` entries.
    ///
    /// `None` if the epoch has not so many records, or they were pruned: [`SignedLog::pruned`]
    /// tells which.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn bundle(
        &self,
        epoch: u64,
        index: u64,
        width: u16,
    ) -> Result<Option<Vec<u8>>, ReadLogError> {
        let place = TilePlace { level: 0, index, width };
        let read = self.inner.backend.read(move |rows| match head(rows, epoch)? {
            Some(head) if place.is_within(head.size) => entries(rows, epoch, place),
            _ => Ok(None),
        });
        read.await
    }

    /// The proof that record `seq` of this epoch is in the log, under the checkpoint of now, also
    /// where the record was pruned; `None` if there never was such a record.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn receipt(&self, seq: u64) -> Result<Option<Receipt>, ReadLogError> {
        self.receipt_of(self.epoch(), seq).await
    }

    /// The proof that record `seq` of `epoch` is in the log, under the epoch's last checkpoint, also
    /// where the record was pruned; `None` if there never was such a record.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn receipt_of(&self, epoch: u64, seq: u64) -> Result<Option<Receipt>, ReadLogError> {
        let (edge, upper) = (self.edge_of(epoch), Arc::clone(&self.inner.upper));
        let read = self.inner.backend.read(move |rows| {
            let Some((head, index)) = head(rows, epoch)?.zip(seq.checked_sub(1)) else {
                return Ok(None);
            };
            let Some(checkpoint) = head.note.filter(|_| index < head.size) else { return Ok(None) };
            let mut nodes = Nodes::new(rows, epoch, head.size).knowing(edge, upper);
            let proof = proof::inclusion(&mut nodes, index, head.size)?;
            Ok(Some(Receipt { index, proof, checkpoint }))
        });
        read.await
    }
}

impl SignedLog {
    /// The edge of `epoch`'s tree as this process wrote it last, which may be a little behind or
    /// ahead of what a reader sees; `None` for an epoch that is over.
    fn edge_of(&self, epoch: u64) -> Option<Edge> {
        (epoch == self.epoch()).then(|| self.inner.backend.known_edge()).flatten()
    }
}

fn head(rows: &mut dyn LogRows, epoch: u64) -> Result<Option<Head>, StoreError> {
    Ok(rows.heads()?.into_iter().find(|head| head.epoch == epoch))
}

/// The entries of a bundle that is within the log; `None` if they were pruned.
fn entries(
    rows: &mut dyn LogRows,
    epoch: u64,
    place: TilePlace,
) -> Result<Option<Vec<u8>>, StoreError> {
    let first = place.index * u64::from(TILE_WIDTH);
    let entries = rows.entries_after((epoch, first), place.width.into())?;
    let last = first + u64::from(place.width);
    if entries.first().is_none_or(|(seq, _)| *seq > last) {
        let below = rows.pruned()?.get(&epoch).copied().unwrap_or(0);
        return if last <= below { Ok(None) } else { Err(missing(first + 1)) };
    }
    let mut file = Vec::new();
    for (wanted, (seq, entry)) in (first + 1..).zip(&entries) {
        if *seq != wanted {
            return Err(missing(wanted));
        }
        bundle::push(&mut file, entry).map_err(|error| StoreError::Corrupt(error.to_string()))?;
    }
    if entries.len() < place.width.into() {
        return Err(missing(first + 1 + u64::try_from(entries.len()).unwrap_or(0)));
    }
    Ok(Some(file))
}

fn missing(seq: u64) -> StoreError {
    StoreError::Corrupt(format!("record {seq} is missing"))
}
