//! One job of the writer: what came in, behind what accounts for what did not.

use std::sync::atomic::Ordering;

use rusqlite::Connection;

use super::{
    Inner,
    error::{JobError, Space},
    gap::Gap,
    hand::Touch,
    intake::Pending,
    limits::Size,
};
use crate::store::sqlite::{self, Books, State};

/// So many of the newest rows are looked at for a gap that can grow: one of each kind fits.
const RECENT: u32 = 4;
/// So many rows at once go early when room is short: the more, the rarer.
const EARLY: u32 = 256;

/// What one job writes.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) items: Vec<Pending>,
    pub(super) gaps: Vec<Gap>,
    /// What will wait when everything in flight is written.
    pub(super) used: Size,
    pub(super) touch: Option<Touch>,
}

/// What a job did: where each event is, or what was missing.
#[derive(Debug)]
pub(super) struct Report {
    pub(super) state: State,
    pub(super) outcomes: Vec<Result<u64, Space>>,
}

impl Batch {
    /// Writes it; on the writer's thread.
    pub(super) fn write(
        &mut self,
        inner: &Inner,
        connection: &Connection,
    ) -> Result<Report, JobError> {
        let mut books = Books::open(connection)?;
        inner.account(&mut books, &self.gaps, &mut self.touch)?;
        let floor = inner.handed_out.load(Ordering::Acquire) + 1;
        let mut outcomes = Vec::with_capacity(self.items.len());
        for item in &self.items {
            if let Some(since) = item.unknown_since
                && let Some(seq) = sqlite::find(connection, since, item.event.id)?
            {
                outcomes.push(Ok(seq));
                continue;
            }
            if inner.disk.is_full() {
                self.used = self.used.minus(item.size());
                outcomes.push(Err(Space::Disk));
                continue;
            }
            if !item.fits
                && let Some(missing) =
                    inner.make_room(&mut books, item.class, &mut self.used, &mut self.touch)?
            {
                self.used = self.used.minus(item.size());
                outcomes.push(Err(missing));
                continue;
            }
            inner.release_early(&mut books, item.size())?;
            outcomes.push(Ok(match item.place {
                0 => books.append(floor, &item.event)?,
                place => books.place(place, &item.event)?,
            }));
        }
        Ok(Report { state: books.close()?, outcomes })
    }
}

impl Inner {
    /// Writes gaps behind all others, or into those that are there already and alike.
    pub(super) fn account(
        &self,
        books: &mut Books<'_>,
        gaps: &[Gap],
        touch: &mut Option<Touch>,
    ) -> Result<(), JobError> {
        if gaps.is_empty() {
            return Ok(());
        }
        let attempted = touch.get_or_insert_with(|| self.hand.touch()).attempted;
        let after = attempted.max(books.state.acked);
        let recent = sqlite::newest(books.connection, after, RECENT)?;
        let mut recent: Vec<_> = recent
            .into_iter()
            .map_while(|(seq, event)| Some((seq, event.json.len(), Gap::decode(&event)?)))
            .collect();
        let now = self.clock.now();
        let (buffer, node) = (books.state.buffer_id, &self.config.node);
        for gap in gaps {
            if let Some((seq, bytes, grown)) = recent.iter_mut().find(|it| it.2.is_like(gap)) {
                grown.absorb(gap);
                let event = grown.encode(buffer, *seq, now, node)?;
                sqlite::replace(books.connection, *seq, &event)?;
                books.resized(*bytes as u64, event.json.len() as u64);
                *bytes = event.json.len();
            } else {
                let floor = self.handed_out.load(Ordering::Acquire) + 1;
                let seq = floor.max(books.state.last.max(books.state.acked) + 1);
                books.append(seq, &gap.encode(buffer, seq, now, node)?)?;
                self.counters.gap();
            }
        }
        Ok(())
    }

    /// Deletes rows that are held only to be sent again, where `size` more would not fit beside
    /// them.
    pub(super) fn release_early(&self, books: &mut Books<'_>, size: Size) -> Result<(), JobError> {
        let all = self.limits.all;
        while books.state.rows + size.rows > all.rows || books.state.bytes + size.bytes > all.bytes
        {
            let freed = sqlite::released(books, u64::MAX, EARLY)?;
            if freed.rows == 0 {
                break;
            }
            self.counters.released_early(freed.rows);
        }
        Ok(())
    }
}
