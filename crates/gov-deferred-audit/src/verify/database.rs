//! A database as a source.

use super::{
    Report, SourceError, Which,
    source::{BundleOf, PayloadsOf, Source},
};
use crate::{
    payload_file::PayloadLine,
    store::{Head, LogRows, StoredPayload},
    tlog::{
        bundle,
        checkpoint::Checkpoint,
        note::Note,
        tile::{self, TILE_WIDTH, TilePlace},
    },
};

/// One state of a log's database.
pub(super) struct DatabaseSource<'c> {
    rows: &'c mut dyn LogRows,
    heads: Vec<Head>,
    /// The next entry behind those that are not there, as `(epoch, seq)`: what lies before it need
    /// not be looked for.
    next: Option<(u64, u64)>,
}

impl<'c> DatabaseSource<'c> {
    pub(super) fn new(rows: &'c mut dyn LogRows) -> Result<Self, SourceError> {
        let heads = rows.heads()?;
        if heads.is_empty() {
            return Err(SourceError::NoLog("the database".to_owned()));
        }
        Ok(Self { rows, heads, next: None })
    }

    fn head(&self, epoch: u64) -> Option<&Head> {
        self.heads.iter().find(|head| head.epoch == epoch)
    }
}

impl Source for DatabaseSource<'_> {
    fn epochs(&mut self, report: &mut Report) -> Result<Vec<u64>, SourceError> {
        let epochs: Vec<_> = self.heads.iter().map(|head| head.epoch).collect();
        for (wanted, epoch) in (1..).zip(&epochs) {
            if *epoch != wanted {
                report.find(Which::Completeness, (wanted, None), "epoch", "is missing");
                break;
            }
        }
        Ok(epochs)
    }

    fn name(&self, _epoch: u64, file: &str) -> String {
        file.to_owned()
    }

    fn checkpoint(&mut self, epoch: u64) -> Result<Option<Vec<u8>>, SourceError> {
        Ok(self.head(epoch).and_then(|head| head.note.clone()).map(String::into_bytes))
    }

    fn first_checkpoint(&mut self, epoch: u64) -> Result<Option<Vec<u8>>, SourceError> {
        Ok(self.head(epoch).and_then(|head| head.first_note.clone()).map(String::into_bytes))
    }

    fn vkey(&mut self, epoch: u64) -> Result<Option<Vec<u8>>, SourceError> {
        Ok(self.head(epoch).map(|head| format!("{}\n", head.vkey).into_bytes()))
    }

    fn keeps_partial_tiles(&self) -> bool {
        false
    }

    fn tile(&mut self, epoch: u64, place: TilePlace) -> Result<Option<Vec<u8>>, SourceError> {
        let hashes = self.rows.full_tile(epoch, place.level, place.index)?;
        Ok(hashes.map(|hashes| tile::encode(&hashes)))
    }

    fn bundle(&mut self, epoch: u64, index: u64, width: u16) -> Result<BundleOf, SourceError> {
        let first = index * u64::from(TILE_WIDTH);
        let last = first + u64::from(width);
        let absent = || Ok(BundleOf::Absent("entry".to_owned()));
        if self.next.is_some_and(|next| next > (epoch, last)) {
            return absent();
        }
        let rows = self.rows.entries_after((epoch, first), width.into())?;
        let next = rows.first().map_or(u64::MAX, |(seq, _)| *seq);
        if next > last {
            self.next = Some((epoch, next));
            return absent();
        }
        self.next = None;
        let mut bytes = Vec::new();
        // Behind a gap nothing lies where it belongs.
        let in_place = (first + 1..).zip(&rows).take_while(|(seq, row)| *seq == row.0);
        for (_, (_, entry)) in in_place {
            bundle::push(&mut bytes, entry).map_err(|it| SourceError::Unreadable(Box::new(it)))?;
        }
        Ok(BundleOf::Bytes(bytes))
    }

    fn payloads(&mut self, epoch: u64, index: u64, width: u16) -> Result<PayloadsOf, SourceError> {
        let first = index * u64::from(TILE_WIDTH);
        let rows = self.rows.payloads(epoch, first, first + u64::from(width))?;
        let line =
            |it: StoredPayload| PayloadLine { seq: it.seq, salt: it.salt, payload: it.payload };
        Ok(PayloadsOf::Lines(rows.into_iter().map(line).collect()))
    }

    fn find_strays(
        &mut self,
        epoch: u64,
        size: u64,
        report: &mut Report,
    ) -> Result<(), SourceError> {
        let beyond = self.rows.beyond(epoch, size)?;
        for (what, count) in ["entry", "payload", "tile"].into_iter().zip(beyond) {
            if count > 0 {
                let why = format!("{count} rows lie beyond the signed size");
                report.find(Which::Integrity, (epoch, Some(size)), what, why);
            }
        }
        // By its id a record is known when it comes again, and found when it is asked for.
        if let Some(seq) = self.rows.misfiled(epoch)? {
            let why = "it is filed under another id than its own";
            report.find(Which::Integrity, (epoch, seq.checked_sub(1)), "record_id", why);
        }
        if self.heads.last().is_some_and(|last| last.epoch == epoch) {
            let after = self.rows.after_epoch(epoch)?;
            for (what, count) in ["entry", "payload", "tile"].into_iter().zip(after) {
                if count > 0 {
                    let why = format!("{count} rows lie in epochs that have no head");
                    report.find(Which::Integrity, (epoch, None), what, why);
                }
            }
            let misplaced = self.rows.misplaced_ids()?;
            if misplaced > 0 {
                let why = format!("{misplaced} ids are kept as pruned where nothing was pruned");
                report.find(Which::Integrity, (epoch, None), "pruned_record", why);
            }
        }
        let head = self.head(epoch);
        let fits = head.is_some_and(|head| {
            let Some(note) = &head.note else { return head.size == 0 };
            let note = Note::parse(note.as_bytes());
            note.and_then(|note| Checkpoint::parse(note.text()))
                .is_ok_and(|it| (it.size, it.root) == (head.size, head.root))
        });
        if !fits {
            let why = "size and root are not those of the signed checkpoint";
            report.find(Which::Integrity, (epoch, None), "head", why);
        }
        Ok(())
    }
}
