//! What can still be read of a file that SQLite cannot read any more.
//!
//! Every page is looked at on its own, whether the tree still leads there or not: a leaf that is
//! whole gives its events. An event is believed if its JSON is whole and says the same as the
//! columns beside it.

mod leaf;
mod pages;

use std::{collections::BTreeMap, io, path::Path};

use gov_core::{EventId, Timestamp};
use uuid::Uuid;

use self::{
    leaf::{Row, Value},
    pages::Pages,
};
use crate::{EncodedEvent, cloud_event};

/// What was found in a file. It stays open, so that many events need not be in memory at once.
#[derive(Debug)]
pub struct Salvage {
    pages: Pages,
    places: BTreeMap<u64, Place>,
    /// Up to this number a sink has everything, where the file still says so. Events up to it are
    /// left out.
    pub acked: Option<u64>,
    /// Pages that could not be read, or hold a row that could not: first and last, in order.
    pub unreadable_pages: Vec<(u32, u32)>,
    /// Dead letters that were seen. They are not among the events.
    pub dead_letters: u64,
}

#[derive(Clone, Copy, Debug)]
struct Place {
    page: u32,
    at: usize,
}

/// What a row is by its shape.
enum Found {
    Event(u64, EncodedEvent),
    State {
        acked: u64,
    },
    DeadLetter,
    /// Of another table.
    Other,
    /// It looks like an event and is none.
    Damaged,
}

/// Reads what can be read of the buffer's file `path`, and of its log beside it.
///
/// The file must be at rest: no process may have it open, this one included. Does blocking I/O, all
/// of the file's size.
///
/// # Errors
///
/// The file cannot be opened at all.
pub fn salvage(path: &Path) -> io::Result<Salvage> {
    let pages = Pages::open(path)?;
    let mut found = Salvage {
        places: BTreeMap::new(),
        acked: None,
        unreadable_pages: Vec::new(),
        dead_letters: 0,
        pages,
    };
    for number in 1..=found.pages.count {
        if !found.look_at(number) {
            match found.unreadable_pages.last_mut() {
                Some((_, last)) if *last + 1 == number => *last = number,
                _ => found.unreadable_pages.push((number, number)),
            }
        }
    }
    // Free pages still show what was sent and deleted.
    let acked = found.acked.unwrap_or(0);
    found.places.retain(|seq, _| *seq > acked);
    Ok(found)
}

impl Salvage {
    /// How many events can be read.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.places.len() as u64
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// At most `limit` events behind the number `after`, in order, with their numbers. An empty
    /// answer is the end. Does blocking I/O.
    #[must_use]
    pub fn events(&self, after: u64, limit: usize) -> Vec<(u64, EncodedEvent)> {
        let behind = self.places.range(after.saturating_add(1)..);
        behind.filter_map(|(_, place)| self.event_at(*place)).take(limit).collect()
    }

    /// Numbers between `acked` and the last event that was found under which nothing was: first and
    /// last, in order. A number that was never given out is among them too.
    #[must_use]
    pub fn missing(&self) -> Vec<(u64, u64)> {
        let mut next = self.acked.unwrap_or(0) + 1;
        let mut missing = Vec::new();
        for seq in self.places.keys() {
            if *seq > next {
                missing.push((next, *seq - 1));
            }
            next = *seq + 1;
        }
        missing
    }

    /// Takes the rows of one page; `false` if something of it could not be read.
    fn look_at(&mut self, number: u32) -> bool {
        let Some(page) = self.pages.read(number) else { return false };
        let Some(cells) = leaf::cells(number, &page, self.pages.usable) else { return true };
        let mut whole = true;
        for at in cells {
            match leaf::row(&self.pages, &page, at).map(Found::of) {
                Some(Found::Event(seq, _)) => {
                    self.places.insert(seq, Place { page: number, at });
                }
                // Of several the least: an event that is sent again is known by its id.
                Some(Found::State { acked }) => {
                    self.acked = Some(self.acked.map_or(acked, |it| it.min(acked)));
                }
                Some(Found::DeadLetter) => self.dead_letters += 1,
                Some(Found::Other) => {}
                Some(Found::Damaged) | None => whole = false,
            }
        }
        whole
    }

    fn event_at(&self, place: Place) -> Option<(u64, EncodedEvent)> {
        let page = self.pages.read(place.page)?;
        match Found::of(leaf::row(&self.pages, &page, place.at)?) {
            Found::Event(seq, event) => Some((seq, event)),
            _ => None,
        }
    }
}

impl Found {
    fn of((rowid, columns): Row) -> Self {
        use Value::{Blob, Integer, Null, Text};
        match columns.as_slice() {
            [Null, Integer(_), Blob(id), Integer(at), Text(kind), Blob(body)] => {
                event(rowid, id, *at, kind, body).unwrap_or(Self::Damaged)
            }
            [Null, Blob(_), Integer(_), Integer(acked), Integer(_), ..] if rowid == 1 => {
                Self::State { acked: acked.cast_unsigned() }
            }
            [Null, Blob(_), Blob(_), Integer(_), ..] => Self::DeadLetter,
            _ => Self::Other,
        }
    }
}

fn event(rowid: i64, id: &[u8], at: i64, kind: &[u8], body: &[u8]) -> Option<Found> {
    let seq = u64::try_from(rowid).ok().filter(|seq| *seq > 0)?;
    let id = EventId::from_uuid(Uuid::from_slice(id).ok()?);
    let event = cloud_event::decode(body).ok()?;
    let same = event.id == id
        && event.at == Timestamp::from_micros_clamped(at)
        && event.kind.as_str().as_bytes() == kind;
    let json = body.to_vec();
    same.then_some(Found::Event(seq, EncodedEvent { id, at: event.at, kind: event.kind, json }))
}
