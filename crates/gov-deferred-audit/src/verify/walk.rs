//! Walks through one epoch's entries and tiles, once, and compares both with the signed root.
//!
//! Two trees grow side by side: one of the entries, one of the stored tiles. As long as they agree
//! they are one. The signed root then says which of them is the one that was signed, and so
//! whether an entry or a tile was changed.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Report, SourceError, VerifyOptions, Which,
    entries::{self, Place},
    pruning::{self, Pruning},
    source::{BundleOf, PayloadsOf, Source},
};
use crate::tlog::{
    Hash, bundle,
    checkpoint::Checkpoint,
    edge::Edge,
    leaf_hashes,
    tile::{self, FullTile, TILE_WIDTH, TilePlace, bundles_of, tiles_of},
};

/// What the walk gives to the judgement of other things.
#[derive(Default)]
pub(super) struct Walked {
    pub(super) first_entry: Option<Vec<u8>>,
    pub(super) roots_at_kept: BTreeMap<u64, Hash>,
    pub(super) pruning: Pruning,
}

/// Judges everything that `checkpoint` covers; what is wrong goes into the report.
pub(super) fn judge<S: Source>(
    source: &mut S,
    epoch: u64,
    checkpoint: &Checkpoint,
    kept: BTreeSet<u64>,
    options: &VerifyOptions,
    report: &mut Report,
) -> Result<Walked, SourceError> {
    let origin = serde_json::to_string(&checkpoint.origin).unwrap_or_default();
    let found_before = report.findings.len();
    let mut walk = Walk::new(epoch, kept, origin);
    for (index, width) in bundles_of(checkpoint.size) {
        walk.step(source, (index, width), options, report)?;
    }
    let semantic = report.findings.get(found_before..).unwrap_or_default().iter();
    let placed = semantic.filter(|it| it.which == Which::Integrity && it.index.is_some()).count();
    let signed = walk.settle(checkpoint, placed > 0, report);
    match signed {
        Some(tree) => compare_upper_tiles(source, (epoch, checkpoint.size), &tree, report)?,
        None => pruning::blame_tiles(source, epoch, checkpoint, &walk.walked.pruning, report)?,
    }
    Ok(walk.walked)
}

/// A tree as it grows, with the full tiles above the leaves.
#[derive(Clone, Default)]
struct Tree {
    edge: Edge,
    upper: Vec<FullTile>,
}

impl Tree {
    fn extend(&mut self, leaves: &[Hash]) {
        let upper = &mut self.upper;
        self.edge.extend(leaves, &mut |tile| {
            if tile.level > 0 {
                upper.push(tile);
            }
        });
    }
}

struct Walk {
    epoch: u64,
    kept: BTreeSet<u64>,
    quoted_origin: String,
    of_entries: Tree,
    /// The tree of the stored tiles, from where it differs.
    of_tiles: Option<Tree>,
    /// Whether every entry was there.
    whole: bool,
    /// Where an entry and its stored hash differ.
    differing: Vec<u64>,
    walked: Walked,
}

impl Walk {
    fn new(epoch: u64, kept: BTreeSet<u64>, quoted_origin: String) -> Self {
        Self {
            epoch,
            kept,
            quoted_origin,
            of_entries: Tree::default(),
            of_tiles: None,
            whole: true,
            differing: Vec::new(),
            walked: Walked::default(),
        }
    }

    /// One bundle of entries and its tile.
    fn step<S: Source>(
        &mut self,
        source: &mut S,
        (index, width): (u64, u16),
        options: &VerifyOptions,
        report: &mut Report,
    ) -> Result<(), SourceError> {
        let first = index * u64::from(TILE_WIDTH);
        let bytes = match source.bundle(self.epoch, index, width)? {
            BundleOf::Bytes(bytes) => Some(bytes),
            BundleOf::Absent(what) if width == TILE_WIDTH => {
                return self.step_over(source, index, what, options, report);
            }
            BundleOf::Absent(what) => {
                self.whole = false;
                report.find(Which::Completeness, (self.epoch, Some(first)), what, "is missing");
                None
            }
        };
        let entries = match &bytes {
            Some(bytes) => self.entries(source, (index, width), bytes, report),
            None => Vec::new(),
        };
        let leaves = leaf_hashes(entries.iter().copied());
        let commits: Vec<_> = (first..)
            .zip(&entries)
            .map(|(index, entry)| {
                let place = Place { epoch: self.epoch, index, quoted_origin: &self.quoted_origin };
                let scanned = entries::judge(entry, &place, report)?;
                self.walked.pruning.hear(index, &scanned);
                Some(scanned.payload_commit)
            })
            .collect();
        if first == 0 {
            self.walked.first_entry = entries.first().map(|entry| entry.to_vec());
        }
        if options.payloads {
            self.payloads(source, (index, width), Some(&commits), report)?;
        } else {
            report.payloads.not_kept += u64::from(width);
        }
        let stored = self.stored_hashes(source, (index, width), report)?;
        self.grow(first, &leaves, stored.as_deref().unwrap_or(&leaves));
        Ok(())
    }

