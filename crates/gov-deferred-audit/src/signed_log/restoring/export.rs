//! An export that is whole, and what it says the log is.

use std::path::Path;

use super::{Place, RestoreError, place_of};
use crate::{
    epoch,
    outside_copy::Copied,
    signed_log::OpenError,
    signer::{KeyDir, KeyFileError},
    store::Head,
    tlog::{
        checkpoint::Checkpoint,
        empty_root,
        key::{PrivateKey, VerifierKey},
        note::Note,
    },
    verify::{
        Report, SourceError, Verdict, VerifyOptions, directory::Directory, source::Source,
        verify_export,
    },
};

/// An export that verified under the log's keys, and grew out of what the outside copy knows.
pub(super) struct Export {
    pub(super) directory: Directory,
    /// The state of every epoch, the first first.
    pub(super) heads: Vec<Head>,
    /// The key that goes on.
    pub(super) key: PrivateKey,
}

impl Export {
    /// Judges the export in `dir`, byte by byte. Blocks.
    pub(super) fn judged(dir: &Path, keys: &Path, known: &Copied) -> Result<Self, RestoreError> {
        let mut directory = Directory::open(dir)?;
        let epochs = directory.epochs(&mut Report::new(&VerifyOptions::default()))?;
        let current = epochs.last().copied().unwrap_or(1);
        check_end(&mut directory, current, known)?;
        let keys = KeyDir::new(keys);
        let public = epochs.iter().map(|epoch| keys.require_public(*epoch));
        let public = public.collect::<Result<Vec<_>, KeyFileError>>().map_err(OpenError::from)?;
        judge(dir, public.clone(), known)?;
        let heads = epochs.iter().zip(&public);
        let heads = heads.map(|(epoch, key)| head_of(&mut directory, *epoch, key));
        let heads = heads.collect::<Result<_, _>>()?;
        let origin = public.last().map(VerifierKey::name).unwrap_or_default();
        let key = keys.require(current, origin).map_err(OpenError::from)?;
        Ok(Self { directory, heads, key })
    }

    /// The end of the log that the export holds.
    pub(super) fn end(&self) -> Place {
        self.heads.last().map_or(Place { epoch: 0, size: 0 }, place_of)
    }
}

/// Whether the export says that it has all that the copy knows: asked first, for a better answer.
fn check_end(directory: &mut Directory, epoch: u64, known: &Copied) -> Result<(), RestoreError> {
    let note = directory.checkpoint(epoch)?.unwrap_or_default();
    let size = parse(&note).map_or(0, |it| it.size);
    let outside = Place {
        epoch: epoch::of(&known.checkpoint.origin).unwrap_or(0),
        size: known.checkpoint.size,
    };
    if (epoch, size) < (outside.epoch, outside.size) {
        return Err(RestoreError::Behind { export: Place { epoch, size }, outside });
    }
    Ok(())
}

fn judge(dir: &Path, keys: Vec<VerifierKey>, known: &Copied) -> Result<(), RestoreError> {
    let options = VerifyOptions {
        // What was lost and accepted before is no matter of this restoration.
        from_epoch: u64::MAX,
        from_checkpoints: vec![known.note.clone().into_bytes()],
        ..VerifyOptions::trusting(keys)
    };
    let report = verify_export(dir, &options)?;
    if let Some(finding) = report.first_bad() {
        return Err(RestoreError::NotWhole(finding.clone()));
    }
    for verdict in [&report.integrity, &report.completeness] {
        if let Verdict::NotJudged(why) = verdict {
            return Err(RestoreError::NotJudged(why.clone()));
        }
    }
    if report.payloads.not_kept > 0 {
        return Err(RestoreError::NoPayloads);
    }
    Ok(())
}

/// The state of an epoch as its row says it.
fn head_of(directory: &mut Directory, epoch: u64, key: &VerifierKey) -> Result<Head, SourceError> {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    let note = directory.checkpoint(epoch)?;
    let checkpoint = note.as_deref().and_then(parse);
    Ok(Head {
        epoch,
        vkey: key.to_string(),
        // An epoch of which nothing is left has no checkpoint.
        size: checkpoint.as_ref().map_or(0, |it| it.size),
        root: checkpoint.map_or_else(empty_root, |it| it.root),
        note: note.map(text),
        first_note: directory.first_checkpoint(epoch)?.map(text),
    })
}

fn parse(note: &[u8]) -> Option<Checkpoint> {
    Checkpoint::parse(Note::parse(note).ok()?.text()).ok()
}
