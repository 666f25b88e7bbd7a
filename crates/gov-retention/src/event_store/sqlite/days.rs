//! The files of the days, a few of them open.
//!
//! ```text
//!  absent ──▶ opening ──▶ open (users ≥ 0) ──▶ closing ──▶ absent
//!                │ failed                         only without users
//!                └──▶ absent
//! ```
//! Who wants a file that is opening or closing waits, so no file has two writers. Opening and
//! closing run to their end on a blocking thread, also if who began them has gone away.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    sync::Arc,
};

use gov_core::Clock;
use gov_store::sqlite::{Database, DatabaseOptions, OpenError, Readers, Writer};
use parking_lot::Mutex;
use tokio::{runtime::Handle, sync::Notify, task};

use super::{COMPONENT, OpenStoreError, open};
use crate::event_store::{EventFilter, Order, PageCursor, StoreError, day::Day, meters::Meters};

/// The doors to the files. It hands out [`Lease`]s.
#[derive(Debug)]
pub(super) struct Days {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    dir: PathBuf,
    /// At most this many files are open beside today's.
    limit: usize,
    clock: Arc<dyn Clock>,
    meters: Arc<Meters>,
    state: Mutex<State>,
    /// Told when a file was opened, closed, or lost its last user.
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    known: BTreeSet<Day>,
    /// Days that could not be opened when this was last tried.
    unreadable: BTreeMap<Day, String>,
    slots: HashMap<Day, Slot>,
    /// Counts claims, to know which file has rested longest.
    claims: u64,
    closed: bool,
}

#[derive(Debug)]
enum Slot {
    Opening,
    Open { database: Database, users: usize, used: u64 },
    Closing,
}

/// The use of one day's file: as long as it lives, the file stays open.
#[derive(Debug)]
pub(super) struct Lease {
    pub(super) writer: Writer,
    pub(super) readers: Readers,
    day: Day,
    shared: Arc<Shared>,
}

/// Why there is no lease.
#[derive(Debug)]
pub(super) enum LeaseError {
    Closed,
    Open { path: PathBuf, source: OpenError },
}

/// What to do for a lease.
enum Claim {
    Ready(Lease),
    Wait,
    /// The slot is taken for it.
    Open,
    /// Close this one first; its slot says so already.
    Close(Day, Database),
}

impl Days {
    pub(super) fn new(
        dir: PathBuf,
        limit: usize,
        clock: Arc<dyn Clock>,
        meters: Arc<Meters>,
        found: BTreeMap<Day, Option<String>>,
    ) -> Self {
        let known = found.keys().copied().collect();
        let unreadable = found.into_iter().filter_map(|(day, why)| Some((day, why?))).collect();
        let state = State { known, unreadable, ..State::default() };
        meters.unreadable_days(state.unreadable.len());
        let shared =
            Shared { dir, limit, clock, meters, state: Mutex::new(state), changed: Notify::new() };
        Self { shared: Arc::new(shared) }
    }

    /// Opens today's file, so that the first append does not wait for it.
    pub(super) async fn open_today(&self) -> Result<(), OpenStoreError> {
        match self.lease(Day::of(self.shared.clock.now())).await {
            Ok(_) => Ok(()),
            Err(LeaseError::Open { path, source }) => Err(OpenStoreError::Today { path, source }),
            Err(LeaseError::Closed) => Err(OpenStoreError::ShuttingDown),
        }
    }

    /// The file of `day`, made if it is missing.
    ///
    /// Waits while as many others are open as may be and all of them are in use. Today's waits for
    /// nobody: when the day turns, yesterday's may be one too many for a while. Take no second lease
    /// while holding one.
    pub(super) async fn lease(&self, day: Day) -> Result<Lease, LeaseError> {
        loop {
            // Made before the look at the state, so that a change after it is not missed.
            let changed = self.shared.changed.notified();
            match self.shared.claim(day)? {
                Claim::Ready(lease) => return Ok(lease),
                Claim::Wait => changed.await,
                Claim::Open => self.open(day).await?,
                Claim::Close(other, database) => self.close_one(other, database),
            }
        }
    }

    /// The days that have a file and may hold what is wanted, in the order of reading.
    pub(super) fn between(
        &self,
        filter: &EventFilter,
        after: Option<PageCursor>,
        order: Order,
    ) -> Vec<Day> {
        let (mut first, mut last) = (filter.from.map(Day::of), None);
        let after = after.map(|it| Day::of(it.at));
        match order {
            Order::NewestFirst => last = after,
            Order::OldestFirst => first = first.max(after),
        }
        let fits = |day: &&Day| {
            first.is_none_or(|it| it <= **day)
                && last.is_none_or(|it| **day <= it)
                // The end is exclusive.
                && filter.to.is_none_or(|it| day.start() < it)
        };
        let state = self.shared.state.lock();
        let mut days: Vec<Day> = state.known.iter().filter(fits).copied().collect();
        if order == Order::NewestFirst {
            days.reverse();
        }
        days
    }

    /// Where the events of `day` lie, for messages.
    pub(super) fn place(&self, day: Day) -> String {
        open::path(&self.shared.dir, day).display().to_string()
    }

