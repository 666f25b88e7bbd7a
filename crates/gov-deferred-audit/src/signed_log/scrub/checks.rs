//! What is compared with what, a bounded read each.

use gov_core::payload;

use crate::{
    entry::Scanned,
    pruned::PruneStatement,
    store::{Head, LogRows, StoreError, tree::checked_edge},
    tlog::{
        HASH_BYTES, Hash,
        edge::complete_root,
        leaf_hashes,
        tile::{TILE_HEIGHT, TILE_WIDTH, TilePlace, tiles_of},
    },
    verify::Finding,
};

use super::finding;

/// How many hashes a full tile has.
const WIDTH: u64 = TILE_WIDTH as u64;

/// About what reading a full tile reads.
const TILE_BYTES: u64 = WIDTH * HASH_BYTES as u64;

/// What one read gave.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) bytes: u64,
    /// How many entries were judged.
    pub(super) records: u64,
    /// At most one of each kind: the first.
    pub(super) findings: Vec<Finding>,
    /// What the payloads must fit, as `(seq, commitment)`; `None` where it cannot be read.
    pub(super) commits: Vec<(u64, Option<[u8; 32]>)>,
}

/// One bundle, and what is known of its log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bundle {
    pub(super) epoch: u64,
    pub(super) size: u64,
    pub(super) index: u64,
    pub(super) width: u16,
    /// Whether the log's end makes the signed root: then so does every tile that it names.
    pub(super) is_signed: bool,
}

impl Bundle {
    pub(super) fn first(&self) -> u64 {
        self.index * WIDTH
    }

    pub(super) fn end(&self) -> u64 {
        self.first() + u64::from(self.width)
    }
}

/// The end of an epoch, its last records and tiles, against its signed root.
pub(super) fn end(rows: &mut dyn LogRows, head: &Head) -> Result<Step, StoreError> {
    let mut step = Step::default();
    // The head of now: it may have moved.
    let now = rows.heads()?.into_iter().find(|it| it.epoch == head.epoch);
    let Some(now) = now.filter(|it| it.size >= head.size) else {
        step.findings.push(finding(head.epoch, None, "head", "it went back"));
        return Ok(step);
    };
    if now.size == 0 && now.note.is_none() {
        return Ok(step);
    }
    let tiles = tiles_of(now.size).filter(|it| it.level > 0 && it.width < TILE_WIDTH);
    step.bytes = tiles.map(|it| u64::from(it.width) * TILE_BYTES).sum();
    match checked_edge(rows, &now) {
        Ok(_) => (),
        Err(StoreError::Corrupt(why)) => {
            step.findings.push(finding(head.epoch, None, "root", why));
        }
        Err(error) => return Err(error),
    }
    Ok(step)
}

/// The entries of a bundle against its tile, and the tile against the one above it.
pub(super) fn bundle(
    rows: &mut dyn LogRows,
    it: Bundle,
    said: &PruneStatement,
) -> Result<Step, StoreError> {
    let mut step = Step::default();
    let mut entries = rows.entries_after((it.epoch, it.first()), it.width.into())?;
    entries.retain(|(seq, _)| *seq <= it.end());
    step.bytes = entries.iter().map(|(_, entry)| bytes(entry)).sum();
    step.records = u64::try_from(entries.len())?;
    let commit = |entry: &[u8]| Scanned::of(entry).ok().map(|it| it.payload_commit);
    step.commits = entries.iter().map(|(seq, entry)| (*seq, commit(entry))).collect();

    let missing = (it.first() + 1..=it.end())
        .zip(entries.iter().map(|(seq, _)| Some(*seq)).chain(std::iter::repeat(None)))
        .find(|(wanted, seq)| Some(*wanted) != *seq);
    let is_pruned = entries.is_empty() && said.covers(it.epoch, it.first());
    if let Some((seq, _)) = missing
        && !is_pruned
    {
        step.findings.push(finding(it.epoch, Some(seq - 1), "entry", "is missing"));
    }
    if it.width < TILE_WIDTH {
        // The log's end makes its root of these.
        return Ok(step);
    }

    let place = TilePlace { level: 0, index: it.index, width: TILE_WIDTH };
    let Some(tile) = judged_tile(rows, (it.epoch, it.size), place, &mut step)? else {
        return Ok(step);
    };
    let leaves = leaf_hashes(entries.iter().map(|(_, entry)| entry.as_slice()));
    let differs = entries.iter().zip(leaves).find(|((seq, _), leaf)| {
        let at = usize::try_from(seq - 1 - it.first()).unwrap_or(usize::MAX);
        tile.hashes.get(at) != Some(leaf)
    });
    let is_named = tile.is_named.unwrap_or(it.is_signed);
    match (differs, is_named) {
        (None, true) => (),
        (Some(((seq, _), _)), true) => {
            let why = "it is not the entry that was signed";
            step.findings.push(finding(it.epoch, Some(seq - 1), "entry", why));
        }
        (Some(((seq, _), _)), false) => {
            let why = "its hash is not the one of the entry";
            step.findings.push(finding(it.epoch, Some(seq - 1), &place.path(), why));
        }
        // Where the end does not fit the root that is told already, and no tile is to blame.
        (None, false) if tile.is_named.is_none() => (),
        (None, false) => step.findings.push(unnamed(it.epoch, place, entries.is_empty())),
    }
    Ok(step)
}

