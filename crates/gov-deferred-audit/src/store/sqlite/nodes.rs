//! The nodes of a stored tree, for proofs.

use rusqlite::Connection;

use super::{StoreError, entries_after, full_tile};
use crate::tlog::{
    Hash,
    edge::complete_root,
    leaf_hash,
    proof::NodeReader,
    tile::{TILE_HEIGHT, TILE_WIDTH},
};

/// Reads nodes from full tiles, and from entries where no tile is full yet.
#[derive(Debug)]
pub(crate) struct Nodes<'c> {
    pub(crate) connection: &'c Connection,
    pub(crate) epoch: u64,
}

impl NodeReader for Nodes<'_> {
    type Error = StoreError;

    fn node(&mut self, height: u32, index: u64) -> Result<Hash, StoreError> {
        let level = height / TILE_HEIGHT;
        let count = 1_u64 << (height % TILE_HEIGHT);
        let first = index * count;
        let hashes = self.hashes(level, first, count)?;
        complete_root(&hashes).ok_or_else(|| {
            StoreError::Corrupt(format!("node {index} of height {height} has no leaves"))
        })
    }
}

impl Nodes<'_> {
    /// `count` hashes of a tile level, which all lie in one tile.
    fn hashes(&self, level: u32, first: u64, count: u64) -> Result<Vec<Hash>, StoreError> {
        let width = u64::from(TILE_WIDTH);
        let (tile, skip) = (first / width, usize::try_from(first % width)?);
        let stored = full_tile(self.connection, self.epoch, u8::try_from(level)?, tile)?;
        if let Some(hashes) = stored {
            return Ok(hashes.into_iter().skip(skip).take(usize::try_from(count)?).collect());
        }
        if level == 0 {
            let entries = entries_after(self.connection, (self.epoch, first), count)?;
            return Ok(entries.iter().map(|(_, entry)| leaf_hash(entry)).collect());
        }
        let below = |at| self.hashes(level - 1, at * width, width);
        let root = |at| {
            complete_root(&below(at)?)
                .ok_or_else(|| StoreError::Corrupt(format!("tile {at} has no hashes")))
        };
        (first..first + count).map(root).collect()
    }
}
