//! Making room: the oldest events that no sink can have seen go, and one gap takes their place.

use std::collections::VecDeque;

use super::{
    Inner,
    error::{JobError, Space},
    gap::{Gap, GapReason},
    hand::Touch,
    limits::{Class, Size},
};
use crate::store::sqlite::{self, Books, Loose};

/// At most this many events go at once beyond what is needed, so that most appends drop nothing.
const CHUNK: u64 = 1024;
/// An `audit.gap` of this kind is never larger.
const GAP_BYTES: u64 = 1024;

/// What is known about the rows that may be dropped; only the writer's thread asks.
#[derive(Debug, Default)]
pub(super) struct Shed {
    normal: Victims,
    high: Victims,
}

/// The rows of one class.
#[derive(Debug, Default)]
struct Victims {
    /// Rows up to this one were looked at: each is looked at once, however many are of the other
    /// class.
    looked_up_to: u64,
    /// Found and not dropped yet, the oldest first.
    found: VecDeque<Loose>,
    /// What accounts for those that were dropped: where it is, and how large.
    gap: Option<(u64, u64, Gap)>,
}

impl Shed {
    /// Forgets what it knows: a transaction was undone, or rows came back.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }
}

impl Inner {
    /// Drops what it must so that `used`, everything in flight included, is within the limit of
    /// `class`. Gives what is missing if that cannot be done; then nothing is dropped.
    pub(super) fn make_room(
        &self,
        books: &mut Books<'_>,
        class: Class,
        used: &mut Size,
        touch: &mut Option<Touch>,
    ) -> Result<Option<Space>, JobError> {
        let Some(missing) = self.limits.missing(class, *used) else { return Ok(None) };
        let touch = touch.get_or_insert_with(|| self.hand.touch());
        let kept = touch.attempted.max(books.state.acked);
        let over = used.minus(self.limits.of_class(class));
        let mut shed = self.shed.lock();
        for victims in [Class::Normal, Class::High] {
            // What matters less never displaces what matters more.
            if victims > class {
                break;
            }
            if let Some(freed) = self.drop_oldest(books, &mut shed, victims, kept, over)? {
                *used = used.minus(freed);
                return Ok(None);
            }
        }
        Ok(Some(missing))
    }

    /// Drops rows of `class` behind `kept` until `over` less wait; `None`, and nothing dropped, if
    /// there are not enough.
    fn drop_oldest(
        &self,
        books: &mut Books<'_>,
        shed: &mut Shed,
        class: Class,
        kept: u64,
        over: Size,
    ) -> Result<Option<Size>, JobError> {
        let victims = match class {
            Class::Normal => &mut shed.normal,
            Class::High => &mut shed.high,
        };
        if victims.gap.as_ref().is_some_and(|it| it.0 <= kept) {
            victims.gap = None;
        }
        // The gap itself takes a row, unless one is there that it replaces.
        let needed = over.rows + u64::from(victims.gap.is_none());
        let extra = (self.limits.all.rows / 128).min(CHUNK);
        let bytes = if over.bytes == 0 { 0 } else { over.bytes.saturating_add(GAP_BYTES) };
        let enough = Size { rows: needed, bytes };
        if !victims.look(books, class, kept, enough, needed + extra)? {
            return Ok(None);
        }
        let wanted = needed.saturating_add(extra);
        let mut gone = Size::default();
        let mut rows = Vec::new();
        while (gone.rows < wanted || gone.bytes < enough.bytes)
            && let Some(row) = victims.found.pop_front()
        {
            gone = gone.plus(Size { rows: 1, bytes: row.bytes });
            rows.push(row);
        }
        let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(None) };
        let mut gap = Gap {
            class: Some(class),
            reason: GapReason::Dropped,
            count: gone.rows,
            first: rows.iter().map(|it| it.at).min().unwrap_or(first.at),
            last: rows.iter().map(|it| it.at).max().unwrap_or(last.at),
            places: Some((first.seq, last.seq)),
        };
        let place = last.seq;
        self.counters.dropped(gone.rows);
        for row in rows.iter().filter(|it| it.seq != place) {
            sqlite::remove(books.connection, row.seq)?;
        }
        let mut freed = gone;
        if let Some((seq, bytes, older)) = victims.gap.take() {
            gap.absorb(&older);
            sqlite::remove(books.connection, seq)?;
            freed = freed.plus(Size { rows: 1, bytes });
        } else {
            self.counters.gap();
        }
        let event =
            gap.encode(books.state.buffer_id, place, self.clock.now(), &self.config.node)?;
        sqlite::replace(books.connection, place, &event)?;
        let bytes = event.json.len() as u64;
        books.gone(freed.rows, freed.bytes);
        books.state.rows += 1;
        books.state.bytes += bytes;
        victims.gap = Some((place, bytes, gap));
        Ok(Some(freed.minus(Size { rows: 1, bytes })))
    }
}

impl Victims {
    /// Finds more rows until there are `enough`, `wanted` if it can; `false` if there are too few.
    fn look(
        &mut self,
        books: &Books<'_>,
        class: Class,
        kept: u64,
        enough: Size,
        wanted: u64,
    ) -> Result<bool, JobError> {
        while self.found.pop_front_if(|it| it.seq <= kept).is_some() {}
        let mut bytes: u64 = self.found.iter().map(|it| it.bytes).sum();
        let mut limit = wanted.max(1);
        loop {
            let rows = self.found.len() as u64;
            if rows >= wanted && bytes >= enough.bytes {
                return Ok(true);
            }
            let after = kept.max(self.looked_up_to);
            let normal = class == Class::Normal;
            let more = sqlite::droppable(books.connection, after, normal, limit)?;
            let all = (more.len() as u64) < limit;
            self.looked_up_to = match more.last() {
                Some(last) if !all => last.seq,
                _ => books.state.last,
            };
            bytes += more.iter().map(|it| it.bytes).sum::<u64>();
            self.found.extend(more);
            if all {
                let rows = self.found.len() as u64;
                return Ok(rows >= enough.rows && bytes >= enough.bytes);
            }
            limit = limit.saturating_mul(2).min(CHUNK * 16);
        }
    }
}