/// The payloads after `seq` up to and with `last` against the commitments of their entries.
pub(super) fn payloads(
    rows: &mut dyn LogRows,
    (epoch, seq, last): (u64, u64, u64),
    commits: &[(u64, Option<[u8; 32]>)],
) -> Result<Step, StoreError> {
    let mut step = Step::default();
    for it in rows.payloads(epoch, seq, last)? {
        step.bytes += bytes(&it.payload);
        let why = match commits.iter().find(|(seq, _)| *seq == it.seq) {
            None => "it lies here without its entry",
            Some((_, Some(commit))) if payload::commit(&it.salt, &it.payload) != *commit => {
                "it does not fit its commitment"
            }
            Some(_) => continue,
        };
        if step.findings.is_empty() {
            step.findings.push(finding(epoch, it.seq.checked_sub(1), "payload", why));
        }
    }
    Ok(step)
}

/// The tiles above the leaves that a full tile above them names; the others are parts of the end.
pub(super) fn named_tiles(size: u64) -> impl Iterator<Item = TilePlace> {
    tiles_of(size).filter(move |it| it.level > 0 && above(*it, size).is_some())
}

/// A tile above the leaves against the one above it.
pub(super) fn tile(
    rows: &mut dyn LogRows,
    (epoch, size): (u64, u64),
    place: TilePlace,
) -> Result<Step, StoreError> {
    let mut step = Step::default();
    if let Some(tile) = judged_tile(rows, (epoch, size), place, &mut step)?
        && tile.is_named == Some(false)
    {
        step.findings.push(unnamed(epoch, place, true));
    }
    Ok(step)
}

/// A stored tile.
struct Judged {
    hashes: Vec<Hash>,
    /// Whether the full tile above names its root; `None` where there is no full one.
    is_named: Option<bool>,
}

fn judged_tile(
    rows: &mut dyn LogRows,
    (epoch, size): (u64, u64),
    place: TilePlace,
    step: &mut Step,
) -> Result<Option<Judged>, StoreError> {
    step.bytes += TILE_BYTES;
    let Some(hashes) = rows.full_tile(epoch, place.level, place.index)? else {
        step.findings.push(missing(epoch, place));
        return Ok(None);
    };
    let mut is_named = None;
    if let Some(parent) = above(place, size) {
        step.bytes += TILE_BYTES;
        match rows.full_tile(epoch, parent.level, parent.index)? {
            None => step.findings.push(missing(epoch, parent)),
            Some(named) => {
                let at = usize::try_from(place.index % WIDTH)?;
                is_named = Some(complete_root(&hashes).as_ref() == named.get(at));
            }
        }
    }
    Ok(Some(Judged { hashes, is_named }))
}

/// The full tile that names a full tile's root; `None` where that one is not full yet.
fn above(place: TilePlace, size: u64) -> Option<TilePlace> {
    let parent = TilePlace { level: place.level + 1, index: place.index / WIDTH, ..place };
    (place.width == TILE_WIDTH && parent.is_within(size)).then_some(parent)
}

fn missing(epoch: u64, place: TilePlace) -> Finding {
    finding(epoch, first_leaf(place), &place.path(), "is missing")
}

/// A tile and the one above it differ. Where the tile's entries are there and fit, it is the other.
fn unnamed(epoch: u64, place: TilePlace, is_alone: bool) -> Finding {
    let why = "its root is not the one that the tile above it names";
    if is_alone {
        return finding(epoch, first_leaf(place), &place.path(), why);
    }
    let parent = TilePlace { level: place.level + 1, index: place.index / WIDTH, ..place };
    let why = "it does not name the root of the tile below it";
    finding(epoch, first_leaf(place), &parent.path(), why)
}

fn first_leaf(place: TilePlace) -> Option<u64> {
    place.index.checked_shl(TILE_HEIGHT * (u32::from(place.level) + 1))
}

