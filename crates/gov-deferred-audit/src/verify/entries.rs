//! Judges entries one by one: their form, their place, their payload.

use gov_core::payload;

use super::{Report, Which};
use crate::{
    entry::{EntryError, Scanned},
    payload_file::PayloadLine,
};

/// Where an entry should lie.
pub(super) struct Place<'a> {
    pub(super) epoch: u64,
    pub(super) index: u64,
    /// The origin, as a JSON string.
    pub(super) quoted_origin: &'a str,
}

/// Judges one entry's bytes; gives its fields if they can be read.
pub(super) fn judge<'e>(
    entry: &'e [u8],
    place: &Place<'_>,
    report: &mut Report,
) -> Option<Scanned<'e>> {
    let at = (place.epoch, Some(place.index));
    let scanned = match Scanned::of(entry) {
        Ok(scanned) => scanned,
        Err(error @ EntryError::UnknownVersion { .. }) => {
            let why = format!("epoch {}, index {}: {error}", place.epoch, place.index);
            report.cannot_judge(Which::Integrity, why);
            return None;
        }
        Err(error @ EntryError::Malformed { field }) => {
            report.find(Which::Integrity, at, field, error.to_string());
            return None;
        }
    };
    if scanned.seq != place.index + 1 {
        let why = format!("it says {}, and lies where {} belongs", scanned.seq, place.index + 1);
        report.find(Which::Integrity, at, "seq", why);
    }
    if scanned.origin != place.quoted_origin {
        report.find(Which::Integrity, at, "origin", "it is of another log");
    }
    Some(scanned)
}

/// Compares the payloads of one bundle with the commitments of its entries.
pub(super) fn judge_payloads(
    (epoch, first): (u64, u64),
    commits: &[Option<[u8; 32]>],
    lines: &[PayloadLine],
    report: &mut Report,
) {
    let own = payload::commit_all(lines.iter().map(|it| (&it.salt, it.payload.as_slice())));
    let mut lines = lines.iter().zip(own).peekable();
    for (index, commit) in (first..).zip(commits) {
        let at = (epoch, Some(index));
        let Some((_, own)) = lines.next_if(|(line, _)| line.seq == index + 1) else {
            report.find(Which::Completeness, at, "payload", "is missing");
            continue;
        };
        // What has no readable commitment has been found already.
        let Some(commit) = commit else { continue };
        if own == *commit {
            report.payloads.checked += 1;
        } else {
            report.find(Which::Integrity, at, "payload", "it does not fit its commitment");
        }
    }
    for (line, _) in lines {
        let why = format!("a payload of record {} has no place here", line.seq);
        report.find(Which::Integrity, (epoch, line.seq.checked_sub(1)), "payload", why);
    }
}
