//! The stored tree: its right edge, and its nodes for proofs.

use std::{
    collections::{
        HashMap,
        hash_map::Entry::{Occupied, Vacant},
    },
    ops::Range,
    sync::Arc,
};

use parking_lot::Mutex;

use super::{Head, StoreError, TreeRows, corrupt_tile};
use crate::tlog::{
    Hash,
    checkpoint::Checkpoint,
    edge::{Edge, complete_root},
    key::VerifierKey,
    leaf_hashes, parents,
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
/// A tile that is not full comes from `known`, an edge of the same tree, or else from at most 255
/// entries or tiles below it; of a full one the first hashes can be had alone.
pub(crate) fn tile(
    rows: &mut dyn TreeRows,
    (epoch, size): (u64, u64),
    place: TilePlace,
    known: Option<&Edge>,
) -> Result<Option<Vec<Hash>>, StoreError> {
    if !place.is_within(size) {
        return Ok(None);
    }
    let TilePlace { level, index, width } = place;
    let (first, wanted) = (index * u64::from(TILE_WIDTH), usize::from(width));
    let full = TilePlace { width: TILE_WIDTH, ..place };
    let hashes = if let Some(mut hashes) = rows.full_tile(epoch, level, index)? {
        hashes.truncate(wanted);
        hashes
    } else if full.is_within(size) {
        return Err(corrupt_tile(level, index));
    } else if let Some(hashes) = known.and_then(|edge| of_edge(edge, place)) {
        hashes.to_vec()
    } else if level == 0 {
        let entries = rows.entries_after((epoch, first), width.into())?;
        leaf_hashes(entries.iter().map(|(_, entry)| entry.as_slice()))
    } else {
        roots(rows, (epoch, level - 1), first..first + u64::from(width))?
    };
    if hashes.len() == wanted {
        return Ok(Some(hashes));
    }
    Err(corrupt_tile(level, index))
}

/// The first hashes of the tile that is filled at the edge, if it is this one.
fn of_edge(edge: &Edge, TilePlace { level, index, width }: TilePlace) -> Option<&[Hash]> {
    let filling = edge.size().checked_shr(TILE_HEIGHT * (u32::from(level) + 1)).unwrap_or(0);
    edge.partial_tile(level).get(..width.into()).filter(|_| filling == index)
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

/// All nodes over the hashes of one tile, the hashes first.
type NodesOfTile = Arc<Vec<Vec<Hash>>>;

/// The nodes of full tiles above the leaves, which never change: every proof passes through a few
/// of them, and hashing one costs more than reading the rest of a proof.
#[derive(Debug, Default)]
pub(crate) struct UpperTiles(Mutex<HashMap<(u64, u8, u64), NodesOfTile>>);

/// So many tiles, of 16 KiB each, are the upper ones of four million records.
const MAX_UPPER_TILES: usize = 64;

impl UpperTiles {
    fn get(&self, key: (u64, u8, u64)) -> Option<NodesOfTile> {
        self.0.lock().get(&key).cloned()
    }

    fn keep(&self, key: (u64, u8, u64), nodes: &NodesOfTile) {
        let mut tiles = self.0.lock();
        if tiles.len() >= MAX_UPPER_TILES {
            tiles.clear();
        }
        tiles.insert(key, Arc::clone(nodes));
    }
}

/// Reads the nodes of the tree of `size` leaves from its tiles, each tile once.
pub(crate) struct Nodes<'r> {
    rows: &'r mut dyn TreeRows,
    epoch: u64,
    size: u64,
    /// An edge of the same tree, now or later, where that is known.
    edge: Option<Edge>,
    upper: Arc<UpperTiles>,
    /// The tiles that were read.
    tiles: HashMap<(u8, u64), NodesOfTile>,
}

impl<'r> Nodes<'r> {
    pub(crate) fn new(rows: &'r mut dyn TreeRows, epoch: u64, size: u64) -> Self {
        Self { rows, epoch, size, edge: None, upper: Arc::default(), tiles: HashMap::new() }
    }

    /// Spares the tiles that are not full, and those that were read before, their computing.
    pub(crate) fn knowing(self, edge: Option<Edge>, upper: Arc<UpperTiles>) -> Self {
        Self { edge, upper, ..self }
    }

    /// All nodes over the hashes of one tile, as far as the tree has it.
    fn nodes_of(&mut self, level: u8, index: u64) -> Result<&[Vec<Hash>], StoreError> {
        let slot = match self.tiles.entry((level, index)) {
            Occupied(known) => return Ok(known.into_mut()),
            Vacant(slot) => slot,
        };
        let whole = TilePlace { level, index, width: TILE_WIDTH };
        let is_whole = whole.is_within(self.size);
        let key = (self.epoch, level, index);
        if let Some(known) = self.upper.get(key).filter(|_| is_whole) {
            return Ok(slot.insert(known));
        }
        let width = if is_whole { TILE_WIDTH } else { width_at(level, self.size) };
        let place = TilePlace { width, ..whole };
        let hashes = tile(self.rows, (self.epoch, self.size), place, self.edge.as_ref())?;
        let mut nodes = vec![hashes.ok_or_else(|| corrupt_tile(level, index))?];
        while let Some(row) = nodes.last().filter(|row| row.len() > 1) {
            nodes.push(parents(row));
        }
        let nodes = Arc::new(nodes);
        if is_whole && level > 0 {
            self.upper.keep(key, &nodes);
        }
        Ok(slot.insert(nodes))
    }
}

impl NodeReader for Nodes<'_> {
    type Error = StoreError;

    fn node(&mut self, height: u32, index: u64) -> Result<Hash, StoreError> {
        let (level, row) = (u8::try_from(height / TILE_HEIGHT)?, height % TILE_HEIGHT);
        // So many nodes of this height has a tile.
        let count = u64::from(TILE_WIDTH) >> row;
        let nodes = self.nodes_of(level, index / count)?.get(row as usize);
        let node = nodes.and_then(|it| it.get(usize::try_from(index % count).ok()?));
        node.copied().ok_or_else(|| {
            StoreError::Corrupt(format!("node {index} of height {height} has no leaves"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        store::StoredEntry,
        tlog::{
            leaf_hash, proof,
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
                let hashes = tile(&mut rows, (1, size), place, None).unwrap().unwrap();
                let TilePlace { level, index, width } = place;
                if width < TILE_WIDTH {
                    assert_eq!(hashes, edge.partial_tile(level), "{place:?} of {size}");
                } else {
                    assert_eq!(Some(&hashes), rows.full_tile(1, level, index).unwrap().as_ref());
                }
                let half = TilePlace { width: width.div_ceil(2), ..place };
                let first = tile(&mut rows, (1, size), half, None).unwrap().unwrap();
                assert_eq!(first, hashes[..usize::from(half.width)], "{half:?} of {size}");
                if width < TILE_WIDTH {
                    let beyond = TilePlace { width: width + 1, ..place };
                    assert_eq!(
                        tile(&mut rows, (1, size), beyond, None).unwrap(),
                        None,
                        "{beyond:?}"
                    );
                }
            }
        }
        let upper = Arc::new(UpperTiles::default());
        for seq in [0, 300, 65_535, 65_536, 65_999, 1] {
            let wanted = proof::inclusion(&mut Nodes::new(&mut rows, 1, 66_000), seq, 66_000);
            let mut nodes = Nodes::new(&mut rows, 1, 66_000).knowing(None, Arc::clone(&upper));
            assert_eq!(proof::inclusion(&mut nodes, seq, 66_000).unwrap(), wanted.unwrap());
        }
        let kept: Vec<_> = upper.0.lock().keys().copied().collect();
        assert_eq!(kept, [(1, 1, 0)]);
    }

    #[test]
    fn a_known_edge_gives_the_same_tiles_whether_it_trails_or_is_ahead() {
        let (mut rows, mut edges) = (Numbers::default(), vec![Edge::default()]);
        let upper = Arc::new(UpperTiles::default());
        for size in 1..=700_u64 {
            let mut edge = edges.last().unwrap().clone();
            edge.push(leaf_hash(size.to_string().as_bytes()), &mut |it| rows.full.push(it));
            edges.push(edge);
            rows.size = size;
        }
        for size in [1, 200, 255, 256, 257, 511, 512, 600, 700] {
            // What a reader sees that began at this size.
            let full = rows.full.iter().filter(|it| (it.index + 1) << (8 * (it.level + 1)) <= size);
            let mut rows = Numbers { size, full: full.cloned().collect() };
            for place in tiles_of(size) {
                let wanted = tile(&mut rows, (1, size), place, None).unwrap();
                for edge in [0, 1, 199, 200, 256, 257, 511, 513, 599, 600, 700].map(|it| &edges[it])
                {
                    let got = tile(&mut rows, (1, size), place, Some(edge)).unwrap();
                    assert_eq!(got, wanted, "{place:?} of {size}, edge of {}", edge.size());
                }
            }
            for seq in [0, size / 2, size - 1] {
                let mut plain = Nodes::new(&mut rows, 1, size);
                let wanted = proof::inclusion(&mut plain, seq, size).unwrap();
                let mut knowing = Nodes::new(&mut rows, 1, size)
                    .knowing(edges.last().cloned(), Arc::clone(&upper));
                assert_eq!(proof::inclusion(&mut knowing, seq, size).unwrap(), wanted);
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
            let error = tile(&mut rows, (1, 300), place, None).unwrap_err();
            assert!(matches!(error, StoreError::Corrupt(_)), "{error}");
        }
    }
}
