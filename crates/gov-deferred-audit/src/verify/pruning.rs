//! Judges what is not there against what the log says, signed, that it pruned.

use gov_core::AuditEventKind;

use super::{Report, SourceError, Which, epoch_check::Facts, source::Source};
use crate::{
    entry::Scanned,
    pruned::PruneStatement,
    tlog::{
        checkpoint::Checkpoint,
        edge::complete_root,
        tile::{self, TILE_WIDTH, TilePlace, width_at},
    },
};

/// How many entries a bundle has.
const BUNDLE: u64 = TILE_WIDTH as u64;

/// What one epoch says about pruning, and what of it is not there.
#[derive(Default)]
pub(super) struct Pruning {
    /// Full bundles of which nothing is there: the index of the first entry, and what to call it.
    pub(super) absent: Vec<(u64, String)>,
    /// Full bundles whose entries are there, and whose payloads are not: the same.
    pub(super) without_payloads: Vec<(u64, String)>,
    /// The statements with their index; `None` where one cannot be read.
    statements: Vec<(u64, Option<PruneStatement>)>,
    /// Whether it is known which of its entries were signed; before, none of them counts.
    is_settled: bool,
}

impl Pruning {
    /// Takes note of an entry, if it is a statement.
    pub(super) fn hear(&mut self, index: u64, entry: &Scanned<'_>) {
        if entry.kind.trim_matches('"') != AuditEventKind::AdminLogPruned.as_str() {
            return;
        }
        // A record of somebody else's that only has the name says nothing.
        let Some(reason) = entry.reason else { return };
        let statement = serde_json::from_str::<String>(reason)
            .ok()
            .and_then(|it| PruneStatement::parse(&it))
            .filter(|it| entry.id.trim_matches('"') == it.record().to_string());
        self.statements.push((index, statement));
    }

    /// Keeps the statements of signed entries.
    pub(super) fn settle(&mut self, is_signed: impl Fn(u64) -> bool) {
        self.statements.retain(|(index, _)| is_signed(*index));
        self.is_settled = true;
    }
}

/// Judges what is not there in any epoch; what is wrong goes into the report.
pub(super) fn judge(judged: &[Facts], report: &mut Report) {
    let said = said(judged, report);
    for (at, facts) in judged.iter().enumerate() {
        let Some(pruning) = &facts.pruning else { continue };
        let later = judged.get(at..).unwrap_or_default();
        let mut in_doubt = false;
        // How many entries of these bundles are accounted for.
        let mut account = |bundles: &[(u64, String)]| {
            let mut entries = 0;
            for (first, what) in bundles {
                if said.covers(facts.epoch, *first) {
                    entries += BUNDLE;
                } else if later.iter().any(|it| may_cover(it, (facts.epoch, *first))) {
                    in_doubt = true;
                } else {
                    let at = (facts.epoch, Some(*first));
                    report.find(Which::Completeness, at, what.as_str(), "is missing");
                }
            }
            entries
        };
        let (pruned, bare) = (account(&pruning.absent), account(&pruning.without_payloads));
        if in_doubt {
            let why = "whether it was pruned is said where it cannot be judged";
            let why = format!("of epoch {} something is missing; {why}", facts.epoch);
            report.cannot_judge(Which::Completeness, why);
        }
        report.pruned += pruned;
        report.payloads.not_kept += bare;
        if let Some(summary) = report.epochs.iter_mut().find(|it| it.epoch == facts.epoch) {
            summary.pruned = pruned;
        }
    }
}

/// What all signed statements say together, once each is found to be one that a log makes.
fn said(judged: &[Facts], report: &mut Report) -> PruneStatement {
    let mut said = PruneStatement::default();
    for facts in judged {
        let Some(pruning) = facts.pruning.as_ref().filter(|it| it.is_settled) else { continue };
        for (index, statement) in &pruning.statements {
            let at = (facts.epoch, Some(*index));
            let mut find = |why: &str| report.find(Which::Integrity, at, "reason", why);
            let Some(statement) = statement else {
                find("it does not say what was pruned");
                continue;
            };
            if !is_possible(statement, (facts.epoch, *index), judged) {
                find("it says that more was pruned than there was");
                continue;
            }
            if !statement.contains(&said) {
                find("it says that less was pruned than was said before");
            }
            said = said.join(statement);
        }
    }
    said
}

/// Whether all that is pruned was there when it was said, at `index` of `epoch`.
fn is_possible(statement: &PruneStatement, (epoch, index): (u64, u64), judged: &[Facts]) -> bool {
    statement.below().iter().all(|(of, below)| {
        if *of == epoch {
            return *below <= index;
        }
        let facts = judged.iter().find(|it| it.epoch == *of);
        let size = facts.and_then(|it| it.checkpoint.as_ref()).map(|it| it.size);
        // Of an epoch that was not judged nothing is known.
        *of < epoch && (size.is_none_or(|size| *below <= size))
    })
}

/// Whether an epoch that could not be judged may account for what is missing.
fn may_cover(facts: &Facts, (epoch, index): (u64, u64)) -> bool {
    match &facts.pruning {
        None => facts.has_checkpoint,
        Some(pruning) => {
            let covers = |it: &PruneStatement| it.covers(epoch, index);
            !pruning.is_settled
                && pruning.statements.iter().any(|(_, it)| it.as_ref().is_some_and(covers))
        }
    }
}

/// Names the tiles of absent bundles that are not those of the tiles above them, where no tree is
/// the signed one: nothing else tells which of them was changed.
pub(super) fn blame_tiles<S: Source>(
    source: &mut S,
    epoch: u64,
    checkpoint: &Checkpoint,
    pruning: &Pruning,
    report: &mut Report,
) -> Result<(), SourceError> {
    for (first, _) in &pruning.absent {
        let index = first / BUNDLE;
        let (above, at) = (index / BUNDLE, usize::try_from(index % BUNDLE).unwrap_or(0));
        let is_full = checkpoint.size >> (2 * tile::TILE_HEIGHT) > above;
        let width = if is_full { TILE_WIDTH } else { width_at(1, checkpoint.size) };
        if !is_full && !source.keeps_partial_tiles() {
            continue;
        }
        let place = TilePlace { level: 0, index, width: TILE_WIDTH };
        let leaves = source.tile(epoch, place)?;
        let root = leaves.and_then(|it| complete_root(&tile::decode(&it)?));
        let parent = source.tile(epoch, TilePlace { level: 1, index: above, width })?;
        let wanted = parent.and_then(|it| tile::decode(&it)?.get(at).copied());
        if let (Some(root), Some(wanted)) = (root, wanted)
            && root != wanted
        {
            let why = "it is not the one that the tile above it names";
            let file = source.name(epoch, &place.path());
            report.find(Which::Integrity, (epoch, Some(*first)), file, why);
        }
    }
    Ok(())
}