fn bytes(stored: &[u8]) -> u64 {
    u64::try_from(stored.len()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap};

    use gov_core::RecordId;

    use super::*;
    use crate::{
        store::{StoredEntry, StoredPayload, TreeRows},
        tlog::{edge::Edge, leaf_hash, tile::FullTile},
    };

    /// Enough for one full tile above the leaves.
    const SIZE: u64 = 65_536 + 300;

    /// A log whose entries are its sequence numbers, and may all be gone.
    struct Numbers {
        tiles: HashMap<(u8, u64), Vec<Hash>>,
        are_gone: bool,
    }

    impl Numbers {
        fn new(are_gone: bool) -> Self {
            let (mut edge, mut tiles) = (Edge::default(), HashMap::new());
            for seq in 1..=SIZE {
                edge.push(leaf_hash(seq.to_string().as_bytes()), &mut |it: FullTile| {
                    tiles.insert((it.level, it.index), it.hashes);
                });
            }
            Self { tiles, are_gone }
        }

        fn found(&mut self, index: u64) -> Vec<(Option<u64>, String)> {
            let said = PruneStatement::new([(1, 65_536)].into()).unwrap();
            let it = Bundle { epoch: 1, size: SIZE, index, width: TILE_WIDTH, is_signed: true };
            let step = bundle(self, it, &said).unwrap();
            step.findings.into_iter().map(|it| (it.index, it.what)).collect()
        }
    }

    impl TreeRows for Numbers {
        fn entries_after(
            &mut self,
            (_, seq): (u64, u64),
            limit: u64,
        ) -> Result<Vec<StoredEntry>, StoreError> {
            let seqs = (seq + 1..=SIZE).take(usize::try_from(limit)?).filter(|_| !self.are_gone);
            Ok(seqs.map(|seq| (seq, seq.to_string().into_bytes())).collect())
        }

        fn full_tile(
            &mut self,
            _epoch: u64,
            level: u8,
            index: u64,
        ) -> Result<Option<Vec<Hash>>, StoreError> {
            Ok(self.tiles.get(&(level, index)).cloned())
        }
    }

    impl LogRows for Numbers {
        fn heads(&mut self) -> Result<Vec<Head>, StoreError> {
            Ok(Vec::new())
        }

        fn payloads(
            &mut self,
            _epoch: u64,
            _seq: u64,
            _last: u64,
        ) -> Result<Vec<StoredPayload>, StoreError> {
            Ok(Vec::new())
        }

        fn find(&mut self, _id: RecordId) -> Result<Option<(u64, u64)>, StoreError> {
            Ok(None)
        }

        fn pruned(&mut self) -> Result<BTreeMap<u64, u64>, StoreError> {
            Ok(BTreeMap::new())
        }

        fn beyond(&mut self, _epoch: u64, _size: u64) -> Result<[u64; 3], StoreError> {
            Ok([0; 3])
        }

        fn after_epoch(&mut self, _last: u64) -> Result<[u64; 3], StoreError> {
            Ok([0; 3])
        }

        fn misplaced_ids(&mut self) -> Result<u64, StoreError> {
            Ok(0)
        }

        fn misfiled(&mut self, _epoch: u64) -> Result<Option<u64>, StoreError> {
            Ok(None)
        }
    }

    #[test]
    fn a_tile_is_held_against_the_one_above_it_and_the_one_that_differs_is_blamed() {
        let own = || (Some(1280), "tile/0/005".to_owned());
        for are_gone in [false, true] {
            let whole = Numbers::new(are_gone);
            let mut it = Numbers { tiles: whole.tiles.clone(), are_gone };
            assert_eq!([0, 5, 255].map(|index| it.found(index).len()), [0; 3]);

            it.tiles.get_mut(&(0, 5)).unwrap()[7][0] ^= 1;
            let place = if are_gone { own() } else { (Some(1287), "tile/0/005".to_owned()) };
            assert_eq!(it.found(5), [place]);
            assert_eq!(it.found(6), []);

            let mut it = Numbers { tiles: whole.tiles.clone(), are_gone };
            it.tiles.get_mut(&(1, 0)).unwrap()[5][0] ^= 1;
            let above = (Some(1280), "tile/1/000".to_owned());
            assert_eq!(it.found(5), [if are_gone { own() } else { above }]);

            let mut it = Numbers { tiles: whole.tiles, are_gone };
            it.tiles.remove(&(1, 0));
            assert_eq!(it.found(5), [(Some(0), "tile/1/000".to_owned())]);
            it.tiles.remove(&(0, 5));
            assert_eq!(it.found(5), [own()]);
        }
    }

    #[test]
    fn only_tiles_that_a_full_one_names_are_looked_at_by_themselves() {
        assert_eq!(named_tiles(SIZE).count(), 0);
        // Too many to list, so the first is enough: every tile of level 1 below a full one.
        let first = named_tiles(1 << 24).next();
        assert_eq!(first, Some(TilePlace { level: 1, index: 0, width: TILE_WIDTH }));
        assert_eq!(named_tiles(1 << 24).count(), 256);
    }

    #[test]
    fn what_is_gone_and_not_pruned_is_missing() {
        let mut it = Numbers::new(true);
        let said = PruneStatement::new([(1, 1024)].into()).unwrap();
        let at = |index| Bundle { epoch: 1, size: SIZE, index, width: TILE_WIDTH, is_signed: true };
        assert_eq!(bundle(&mut it, at(3), &said).unwrap().findings, []);
        let found = bundle(&mut it, at(4), &said).unwrap().findings;
        assert_eq!(found, [finding(1, Some(1024), "entry", "is missing")]);
    }
}
