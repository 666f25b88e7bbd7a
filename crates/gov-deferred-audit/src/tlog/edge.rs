//! The right edge of a growing tree: all that appending needs to know.

use super::{
    Hash, empty_root, node_hash, parents,
    tile::{FullTile, TILE_HEIGHT, TILE_WIDTH, width_at},
};

/// A tree's right edge: its size, the roots of its complete subtrees, and its partial tiles.
///
/// It hands out each tile once, when that is full.
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

    /// Appends one leaf by its hash; like [`extend`](Self::extend), which is faster for many.
    pub fn push(&mut self, leaf: Hash, full: &mut impl FnMut(FullTile)) {
        self.extend(&[leaf], full);
    }

    /// Appends leaves by their hashes, and hands every tile that they fill to `full`: those of a
    /// level in order, and the lowest level first.
    pub fn extend(&mut self, leaves: &[Hash], full: &mut impl FnMut(FullTile)) {
        // The new complete subtrees of one height after the other, and what of them has no pair.
        let (mut row, mut alone) = (leaves.to_vec(), Vec::new());
        for height in 0..u64::BITS {
            if row.is_empty() {
                break;
            }
            let before = self.size >> height;
            if height % TILE_HEIGHT == 0 {
                self.keep(height / TILE_HEIGHT, before, &row, full);
            }
            if before % 2 == 1
                && let Some(left) = self.peaks.pop()
            {
                row.insert(0, left);
            }
            if row.len() % 2 == 1 {
                alone.extend(row.pop());
            }
            row = parents(&row);
        }
        self.peaks.extend(alone.into_iter().rev());
        self.size += leaves.len() as u64;
    }

    /// Puts hashes, `before` of which are there already, into their level's partial tile.
    fn keep(&mut self, level: u32, before: u64, hashes: &[Hash], full: &mut impl FnMut(FullTile)) {
        let at = level as usize;
        if self.partial.len() <= at {
            self.partial.resize(at + 1, Vec::new());
        }
        let Some(partial) = self.partial.get_mut(at) else { return };
        let (width, level) = (usize::from(TILE_WIDTH), u8::try_from(level).unwrap_or(u8::MAX));
        let (mut index, mut hashes) = (before / u64::from(TILE_WIDTH), hashes);
        while let Some((filling, rest)) = hashes.split_at_checked(width - partial.len()) {
            partial.extend_from_slice(filling);
            full(FullTile { level, index, hashes: std::mem::take(partial) });
            (index, hashes) = (index + 1, rest);
        }
        partial.extend_from_slice(hashes);
    }
}

/// The root of a complete subtree; `None` unless there are a power of two of hashes.
#[must_use]
pub fn complete_root(hashes: &[Hash]) -> Option<Hash> {
    match hashes {
        [one] => Some(*one),
        _ if !hashes.len().is_power_of_two() => None,
        _ => {
            let mut row = parents(hashes);
            while row.len() > 1 {
                row = parents(&row);
            }
            row.pop()
        }
    }
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
    fn leaves_make_the_same_tree_alone_and_together() {
        let leaves: Vec<_> = (0..2_000_u32).map(|it| leaf_hash(&it.to_be_bytes())).collect();
        for (first, step) in [(0, 1), (1, 255), (255, 256), (256, 257), (300, 700), (77, 1_900)] {
            let (mut one, mut many) = (Edge::default(), Edge::default());
            let (mut tiles_of_one, mut tiles_of_many) = (Vec::new(), Vec::new());
            let (start, rest) = leaves.split_at(first);
            for part in std::iter::once(start).chain(rest.chunks(step)) {
                for leaf in part {
                    one.push(*leaf, &mut |tile| tiles_of_one.push(tile));
                }
                many.extend(part, &mut |tile| tiles_of_many.push(tile));
                assert_eq!(many, one, "{first} and {step}");
            }
            for tiles in [&mut tiles_of_one, &mut tiles_of_many] {
                tiles.sort_by_key(|it| (it.level, it.index));
            }
            assert_eq!(tiles_of_many, tiles_of_one, "{first} and {step}");
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
