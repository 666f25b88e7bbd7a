//! The right edge of a growing tree: all that appending needs to know.

use super::{
    Hash, empty_root, node_hash,
    tile::{FullTile, TILE_HEIGHT, TILE_WIDTH, width_at},
};

/// A tree's right edge: its size, the roots of its complete subtrees, and its partial tiles.
///
/// It grows by one leaf at a time and hands out each tile once, when that is full.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Edge {
    size: u64,
    // INVARIANT: one hash for each set bit of `size`, the largest subtree first.
    peaks: Vec<Hash>,
    // INVARIANT: `partial[level]` has `width_at(level, size)` hashes, fewer than 256.
    partial: Vec<Vec<Hash>>,
}

/// The parts do not make an edge of the given size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the partial tile of level {level} must have {wanted} hashes; received {got}")]
pub struct EdgeError {
    /// Which level; 0 holds the leaves.
    pub level: usize,
    /// How many hashes the size asks for.
    pub wanted: u64,
    /// How many there are.
    pub got: usize,
}

impl Edge {
    /// The edge of a tree of `size` leaves whose partial tiles are `partial`, level 0 first; empty
    /// levels at the top may be left out.
    ///
    /// # Errors
    ///
    /// [`EdgeError`] where a level has too few or too many hashes: what was read is not that tree.
    pub fn from_partial_tiles(size: u64, mut partial: Vec<Vec<Hash>>) -> Result<Self, EdgeError> {
        let levels = (0..u64::BITS / TILE_HEIGHT)
            .take_while(|level| size >> (TILE_HEIGHT * *level) > 0)
            .count();
        partial.resize(levels.max(partial.len()), Vec::new());
        for (level, hashes) in partial.iter().enumerate() {
            let wanted = u64::from(width_at(u8::try_from(level).unwrap_or(u8::MAX), size));
            if u64::try_from(hashes.len()) != Ok(wanted) {
                return Err(EdgeError { level, wanted, got: hashes.len() });
            }
        }
        let peaks = partial.iter().rev().flat_map(|hashes| peaks_of(hashes)).collect();
        Ok(Self { size, peaks, partial })
    }

    /// How many leaves the tree has.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The tree's root, RFC 6962 §2.1.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(smallest) = peaks.next() else { return empty_root() };
        peaks.fold(*smallest, |root, peak| node_hash(peak, &root))
    }

    /// The hashes of the partial tile of `level`; empty where the level ends with a full tile.
    #[must_use]
    pub fn partial_tile(&self, level: u8) -> &[Hash] {
        self.partial.get(usize::from(level)).map_or(&[], Vec::as_slice)
    }

    /// Appends one leaf by its hash, and hands every tile that it fills to `full`.
    pub fn push(&mut self, leaf: Hash, full: &mut impl FnMut(FullTile)) {
        self.keep(0, leaf, full);
        let mut hash = leaf;
        // Each trailing one of the size is a complete subtree that the new one completes.
        for height in 0..self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            if (height + 1) % TILE_HEIGHT == 0 {
                self.keep((height + 1) / TILE_HEIGHT, hash, full);
            }
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// Puts a hash into its level's partial tile.
    fn keep(&mut self, level: u32, hash: Hash, full: &mut impl FnMut(FullTile)) {
        let at = level as usize;
        if self.partial.len() <= at {
            self.partial.resize(at + 1, Vec::new());
        }
        let Some(hashes) = self.partial.get_mut(at) else { return };
        hashes.push(hash);
        if hashes.len() == usize::from(TILE_WIDTH) {
            let index = self.size >> (TILE_HEIGHT * (level + 1));
            let level = u8::try_from(level).unwrap_or(u8::MAX);
            full(FullTile { level, index, hashes: std::mem::take(hashes) });
        }
    }
}

/// The root of a complete subtree; `None` unless there are a power of two of hashes.
#[must_use]
pub fn complete_root(hashes: &[Hash]) -> Option<Hash> {
    match hashes {
        [one] => Some(*one),
        _ if !hashes.len().is_power_of_two() => None,
        _ => {
            let mut row = pair_up(hashes);
            while row.len() > 1 {
                row = pair_up(&row);
            }
            row.pop()
        }
    }
}

fn pair_up(hashes: &[Hash]) -> Vec<Hash> {
    let pair = |pair: &[Hash]| match pair {
        [left, right] => node_hash(left, right),
        _ => Hash::default(),
    };
    hashes.chunks_exact(2).map(pair).collect()
}

/// The roots of the complete subtrees that `hashes` makes, the largest first.
fn peaks_of(mut hashes: &[Hash]) -> Vec<Hash> {
    let mut peaks = Vec::new();
    while !hashes.is_empty() {
        let (complete, rest) = hashes.split_at(1 << hashes.len().ilog2());
        peaks.extend(complete_root(complete));
        hashes = rest;
    }
    peaks
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tlog::leaf_hash;

    /// The root by the definition of RFC 6962 §2.1.
    fn root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            _ => {
                let (left, right) = leaves.split_at(1 << (leaves.len() - 1).ilog2());
                node_hash(&root(left), &root(right))
            }
        }
    }

    #[test]
    fn the_root_is_the_one_of_the_definition_at_every_size() {
        let leaves: Vec<_> = (0..700_u32).map(|it| leaf_hash(&it.to_be_bytes())).collect();
        let mut edge = Edge::default();
        for size in 0..leaves.len() {
            assert_eq!(edge.root(), root(&leaves[..size]), "size {size}");
            edge.push(leaves[size], &mut |_| ());
        }
    }

    #[test]
    fn each_tile_is_handed_out_once_when_full_and_the_edge_is_rebuilt_from_the_rest() {
        let mut edge = Edge::default();
        let mut tiles = Vec::new();
        for it in 0..66_000_u32 {
            edge.push(leaf_hash(&it.to_be_bytes()), &mut |tile| tiles.push(tile));
            if it % 777 == 0 {
                let rebuilt = Edge::from_partial_tiles(edge.size, edge.partial.clone()).unwrap();
                assert_eq!(rebuilt, edge);
            }
        }
        let count = |level| tiles.iter().filter(|it| it.level == level).count();
        assert_eq!((count(0), count(1), count(2)), (257, 1, 0));
        for (level, wanted) in [(0, 0..257), (1, 0..1)] {
            let found = tiles.iter().filter(|it| it.level == level).map(|it| it.index);
            assert!(found.eq(wanted));
        }
        // A tile's root is an entry of the tile above it.
        let above = &tiles.iter().find(|it| it.level == 1).unwrap().hashes;
        let below = tiles.iter().filter(|it| it.level == 0).take(256);
        assert!(below.map(|it| complete_root(&it.hashes).unwrap()).eq(above.iter().copied()));
        assert_eq!(edge.partial_tile(0).len(), 66_000 % 256);
        assert_eq!(edge.partial_tile(1).len(), 1);
        assert_eq!(edge.partial_tile(2).len(), 1);
        assert_eq!(edge.partial_tile(9).len(), 0);
    }

    #[test]
    fn parts_of_another_size_are_refused() {
        let error = Edge::from_partial_tiles(3, vec![vec![[0; 32]; 2]]).unwrap_err();
        assert_eq!(error, EdgeError { level: 0, wanted: 3, got: 2 });
        let error = Edge::from_partial_tiles(256, vec![vec![[0; 32]], vec![[0; 32]]]).unwrap_err();
        assert_eq!((error.level, error.got), (0, 1));
        assert!(Edge::from_partial_tiles(256, vec![vec![], vec![[0; 32]]]).is_ok());
    }
}
