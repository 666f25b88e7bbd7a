//! The stored tree: its right edge, and its nodes for proofs.

use super::{Head, StoreError, TreeRows, corrupt_tile};
use crate::tlog::{
    Hash,
    checkpoint::Checkpoint,
    edge::{Edge, complete_root},
    key::VerifierKey,
    leaf_hashes,
    proof::NodeReader,
    tile::{TILE_HEIGHT, TILE_WIDTH, width_at},
};

/// The right edge of an epoch's tree, from at most 255 entries and 255 tiles a level.
pub(crate) fn edge(rows: &mut dyn TreeRows, epoch: u64, size: u64) -> Result<Edge, StoreError> {
    let tail = u64::from(width_at(0, size));
    let entries = rows.entries_after((epoch, size - tail), tail)?;
    let mut partial = vec![leaf_hashes(entries.iter().map(|(_, entry)| entry.as_slice()))];
    for level in 1..u8::MAX {
        let Some((first, end)) = unfinished_tile(level, size) else { break };
        let roots = (first..end).map(|index| {
            let below = rows.full_tile(epoch, level - 1, index)?;
            below.and_then(|it| complete_root(&it)).ok_or_else(|| corrupt_tile(level - 1, index))
        });
        partial.push(roots.collect::<Result<_, _>>()?);
    }
    Ok(Edge::from_partial_tiles(size, partial)?)
}

/// The tiles below that are the hashes of `level`'s partial tile, from first to before the last;
/// `None` above the top.
pub(crate) fn unfinished_tile(level: u8, size: u64) -> Option<(u64, u64)> {
    let hashes = size.checked_shr(TILE_HEIGHT * u32::from(level)).filter(|it| *it > 0)?;
    Some((hashes - hashes % u64::from(TILE_WIDTH), hashes))
}

/// The edge as it is stored, if it is the one of the head, and the head is signed.
///
/// What is stored is signed anew with the next batch, so nothing unsigned may be taken over.
pub(crate) fn checked_edge(rows: &mut dyn TreeRows, head: &Head) -> Result<Edge, StoreError> {
    check_signed(head)?;
    let edge = edge(rows, head.epoch, head.size)?;
    if edge.root() == head.root {
        return Ok(edge);
    }
    Err(StoreError::Corrupt("its last records or tiles do not make the root of its head".into()))
}

/// Whether the head's checkpoint is signed, and of this size and root.
pub(crate) fn check_signed(head: &Head) -> Result<(), StoreError> {
    let key: VerifierKey =
        head.vkey.parse().map_err(|_| StoreError::Corrupt("its public key is no key".into()))?;
    let note = head.note.clone().unwrap_or_default();
    let signed = Checkpoint::open(note.as_bytes(), &[key]);
    if signed.is_ok_and(|it| it.size == head.size && it.root == head.root) {
        return Ok(());
    }
    Err(StoreError::Corrupt("its checkpoint does not fit its head".to_owned()))
}

/// Reads nodes from full tiles, and from entries where no tile is full yet.
pub(crate) struct Nodes<'r> {
    pub(crate) rows: &'r mut dyn TreeRows,
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
    fn hashes(&mut self, level: u32, first: u64, count: u64) -> Result<Vec<Hash>, StoreError> {
        let width = u64::from(TILE_WIDTH);
        let (tile, skip) = (first / width, usize::try_from(first % width)?);
        let stored = self.rows.full_tile(self.epoch, u8::try_from(level)?, tile)?;
        if let Some(hashes) = stored {
            return Ok(hashes.into_iter().skip(skip).take(usize::try_from(count)?).collect());
        }
        if level == 0 {
            let entries = self.rows.entries_after((self.epoch, first), count)?;
            return Ok(leaf_hashes(entries.iter().map(|(_, entry)| entry.as_slice())));
        }
        let mut root = |at| {
            let below = self.hashes(level - 1, at * width, width)?;
            complete_root(&below)
                .ok_or_else(|| StoreError::Corrupt(format!("tile {at} has no hashes")))
        };
        (first..first + count).map(&mut root).collect()
    }
}
