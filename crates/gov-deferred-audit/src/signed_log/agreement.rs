//! Whether the database has all that was signed and copied outside.

use super::{OpenError, Place};
use crate::{
    entry::Entry,
    epoch::{self, Handover},
    outside_copy::Copied,
    store::{Head, StoreError, TreeRows, tree::Nodes},
    tlog::{checkpoint::Checkpoint, note::Note, proof},
};

/// Whether the database has all that the outside copy knows, or says what of it was given up.
pub(super) fn agrees(
    rows: &mut dyn TreeRows,
    head: &Head,
    last: &Copied,
) -> Result<bool, StoreError> {
    let Copied { note, checkpoint: known, .. } = last;
    let epoch = epoch::of(&known.origin).unwrap_or(0);
    if epoch == head.epoch {
        let mut nodes = Nodes::new(rows, epoch, head.size);
        return Ok(known.size <= head.size
            && head.vkey.starts_with(&format!("{}+", known.origin))
            && proof::root(&mut nodes, known.size)? == known.root);
    }
    if epoch == 0 || epoch > head.epoch {
        return Ok(false);
    }
    // A rollback was accepted: by a process that ended before it could say so outside, or by
    // another node, which knew at least as much.
    let first = rows.entries_after((epoch + 1, 0), 1)?;
    let handover = first.first().and_then(|(_, entry)| {
        let reason = Entry::from_bytes(entry).ok()?.reason?;
        serde_json::from_str::<Handover>(&reason).ok()
    });
    let Some(handover) = handover else { return Ok(false) };
    if handover.checkpoint == *note {
        return Ok(true);
    }
    let Some(admitted) = checkpoint_of(&handover.checkpoint) else { return Ok(false) };
    if admitted.origin != known.origin || admitted.size <= known.size {
        return Ok(false);
    }
    let is_given_up = known.size > handover.surviving_size;
    Ok(is_given_up
        || proof::root(&mut Nodes::new(rows, epoch, known.size), known.size)? == known.root)
}

fn checkpoint_of(note: &str) -> Option<Checkpoint> {
    let note = Note::parse(note.as_bytes()).ok()?;
    Checkpoint::parse(note.text()).ok()
}

/// The alarm, with both states.
pub(super) fn rollback(head: Option<&Head>, last: Option<&Copied>, compared: bool) -> OpenError {
    let database =
        head.map_or(Place { epoch: 0, size: 0 }, |it| Place { epoch: it.epoch, size: it.size });
    let outside = last.map_or(Place { epoch: 0, size: 0 }, |it| Place {
        epoch: epoch::of(&it.checkpoint.origin).unwrap_or(0),
        size: it.checkpoint.size,
    });
    let differs = compared && database.epoch == outside.epoch && database.size >= outside.size;
    OpenError::Rollback { database, outside, differs }
}