    /// One bundle that is not there at all: its leaves are those of its tile, if the log says that
    /// it was pruned.
    fn step_over<S: Source>(
        &mut self,
        source: &mut S,
        index: u64,
        what: String,
        options: &VerifyOptions,
        report: &mut Report,
    ) -> Result<(), SourceError> {
        let first = index * u64::from(TILE_WIDTH);
        self.walked.pruning.absent.push((first, what));
        if options.payloads {
            self.payloads(source, (index, TILE_WIDTH), None, report)?;
        }
        match self.stored_hashes(source, (index, TILE_WIDTH), report)? {
            Some(hashes) => self.grow(first, &hashes, &hashes),
            None => self.whole = false,
        }
        Ok(())
    }

    fn entries<'b, S: Source>(
        &mut self,
        source: &S,
        (index, width): (u64, u16),
        bytes: &'b [u8],
        report: &mut Report,
    ) -> Vec<&'b [u8]> {
        let first = index * u64::from(TILE_WIDTH);
        let file =
            source.name(self.epoch, &format!("tile/entries/{}", tile::index_path(index, width)));
        let Some(mut entries) = bundle::split(bytes) else {
            self.whole = false;
            let why = "it does not end with an entry";
            report.find(Which::Integrity, (self.epoch, Some(first)), file, why);
            return Vec::new();
        };
        let end = first + u64::try_from(entries.len()).unwrap_or(u64::MAX);
        if entries.len() < usize::from(width) {
            self.whole = false;
            report.find(Which::Completeness, (self.epoch, Some(end)), "entry", "is missing");
        } else if entries.len() > usize::from(width) {
            entries.truncate(width.into());
            let beyond = first + u64::from(width);
            let why = "it has more entries than the checkpoint covers";
            report.find(Which::Integrity, (self.epoch, Some(beyond)), file, why);
        }
        entries
    }

    /// The payloads of a bundle; there must be none where there are no `commits`.
    fn payloads<S: Source>(
        &mut self,
        source: &mut S,
        (index, width): (u64, u16),
        commits: Option<&[Option<[u8; 32]>]>,
        report: &mut Report,
    ) -> Result<(), SourceError> {
        let first = index * u64::from(TILE_WIDTH);
        let at = (self.epoch, Some(first));
        let name =
            || source.name(self.epoch, &format!("payload/{}", tile::index_path(index, width)));
        let file = name();
        match source.payloads(self.epoch, index, width)? {
            PayloadsOf::NotKept | PayloadsOf::Missing if commits.is_none() => (),
            PayloadsOf::NotKept => report.payloads.not_kept += u64::from(width),
            PayloadsOf::Missing if width == TILE_WIDTH => {
                self.walked.pruning.without_payloads.push((first, file));
            }
            PayloadsOf::Missing => report.find(Which::Completeness, at, file, "is missing"),
            PayloadsOf::Bad => {
                report.find(Which::Integrity, at, file, "it is not as payloads are written");
            }
            PayloadsOf::Lines(lines) => match (commits, lines.first()) {
                (Some(commits), _) => {
                    entries::judge_payloads((self.epoch, first), commits, &lines, report);
                }
                (None, Some(line)) => {
                    let at = (self.epoch, line.seq.checked_sub(1));
                    let why = format!("{} lie here without their entries", lines.len());
                    report.find(Which::Integrity, at, "payload", why);
                }
                (None, None) => (),
            },
        }
        Ok(())
    }

    /// The stored hashes of a bundle's leaves; `None` where they are not stored, or unusable.
    fn stored_hashes<S: Source>(
        &self,
        source: &mut S,
        (index, width): (u64, u16),
        report: &mut Report,
    ) -> Result<Option<Vec<Hash>>, SourceError> {
        let place = TilePlace { level: 0, index, width };
        if width < TILE_WIDTH && !source.keeps_partial_tiles() {
            return Ok(None);
        }
        let first = Some(index * u64::from(TILE_WIDTH));
        let file = source.name(self.epoch, &place.path());
        let Some(bytes) = source.tile(self.epoch, place)? else {
            report.find(Which::Completeness, (self.epoch, first), file, "is missing");
            return Ok(None);
        };
        let hashes = tile::decode(&bytes).filter(|it| it.len() == usize::from(width));
        if hashes.is_none() {
            let why = format!("it is not {width} hashes");
            report.find(Which::Integrity, (self.epoch, first), file, why);
        }
        Ok(hashes)
    }

    fn grow(&mut self, first: u64, leaves: &[Hash], stored: &[Hash]) {
        if leaves != stored {
            self.of_tiles.get_or_insert_with(|| self.of_entries.clone());
            let pairs = (first..).zip(leaves.iter().zip(stored));
            let differing = pairs.filter(|(_, (leaf, hash))| leaf != hash).map(|(at, _)| at);
            self.differing.extend(differing);
        }
        if let Some(tree) = &mut self.of_tiles {
            tree.extend(stored);
        }
        // Not beyond a size at which the verifier knows the root.
        let (mut from, end) =
            (self.of_entries.edge.size(), self.of_entries.edge.size() + leaves.len() as u64);
        let mut rest = leaves;
        for size in self.kept.range(from..end).copied().collect::<Vec<_>>() {
            let now;
            (now, rest) = rest.split_at(usize::try_from(size - from).unwrap_or_default());
            self.of_entries.extend(now);
            self.note_kept_root();
            from = size;
        }
        self.of_entries.extend(rest);
        self.note_kept_root();
    }

    fn note_kept_root(&mut self) {
        let edge = &self.of_entries.edge;
        if self.whole && self.kept.contains(&edge.size()) {
            self.walked.roots_at_kept.entry(edge.size()).or_insert_with(|| edge.root());
        }
    }

    /// Says which of the trees was signed, and puts the blame accordingly.
    fn settle(
        &mut self,
        checkpoint: &Checkpoint,
        placed: bool,
        report: &mut Report,
    ) -> Option<Tree> {
        // A log without records has no bundle to step through.
        self.note_kept_root();
        let signed = |tree: &Tree| {
            tree.edge.size() == checkpoint.size && tree.edge.root() == checkpoint.root
        };
        let by_tiles = self.of_tiles.take();
        if self.whole && signed(&self.of_entries) {
            for at in &self.differing {
                let width = u64::from(TILE_WIDTH);
                let why = "its hash is not the one of the signed entry";
                let what = format!("tile/0/{}", tile::index_path(at / width, TILE_WIDTH));
                report.find(Which::Integrity, (self.epoch, Some(*at)), what, why);
            }
            self.walked.pruning.settle(|_| true);
            return Some(std::mem::take(&mut self.of_entries));
        }
        let by_tiles_signed = by_tiles.filter(signed);
        if by_tiles_signed.is_some() {
            self.walked.pruning.settle(|index| !self.differing.contains(&index));
        }
        let why = if by_tiles_signed.is_some() {
            "it is not the entry that was signed"
        } else {
            "entry and stored hash differ, and the root is not the signed one"
        };
        for at in &self.differing {
            report.find(Which::Integrity, (self.epoch, Some(*at)), "entry", why);
        }
        if self.whole && by_tiles_signed.is_none() && self.differing.is_empty() && !placed {
            let why =
                "the entries do not make the signed root; which of them differs cannot be told";
            report.find(Which::Integrity, (self.epoch, None), "root", why);
        }
        by_tiles_signed
    }
}

/// Compares the tiles above the leaves with those of the signed tree.
fn compare_upper_tiles<S: Source>(
    source: &mut S,
    (epoch, size): (u64, u64),
    tree: &Tree,
    report: &mut Report,
) -> Result<(), SourceError> {
    for place in tiles_of(size).filter(|place| place.level > 0) {
        let full = tree.upper.iter().find(|it| (it.level, it.index) == (place.level, place.index));
        let hashes = match full {
            Some(full) => full.hashes.as_slice(),
            None if !source.keeps_partial_tiles() => continue,
            None => tree.edge.partial_tile(place.level),
        };
        let leaves_below = u32::from(place.level + 1) * tile::TILE_HEIGHT;
        let at = (epoch, place.index.checked_shl(leaves_below));
        let file = source.name(epoch, &place.path());
        match source.tile(epoch, place)? {
            None => report.find(Which::Completeness, at, file, "is missing"),
            Some(bytes) if bytes != hashes.as_flattened() => {
                let why = "its hashes are not those of the signed tree";
                report.find(Which::Integrity, at, file, why);
            }
            Some(_) => (),
        }
    }
    Ok(())
}
