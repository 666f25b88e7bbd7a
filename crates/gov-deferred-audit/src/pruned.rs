//! What a log says of itself that it no longer has: whole bundles of old entries, tiles kept.

use std::collections::BTreeMap;

use gov_core::{AuditEventKind, RecordId};
use serde::{Deserialize, Serialize};

use crate::{entry::Entry, tlog::tile::TILE_WIDTH};

/// How many entries a bundle has.
const BUNDLE: u64 = TILE_WIDTH as u64;

/// More entries than this have no place in an epoch.
const MAX_BELOW: u64 = 1 << 40;

/// Which entries of each epoch are pruned: the `reason` of an `admin.log_pruned` entry, as JCS
/// `{"pruned":[{"below":39936,"epoch":1}]}`.
///
/// It speaks of all epochs at once and never says less than an earlier one, so the latest
/// suffices. `below` is an index, and a multiple of 256. The first bundle of an epoch after the
/// first is never pruned, whatever `below` is: it hands the log over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PruneStatement {
    // INVARIANT: epochs from 1; each `below` is a multiple of 256, at most `MAX_BELOW`, and prunes
    // at least one bundle.
    below: BTreeMap<u64, u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    pruned: Vec<PrunedEpoch>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PrunedEpoch {
    below: u64,
    epoch: u64,
}

impl PruneStatement {
    /// Says that of each epoch the entries below an index are pruned; `None` for what no log says.
    #[must_use]
    pub fn new(below: BTreeMap<u64, u64>) -> Option<Self> {
        let is_said = |(epoch, below): (&u64, &u64)| {
            *epoch >= 1
                && *below <= MAX_BELOW
                && below.is_multiple_of(BUNDLE)
                && *below > first_prunable(*epoch)
        };
        below.iter().all(is_said).then_some(Self { below })
    }

    /// Reads an entry's `reason`; `None` unless it is just what [`text`](Self::text) writes.
    #[must_use]
    pub fn parse(reason: &str) -> Option<Self> {
        let text: Text = serde_json::from_str(reason).ok()?;
        let below = text.pruned.iter().map(|it| (it.epoch, it.below)).collect();
        Self::new(below).filter(|it| it.text() == reason)
    }

    /// What an entry states; `None` if it is no statement.
    #[must_use]
    pub fn of(entry: &Entry) -> Option<Self> {
        let reason = entry.reason.as_ref().filter(|_| entry.kind == AuditEventKind::AdminLogPruned);
        Self::parse(reason?).filter(|it| it.record() == entry.id)
    }

    /// As it stands in the entry.
    #[must_use]
    pub fn text(&self) -> String {
        let pruned =
            self.below.iter().map(|(epoch, below)| PrunedEpoch { below: *below, epoch: *epoch });
        // Names and whole numbers below 2⁵³ always have the form.
        let bytes = gov_core::canonical::to_bytes(&Text { pruned: pruned.collect() });
        String::from_utf8(bytes.unwrap_or_default()).unwrap_or_default()
    }

    /// The id of the record that says this: the same words are one record.
    #[must_use]
    pub fn record(&self) -> RecordId {
        RecordId::derived("audit_log.pruned", &self.text())
    }

    /// Below which index each epoch's entries are pruned.
    #[must_use]
    pub fn below(&self) -> &BTreeMap<u64, u64> {
        &self.below
    }

    /// Below which index the entries of `epoch` are pruned; 0 where nothing is.
    #[must_use]
    pub fn below_of(&self, epoch: u64) -> u64 {
        self.below.get(&epoch).copied().unwrap_or(0)
    }

    /// Whether nothing is pruned.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.below.is_empty()
    }

    /// Whether the entry at `index` of `epoch` is pruned.
    #[must_use]
    pub fn covers(&self, epoch: u64, index: u64) -> bool {
        (first_prunable(epoch)..self.below_of(epoch)).contains(&index)
    }

    /// Whether all that `other` prunes is pruned.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.below.iter().all(|(epoch, below)| self.below_of(*epoch) >= *below)
    }

    /// What either of two prunes.
    #[must_use]
    pub fn join(&self, other: &Self) -> Self {
        let mut joined = self.clone();
        for (epoch, below) in &other.below {
            let known = joined.below.entry(*epoch).or_default();
            *known = (*known).max(*below);
        }
        joined
    }
}

/// The index of the first entry of an epoch that can be pruned.
#[must_use]
pub fn first_prunable(epoch: u64) -> u64 {
    // From the second epoch on, the first bundle says what became of the epoch before.
    if epoch > 1 { BUNDLE } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(below: &[(u64, u64)]) -> PruneStatement {
        PruneStatement::new(below.iter().copied().collect()).unwrap()
    }

    #[test]
    fn the_text_is_jcs_and_reads_back() {
        let it = statement(&[(1, 39936), (3, 512)]);
        let text = r#"{"pruned":[{"below":39936,"epoch":1},{"below":512,"epoch":3}]}"#;
        assert_eq!(it.text(), text);
        assert_eq!(PruneStatement::parse(text), Some(it));
    }

    #[test]
    fn what_no_log_says_is_no_statement() {
        for text in [
            r#"{"pruned":[{"below":300,"epoch":1}]}"#,
            r#"{"pruned":[{"below":0,"epoch":1}]}"#,
            r#"{"pruned":[{"below":256,"epoch":0}]}"#,
            r#"{"pruned":[{"below":256,"epoch":2}]}"#,
            r#"{"pruned":[{"epoch":1,"below":256}]}"#,
            r#"{"pruned": [{"below":256,"epoch":1}]}"#,
            r#"{"pruned":[{"below":512,"epoch":1},{"below":256,"epoch":1}]}"#,
            r#"{"pruned":[{"below":512,"epoch":3},{"below":256,"epoch":1}]}"#,
            r#"{"pruned":[{"below":256,"epoch":1,"why":"old"}]}"#,
            r#"{"pruned":[{"below":2199023255552,"epoch":1}]}"#,
            r#"{"pruned":256}"#,
            "",
        ] {
            assert_eq!(PruneStatement::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_handover_of_a_later_epoch_is_never_covered() {
        let it = statement(&[(1, 512), (2, 512)]);
        let covered = |epoch| [0, 255, 256, 511, 512].map(|index| it.covers(epoch, index));
        assert_eq!(covered(1), [true, true, true, true, false]);
        assert_eq!(covered(2), [false, false, true, true, false]);
        assert_eq!(covered(3), [false; 5]);
    }

    #[test]
    fn two_statements_join_to_what_either_says() {
        let (one, other) = (statement(&[(1, 512), (2, 512)]), statement(&[(1, 256), (3, 768)]));
        let both = one.join(&other);
        assert_eq!(both, statement(&[(1, 512), (2, 512), (3, 768)]));
        assert!(both.contains(&one) && both.contains(&other) && both.contains(&both));
        assert!(!one.contains(&both) && one.contains(&PruneStatement::default()));
        assert_ne!(one.record(), both.record());
    }
}