    /// The places that could not be opened when this was last tried.
    pub(super) fn unreadable(&self) -> Vec<String> {
        self.shared.state.lock().unreadable.values().cloned().collect()
    }

    /// Hands out no more leases, waits for those that there are, and closes the files.
    pub(super) async fn close(&self) {
        self.shared.state.lock().closed = true;
        loop {
            let changed = self.shared.changed.notified();
            while let Some((day, database)) = self.shared.take_idle(None) {
                self.close_one(day, database);
            }
            if self.shared.state.lock().slots.is_empty() {
                return;
            }
            changed.await;
        }
    }

    async fn open(&self, day: Day) -> Result<(), LeaseError> {
        let slot = Opening { shared: Arc::clone(&self.shared), day };
        let opened = task::spawn_blocking(move || slot.open());
        // Only the end of the runtime, or a panic that was reported, leaves no answer.
        opened.await.unwrap_or(Err(LeaseError::Closed))
    }

    fn close_one(&self, day: Day, database: Database) {
        let shared = Arc::clone(&self.shared);
        let runtime = Handle::current();
        // Its end is seen by the slot: `close` waits until there is none.
        drop(task::spawn_blocking(move || {
            runtime.block_on(database.close());
            shared.vacate(day);
        }));
    }
}

impl Shared {
    fn claim(self: &Arc<Self>, day: Day) -> Result<Claim, LeaseError> {
        let today = Day::of(self.clock.now());
        let mut state = self.state.lock();
        if state.closed {
            return Err(LeaseError::Closed);
        }
        state.claims += 1;
        let now = state.claims;
        match state.slots.get_mut(&day) {
            Some(Slot::Open { database, users, used }) => {
                *users += 1;
                *used = now;
                let (writer, readers) = (database.writer.clone(), database.readers.clone());
                let shared = Arc::clone(self);
                return Ok(Claim::Ready(Lease { writer, readers, day, shared }));
            }
            Some(Slot::Opening | Slot::Closing) => return Ok(Claim::Wait),
            None => {}
        }
        let others = state.slots.keys().filter(|it| **it != today && **it != day).count();
        if others + usize::from(day != today) > self.limit {
            let closing = state.slots.values().any(|it| matches!(it, Slot::Closing));
            if !closing && let Some((other, database)) = state.take_idle(Some(today)) {
                return Ok(Claim::Close(other, database));
            }
            if day != today {
                return Ok(Claim::Wait);
            }
        }
        state.slots.insert(day, Slot::Opening);
        self.meters.open_files(state.slots.len());
        Ok(Claim::Open)
    }

    fn take_idle(&self, except: Option<Day>) -> Option<(Day, Database)> {
        self.state.lock().take_idle(except)
    }

    /// The file is closed, or was not opened.
    fn vacate(&self, day: Day) {
        let mut state = self.state.lock();
        state.slots.remove(&day);
        self.meters.open_files(state.slots.len());
        drop(state);
        self.changed.notify_waiters();
    }
}

impl State {
    /// Takes out the open file without a user that has rested longest.
    fn take_idle(&mut self, except: Option<Day>) -> Option<(Day, Database)> {
        let idle = self.slots.iter().filter_map(|(day, slot)| match slot {
            Slot::Open { users: 0, used, .. } if Some(*day) != except => Some((*used, *day)),
            _ => None,
        });
        let (_, day) = idle.min()?;
        match self.slots.insert(day, Slot::Closing)? {
            Slot::Open { database, .. } => Some((day, database)),
            Slot::Opening | Slot::Closing => None,
        }
    }
}

/// A slot on its way to be open. Dropped without an answer, by a panic, it is vacant again.
struct Opening {
    shared: Arc<Shared>,
    day: Day,
}

impl Opening {
    fn open(self) -> Result<(), LeaseError> {
        let path = open::path(&self.shared.dir, self.day);
        // One name for all: the label `database` must not grow with the days.
        let options = DatabaseOptions::new("events");
        let opened = Database::open(&path, &options, &[&COMPONENT], self.shared.clock.now());
        let mut state = self.shared.state.lock();
        let result = match opened {
            Ok(database) => {
                state.known.insert(self.day);
                state.unreadable.remove(&self.day);
                let used = state.claims;
                state.slots.insert(self.day, Slot::Open { database, users: 0, used });
                Ok(())
            }
            Err(source) => {
                state.unreadable.insert(self.day, path.display().to_string());
                Err(LeaseError::Open { path, source })
            }
        };
        self.shared.meters.unreadable_days(state.unreadable.len());
        result
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let opening = matches!(self.shared.state.lock().slots.get(&self.day), Some(Slot::Opening));
        if opening {
            self.shared.vacate(self.day);
        } else {
            self.shared.changed.notify_waiters();
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        if let Some(Slot::Open { users, .. }) = state.slots.get_mut(&self.day) {
            *users = users.saturating_sub(1);
            if *users == 0 {
                drop(state);
                self.shared.changed.notify_waiters();
            }
        }
    }
}

impl From<LeaseError> for StoreError {
    fn from(error: LeaseError) -> Self {
        match error {
            LeaseError::Closed => Self::Closed,
            LeaseError::Open { path, source } => {
                Self::Day { place: path.display().to_string(), source: Box::new(source) }
            }
        }
    }
}
