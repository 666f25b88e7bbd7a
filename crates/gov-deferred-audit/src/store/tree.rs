//! The stored tree: its right edge, and its nodes for proofs.

use std::ops::Range;

use super::{Head, StoreError, TreeRows, corrupt_tile};
use crate::tlog::{
    Hash,
    checkpoint::Checkpoint,
    edge::{Edge, complete_root},
    key::VerifierKey,
    leaf_hashes,
    proof::NodeReader,
    tile::{TILE_HEIGHT, TILE_WIDTH, TilePlace, width_at},
};

/// The right edge of an epoch's tree, from at most 255 entries and 255 tiles a level.
pub(crate) fn edge(rows: &mut dyn TreeRows, epoch: u64, size: u64) -> Result<Edge, StoreError> {
    let tail = u64::from(width_at(0, size));
    let entries = rows.entries_after((epoch, size - tail), tail)?;
    let mut partial = vec![leaf_hashes(entries.iter().map(|(_, entry)| entry.as_slice()))];
    for level in 1..u8::MAX {
        let Some((first, end)) = unfinished_tile(level, size) else { break };
        partial.push(roots(rows, (epoch, level - 1), first..end)?);
    }
    Ok(Edge::from_partial_tiles(size, partial)?)
}

/// The hashes of one tile of the tree of `size` leaves; `None` if it has not so many there.
///
/// A tile that is not full comes from at most 255 entries, or tiles below it; of a full one the
/// first hashes can be had alone.
pub(crate) fn tile(
    rows: &mut dyn TreeRows,
    (epoch, size): (u64, u64),
    place: TilePlace,
) -> Result<Option<Vec<Hash>>, StoreError> {
    if !place.is_within(size) {
        return Ok(None);
    }
    let TilePlace { level, index, width } = place;
    let first = index * u64::from(TILE_WIDTH);
    let hashes = if (TilePlace { width: TILE_WIDTH, ..place }).is_within(size) {
        let stored = rows.full_tile(epoch, level, index)?;
        let mut hashes = stored.ok_or_else(|| corrupt_tile(level, index))?;
        hashes.truncate(width.into());
        hashes
    } else if level == 0 {
        let entries = rows.entries_after((epoch, first), width.into())?;
        leaf_hashes(entries.iter().map(|(_, entry)| entry.as_slice()))
    } else {
        roots(rows, (epoch, level - 1), first..first + u64::from(width))?
    };
    if hashes.len() == usize::from(width) {
        return Ok(Some(hashes));
    }
    Err(corrupt_tile(level, index))
}

/// The roots of full tiles.
fn roots(
    rows: &mut dyn TreeRows,
    (epoch, level): (u64, u8),
    tiles: Range<u64>,
) -> Result<Vec<Hash>, StoreError> {
    let root = |index| {
        let stored = rows.full_tile(epoch, level, index)?;
        stored.and_then(|it| complete_root(&it)).ok_or_else(|| corrupt_tile(level, index))
    };
    tiles.map(root).collect()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        store::StoredEntry,
        tlog::{
            leaf_hash,
            tile::{FullTile, tiles_of},
        },
    };

    /// A log whose entries are its sequence numbers.
    #[derive(Default)]
    struct Numbers {
        size: u64,
        full: Vec<FullTile>,
    }

    impl TreeRows for Numbers {
        fn entries_after(
            &mut self,
            (_, seq): (u64, u64),
            limit: u64,
        ) -> Result<Vec<StoredEntry>, StoreError> {
            assert!(limit <= 256, "{limit} entries at once");
            let last = self.size.min(seq + limit);
            Ok((seq + 1..=last).map(|seq| (seq, seq.to_string().into_bytes())).collect())
        }

        fn full_tile(
            &mut self,
            _: u64,
            level: u8,
            index: u64,
        ) -> Result<Option<Vec<Hash>>, StoreError> {
            let found = self.full.iter().find(|it| (it.level, it.index) == (level, index));
            Ok(found.map(|it| it.hashes.clone()))
        }
    }

    #[test]
    fn every_tile_of_a_tree_is_read_also_before_it_is_full() {
        let (mut rows, mut edge) = (Numbers::default(), Edge::default());
        for size in 1..=66_000_u64 {
            edge.push(leaf_hash(size.to_string().as_bytes()), &mut |it| rows.full.push(it));
            rows.size = size;
            if ![1, 255, 256, 257, 65_535, 65_536, 66_000].contains(&size) {
                continue;
            }
            let last = |place: &TilePlace| place.index > 250 || place.level > 0 || size < 300;
            for place in tiles_of(size).filter(last) {
                let hashes = tile(&mut rows, (1, size), place).unwrap().unwrap();
                let TilePlace { level, index, width } = place;
                if width < TILE_WIDTH {
                    assert_eq!(hashes, edge.partial_tile(level), "{place:?} of {size}");
                } else {
                    assert_eq!(Some(&hashes), rows.full_tile(1, level, index).unwrap().as_ref());
                }
                let half = TilePlace { width: width.div_ceil(2), ..place };
                let first = tile(&mut rows, (1, size), half).unwrap().unwrap();
                assert_eq!(first, hashes[..usize::from(half.width)], "{half:?} of {size}");
                if width < TILE_WIDTH {
                    let beyond = TilePlace { width: width + 1, ..place };
                    assert_eq!(tile(&mut rows, (1, size), beyond).unwrap(), None, "{beyond:?}");
                }
            }
        }
    }

    #[test]
    fn a_tile_that_is_not_all_there_is_corrupt_and_no_shorter_tile() {
        let mut rows = Numbers { size: 100, full: Vec::new() };
        for place in [
            TilePlace { level: 0, index: 0, width: 256 },
            TilePlace { level: 0, index: 1, width: 44 },
            TilePlace { level: 1, index: 0, width: 1 },
        ] {
            let error = tile(&mut rows, (1, 300), place).unwrap_err();
            assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
        }
    }
}
