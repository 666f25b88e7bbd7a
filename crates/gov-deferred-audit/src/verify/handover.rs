//! Judges what an epoch's first entry and first checkpoint say about the epoch before.

use gov_core::AuditEventKind;

use super::{Loss, Report, VerifyOptions, Which, epoch_check::Facts};
use crate::{
    entry::Entry,
    epoch::Handover,
    tlog::{checkpoint::Checkpoint, empty_root, key::VerifierKey, leaf_hash, note::Note},
};

/// Judges the step from `before` to `after`; what is wrong goes into the report.
pub(super) fn judge(before: &Facts, after: &Facts, options: &VerifyOptions, report: &mut Report) {
    let at = (after.epoch, Some(0));
    let Some(entry) = after.first_entry.as_deref() else {
        if after.checkpoint.is_some() {
            report.find(Which::Completeness, at, "entry", "the handover is missing");
        }
        return;
    };
    let (Some(old), Some(new)) = (&before.key, &after.key) else { return };
    judge_first_checkpoint(entry, [old, new], after, report);
    let Some((kind, handover)) = handed_over(entry) else {
        report.find(Which::Integrity, at, "reason", "the first entry hands nothing over");
        return;
    };
    let (size, root) =
        before.checkpoint.as_ref().map_or((0, empty_root()), |it| (it.size, it.root));
    let judged = before.checkpoint.is_some() || !before.has_checkpoint;
    if judged && (handover.surviving_size, handover.root()) != (size, Some(root)) {
        let why = format!("it says that {} records survived", handover.surviving_size);
        report.find(Which::Integrity, at, "reason", format!("{why}, and there are {size}"));
    }
    let keys = std::slice::from_ref(old);
    match Checkpoint::open(handover.checkpoint.as_bytes(), keys) {
        Ok(known) if kind == AuditEventKind::AdminKeyRotated => {
            judge_rotation(before, at, (&handover, &known), report);
        }
        Ok(known) => judge_loss(before.epoch, &handover, &known, options, report),
        Err(error) => {
            let why = format!("the checkpoint it hands over cannot be trusted: {error}");
            report.find(Which::Integrity, at, "reason", why);
        }
    }
}

/// What the first entry says of the epoch before, and why that one ended.
fn handed_over(entry: &[u8]) -> Option<(AuditEventKind, Handover)> {
    let entry = Entry::from_bytes(entry).ok()?;
    let ends = [AuditEventKind::AdminRollbackAccepted, AuditEventKind::AdminKeyRotated];
    let kind = Some(entry.kind).filter(|kind| ends.contains(kind))?;
    Some((kind, serde_json::from_str(&entry.reason?).ok()?))
}

/// A new key is no excuse for a loss: all that the final checkpoint covers is handed over.
fn judge_rotation(
    before: &Facts,
    at: (u64, Option<u64>),
    (handover, known): (&Handover, &Checkpoint),
    report: &mut Report,
) {
    if !before.has_checkpoint {
        report.find(Which::Completeness, (before.epoch, None), "checkpoint", "is missing");
    }
    if (handover.surviving_size, handover.root()) != (known.size, Some(known.root)) {
        let (left, all) = (handover.surviving_size, known.size);
        let why = format!("the key was rotated, and {left} of {all} records were handed over");
        report.find(Which::Integrity, at, "reason", why);
    }
}

fn judge_loss(
    epoch: u64,
    handover: &Handover,
    known: &Checkpoint,
    options: &VerifyOptions,
    report: &mut Report,
) {
    let survived = handover.surviving_size;
    report.losses.push(Loss { epoch, survived, known: known.size });
    // A verifier that begins later has settled this loss before.
    if epoch < options.from_epoch {
        return;
    }
    let (index, why) = if survived < known.size {
        (survived, format!("records {survived} to {} are lost", known.size - 1))
    } else {
        (0, "the records were replaced by others".to_owned())
    };
    let why = format!("{why}; the rollback was accepted");
    report.find(Which::Completeness, (epoch, Some(index)), "entry", why);
}

/// The first checkpoint covers the first entry and carries both signatures.
fn judge_first_checkpoint(
    entry: &[u8],
    keys: [&VerifierKey; 2],
    after: &Facts,
    report: &mut Report,
) {
    const WHAT: &str = "first-checkpoint";
    let at = (after.epoch, Some(0));
    let Some(bytes) = &after.first_note else {
        report.find(Which::Completeness, at, WHAT, "is missing");
        return;
    };
    let [old, new] = keys;
    let trusted = [old.clone(), new.clone()];
    // The root of one leaf is that leaf.
    let root = leaf_hash(entry);
    let note = Note::parse(bytes);
    let fits = note.as_ref().is_ok_and(|note| {
        let covers = Checkpoint::parse(note.text())
            .is_ok_and(|it| it.origin == new.name() && it.size == 1 && it.root == root);
        let signers = note.verify(&trusted).unwrap_or_default();
        covers && signers == [new, old] && note.signatures().len() == 2
    });
    if !fits {
        let why = "it does not cover the first entry under the keys of both epochs";
        report.find(Which::Integrity, at, WHAT, why);
    }
}
