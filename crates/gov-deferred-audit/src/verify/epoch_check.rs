//! Judges one epoch: its key, its checkpoint, and what that covers.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    EpochSummary, Report, SourceError, VerifyOptions, Which,
    pruning::Pruning,
    source::Source,
    walk::{self, Walked},
};
use crate::{
    epoch,
    tlog::{
        Hash,
        checkpoint::Checkpoint,
        key::VerifierKey,
        note::{Note, NoteError},
    },
};

/// What is known of an epoch once it is judged, for the judgement of its neighbours.
pub(super) struct Facts {
    pub(super) epoch: u64,
    /// The trusted key; `None` if there is none, and so nothing was judged.
    pub(super) key: Option<VerifierKey>,
    /// The verified checkpoint.
    pub(super) checkpoint: Option<Checkpoint>,
    /// Whether there was any checkpoint, good or bad.
    pub(super) has_checkpoint: bool,
    pub(super) first_note: Option<Vec<u8>>,
    pub(super) first_entry: Option<Vec<u8>>,
    /// The roots at the sizes of the checkpoints that the verifier kept.
    pub(super) roots_at_kept: BTreeMap<u64, Hash>,
    /// What it says about pruning; `None` if its entries were not judged.
    pub(super) pruning: Option<Pruning>,
}

/// Judges one epoch, after those in `before`; what is wrong goes into the report.
pub(super) fn judge<S: Source>(
    source: &mut S,
    (epoch, is_last): (u64, bool),
    before: &[Facts],
    options: &VerifyOptions,
    report: &mut Report,
) -> Result<Facts, SourceError> {
    let key = trusted_key(source, epoch, options, report)?;
    let bytes = source.checkpoint(epoch)?;
    let first_note = source.first_checkpoint(epoch)?;
    let mut facts = Facts {
        epoch,
        key,
        checkpoint: None,
        has_checkpoint: bytes.is_some(),
        first_note,
        first_entry: None,
        roots_at_kept: BTreeMap::new(),
        pruning: None,
    };
    let file = source.name(epoch, "checkpoint");
    match (&bytes, &facts.key) {
        (Some(bytes), Some(key)) => {
            let keys: Vec<_> =
                std::iter::once(key).chain(before.iter().flat_map(|it| &it.key)).cloned().collect();
            facts.checkpoint = opened(bytes, &keys, options, (epoch, &file), report);
        }
        // An epoch of which nothing is left has none; its successor's first entry must say so.
        (None, _) if is_last => {
            report.find(Which::Completeness, (epoch, None), file, "is missing");
        }
        _ => (),
    }
    if let (Some(checkpoint), Some(key)) = (facts.checkpoint.clone(), facts.key.clone()) {
        let kept = kept_sizes(options, epoch);
        let Walked { first_entry, roots_at_kept, pruning } =
            walk::judge(source, epoch, &checkpoint, kept, options, report)?;
        (facts.first_entry, facts.roots_at_kept) = (first_entry, roots_at_kept);
        facts.pruning = Some(pruning);
        let Checkpoint { origin, size, root } = checkpoint;
        source.find_strays(epoch, size, report)?;
        report.epochs.push(EpochSummary { epoch, origin, size, pruned: 0, root, key });
    } else if bytes.is_none() && !is_last {
        source.find_strays(epoch, 0, report)?;
    }
    Ok(facts)
}

/// The key for an epoch: one of the verifier's, or else the one beside the log.
fn trusted_key<S: Source>(
    source: &mut S,
    epoch: u64,
    options: &VerifyOptions,
    report: &mut Report,
) -> Result<Option<VerifierKey>, SourceError> {
    let file = source.name(epoch, "vkey");
    let beside = match source.vkey(epoch)? {
        None => {
            report.find(Which::Completeness, (epoch, None), file.as_str(), "is missing");
            None
        }
        Some(bytes) => {
            let text = std::str::from_utf8(&bytes).ok().and_then(|it| it.strip_suffix('\n'));
            let key = text.and_then(|it| it.parse::<VerifierKey>().ok());
            if key.is_none() {
                report.find(Which::Integrity, (epoch, None), file.as_str(), "it is no public key");
            }
            key
        }
    };
    let Some(given) = &options.keys else {
        if beside.is_none() {
            cannot_judge(report, &format!("there is no public key for epoch {epoch}"));
        }
        return Ok(beside);
    };
    let fitting = |key: &&VerifierKey| epoch::of(key.name()) == Some(epoch);
    // Of several keys for one epoch the one that lies beside the log is the one that is meant.
    let same = given.iter().find(|key| Some(*key) == beside.as_ref());
    let key = same.or_else(|| given.iter().find(fitting)).cloned();
    match (&key, &beside) {
        (None, _) => {
            cannot_judge(report, &format!("no key for epoch {epoch} is among the given ones"));
        }
        (Some(key), Some(beside)) if key != beside => {
            report.find(Which::Integrity, (epoch, None), file, "it is not the trusted key");
        }
        _ => (),
    }
    Ok(key)
}

