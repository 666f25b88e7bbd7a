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
