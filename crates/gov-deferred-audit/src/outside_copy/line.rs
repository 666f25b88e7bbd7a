//! One line of an outside copy.

use gov_core::{Timestamp, canonical};
use serde::{Deserialize, Serialize};

use crate::{
    epoch,
    tlog::{checkpoint::Checkpoint, note::Note},
};

/// The format that is written.
const FORMAT_VERSION: u8 = 1;

/// One line, as JSON.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    at: Timestamp,
    checkpoint: String,
    v: u8,
}

/// A checkpoint as it was copied; its signature is not verified yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// When it was copied.
    pub at: Timestamp,
    /// The signed note.
    pub note: String,
    /// What the note says.
    pub checkpoint: Checkpoint,
}

impl Copied {
    /// Epoch and size: what may not go back from line to line.
    pub(super) fn place(&self) -> (u64, u64) {
        (epoch::of(&self.checkpoint.origin).unwrap_or(0), self.checkpoint.size)
    }
}

/// The line of a checkpoint, its line feed included: for the file, and for whoever copies
/// checkpoints to yet another place.
///
/// # Errors
///
/// None that a signed checkpoint causes.
pub fn line(at: Timestamp, note: &str) -> Result<Vec<u8>, canonical::CanonicalError> {
    let line = Line { at, checkpoint: note.to_owned(), v: FORMAT_VERSION };
    let mut bytes = canonical::to_bytes(&line)?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a line, its line feed left out, strictly.
pub(super) fn parse(text: &[u8]) -> Result<Copied, &'static str> {
    let line: Line = serde_json::from_slice(text).map_err(|_| "it is no line of version 1")?;
    if line.v != FORMAT_VERSION {
        return Err("its version is unknown");
    }
    if canonical::to_bytes(&line).map_or(true, |bytes| bytes != text) {
        return Err("it is not canonical");
    }
    let note = Note::parse(line.checkpoint.as_bytes()).map_err(|_| "it has no signed note")?;
    let checkpoint = Checkpoint::parse(note.text()).map_err(|_| "its note is no checkpoint")?;
    if epoch::of(&checkpoint.origin).is_none() {
        return Err("its origin names no epoch");
    }
    Ok(Copied { at: line.at, note: line.checkpoint, checkpoint })
}