fn cannot_judge(report: &mut Report, why: &str) {
    report.cannot_judge(Which::Integrity, why);
    report.cannot_judge(Which::Completeness, why);
}

/// The checkpoint, signed by the first of `keys`. Nobody vouches for the bytes of a line whose
/// signer is unknown, so there must be none.
fn opened(
    bytes: &[u8],
    keys: &[VerifierKey],
    options: &VerifyOptions,
    (epoch, file): (u64, &str),
    report: &mut Report,
) -> Option<Checkpoint> {
    let read = || {
        let note = Note::parse(bytes)?;
        let signers = note.verify(keys)?.len();
        let cosigned = note.cosigned(&options.witnesses)?;
        let strangers = note.signatures().len() - signers - cosigned.len();
        Ok::<_, NoteError>((Checkpoint::open(bytes, keys)?, cosigned, strangers))
    };
    let why = match read() {
        Err(error) => error.to_string(),
        Ok((.., 1..)) => "it has a line of an unknown signer".into(),
        Ok((it, ..)) if Some(it.origin.as_str()) != keys.first().map(VerifierKey::name) => {
            format!("it is of `{}`, not of epoch {epoch}", it.origin)
        }
        Ok((checkpoint, cosigned, _)) => {
            report.witnessed(&checkpoint, &cosigned);
            return Some(checkpoint);
        }
    };
    report.find(Which::Integrity, (epoch, None), file, why);
    None
}

/// The sizes of the kept checkpoints of this epoch.
fn kept_sizes(options: &VerifyOptions, epoch: u64) -> BTreeSet<u64> {
    let size = |bytes: &Vec<u8>| {
        let note = Note::parse(bytes).ok()?;
        let checkpoint = Checkpoint::parse(note.text()).ok()?;
        (epoch::of(&checkpoint.origin) == Some(epoch)).then_some(checkpoint.size)
    };
    options.from_checkpoints.iter().filter_map(size).collect()
}

/// Whether the log has grown out of a checkpoint that the verifier kept.
pub(super) fn judge_kept_checkpoint(
    bytes: &[u8],
    judged: &[Facts],
    options: &VerifyOptions,
    report: &mut Report,
) {
    const WHAT: &str = "from-checkpoint";
    let keys: Vec<_> = judged.iter().filter_map(|it| it.key.clone()).collect();
    let opened = Checkpoint::open(bytes, &keys)
        .and_then(|kept| Ok((kept, Note::parse(bytes)?.cosigned(&options.witnesses)?)));
    let (kept, cosigned) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            cannot_judge(report, &format!("the kept checkpoint cannot be trusted: {error}"));
            return;
        }
    };
    let facts = judged.iter().find(|it| epoch::of(&kept.origin) == Some(it.epoch));
    let Some((facts, log)) = facts.and_then(|it| it.checkpoint.as_ref().map(|log| (it, log)))
    else {
        let epoch = epoch::of(&kept.origin).unwrap_or(0);
        report.find(Which::Completeness, (epoch, Some(0)), WHAT, "nothing of its epoch is there");
        return;
    };
    if log.origin != kept.origin {
        report.find(Which::Integrity, (facts.epoch, None), WHAT, "it is of another log");
    } else if log.size < kept.size {
        let why = format!("it covers {} records, and the log has {}", kept.size, log.size);
        report.find(Which::Completeness, (facts.epoch, Some(log.size)), WHAT, why);
    } else if facts.roots_at_kept.get(&kept.size) != Some(&kept.root) {
        let why = format!("the log did not grow out of its first {} records", kept.size);
        report.find(Which::Integrity, (facts.epoch, None), WHAT, why);
    } else {
        report.witnessed(&kept, &cosigned);
    }
}
