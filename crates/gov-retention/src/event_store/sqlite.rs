//! Keeps events in SQLite, one file a UTC day of the events' own time, tables `retention_*`.
//!
//! ```text
//!  append ──▶ Days ──▶ events/2026-01-02.db   today's: always open
//!  query  ──▶   └────▶ events/2026-01-01.db   others: opened one at a time, a few stay open
//! ```
//! The day comes from the event and never from the clock, so a retry lands in the same file.
//! Start reading here, then `sqlite/days.rs`.

mod days;
mod open;
mod rows;
mod select;

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use gov_core::{AuditEvent, Clock, Health, HealthState};
use gov_store::{
    crash,
    migrations::{Component, Migration},
    sqlite::{OpenError, ReadError, Sync, WriteError},
};
use parking_lot::Mutex;

use self::{days::Days, rows::Row};
use super::{
    Appended, AuditEventStore, Durability, EventFilter, Order, Page, PageCursor, PageRequest,
    StoreError, check, day::Day, meters::Meters,
};

/// The tables of one day's file.
pub const COMPONENT: Component = Component {
    name: "retention",
    migrations: &[Migration {
        version: 1,
        what: "hot events of one day",
        sql: include_str!("../../migrations/sqlite/0001_event.sql"),
        min_reader: 1,
    }],
};

/// How many files of other days stay open beside today's.
const OPEN_DAYS: usize = 4;

/// Where a run of one day's events is committed, and the next is not begun.
pub const CRASH_POINTS: &[&str] = &["retention-between-days"];

/// Keeps events in a folder of SQLite files, for one process.
#[derive(Debug)]
pub struct SqliteEventStore {
    days: Days,
    /// The greatest `seq` of each source over all files.
    cursors: Mutex<HashMap<String, u64>>,
    meters: Arc<Meters>,
}

/// Why the store could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenStoreError {
    /// The folder could not be made or listed.
    #[error("cannot use the folder `{}`", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What failed.
        source: std::io::Error,
    },
    /// Today's file cannot be opened, so nothing could be appended.
    #[error("cannot open today's events, `{}`", path.display())]
    Today {
        /// The file.
        path: PathBuf,
        /// What failed: [`OpenError::Migrate`] if a newer build has written it.
        source: OpenError,
    },
    /// The runtime is ending.
    #[error("the runtime is shutting down")]
    ShuttingDown,
}

impl SqliteEventStore {
    /// Opens the folder `dir`, made with mode 0700 if it is missing, and today's file.
    ///
    /// The files of other days are read for the cursors of sources. One that cannot be read is
    /// logged and makes the store's health degraded; it stops nobody but who wants its events.
    /// Install the metrics recorder before.
    ///
    /// # Errors
    ///
    /// [`OpenStoreError`].
    pub async fn open(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self, OpenStoreError> {
        let meters = Arc::new(Meters::new());
        let folder = dir.to_owned();
        let now = clock.now();
        let found = tokio::task::spawn_blocking(move || open::folder(&folder, now))
            .await
            .map_err(|_| OpenStoreError::ShuttingDown)??;
        let days = Days::new(dir.to_owned(), OPEN_DAYS, clock, Arc::clone(&meters), found.days);
        let store = Self { days, cursors: Mutex::new(found.cursors), meters };
        store.days.open_today().await?;
        Ok(store)
    }

    /// Takes no more work, waits for what runs, and closes the files.
    pub async fn close(&self) {
        self.days.close().await;
    }

    async fn append_rows(
        &self,
        events: Vec<AuditEvent>,
        durability: Durability,
    ) -> Result<Appended, StoreError> {
        events.iter().try_for_each(check::event)?;
        let sync = match durability {
            Durability::Spooled => Sync::Spooled,
            Durability::Durable => Sync::Full,
        };
        let mut rows = events.into_iter().map(Row::of).collect::<Result<Vec<_>, _>>()?;
        // Stable: of two with one id the first stays.
        rows.sort_by_key(Row::day);
        let mut done = Appended::default();
        for run in runs(rows, Row::day) {
            let Some(day) = run.first().map(Row::day) else { continue };
            let lease = self.days.lease(day).await?;
            let appended = lease.writer.write(sync, move |tx| rows::insert(tx, &run)).await?;
            done = sum(done, appended);
        }
        Ok(done)
    }

    async fn append_rows_from(
        &self,
        source: &str,
        events: Vec<(u64, AuditEvent)>,
    ) -> Result<Appended, StoreError> {
        check::source(source, &events)?;
        let rows = events.into_iter().map(|(seq, event)| Ok((seq, Row::of(event)?)));
        let rows = rows.collect::<Result<Vec<_>, StoreError>>()?;
        let mut done = Appended::default();
        for run in runs(rows, |(_, row)| row.day()) {
            let Some(&(last, ref row)) = run.last() else { continue };
            let seen = self.seen(source);
            if last <= seen {
                done.known += run.len() as u64;
                continue;
            }
            let lease = self.days.lease(row.day()).await?;
            let name = source.to_owned();
            let job = move |tx: &rusqlite::Transaction<'_>| rows::insert_from(tx, &name, seen, run);
            let appended = lease.writer.write(Sync::Full, job).await?;
            done = sum(done, appended);
            self.has_seen(source, last);
            crash::point("retention-between-days");
        }
        Ok(done)
    }

    fn seen(&self, source: &str) -> u64 {
        self.cursors.lock().get(source).copied().unwrap_or(0)
    }

    fn has_seen(&self, source: &str, seq: u64) {
        let mut cursors = self.cursors.lock();
        let cursor = cursors.entry(source.to_owned()).or_default();
        *cursor = seq.max(*cursor);
    }

    async fn page(&self, filter: &EventFilter, page: &PageRequest) -> Result<Page, StoreError> {
        let limit = check::limit(page)?;
        let mut events = Vec::new();
        let mut days = self.days.between(filter, page.after, page.order).into_iter();
        // A full page opens no further file, just to see whether there is more.
        while events.len() < limit
            && let Some(day) = days.next()
        {
            let lease = self.days.lease(day).await?;
            let (filter, request) = (filter.clone(), page.clone());
            let wanted = limit + 1 - events.len();
            let found = lease
                .readers
                .read(move |it| select::page(it, &filter, &request, wanted))
                .await
                .map_err(|error| self.unreadable(day, error))?;
            events.extend(found);
        }
        let more = events.len() > limit || (events.len() == limit && days.len() > 0);
        events.truncate(limit);
        let last = events.last().filter(|_| more);
        let next = last.map(|it| PageCursor { at: it.at, id: it.id });
        Ok(Page { events, next })
    }

    async fn count_all(&self, filter: &EventFilter) -> Result<u64, StoreError> {
        let mut count = 0;
        for day in self.days.between(filter, None, Order::OldestFirst) {
            let lease = self.days.lease(day).await?;
            let filter = filter.clone();
            count += lease
                .readers
                .read(move |it| select::count(it, &filter))
                .await
                .map_err(|error| self.unreadable(day, error))?;
        }
        Ok(count)
    }

    /// What failed inside one day's file names the file.
    fn unreadable(&self, day: Day, error: ReadError<StoreError>) -> StoreError {
        match error {
            ReadError::Job(StoreError::Unavailable(source)) => {
                StoreError::Day { place: self.days.place(day), source }
            }
            ReadError::Job(error) => error,
            ReadError::Closed => StoreError::Closed,
            error => StoreError::Day { place: self.days.place(day), source: Box::new(error) },
        }
    }
}

#[async_trait]
impl AuditEventStore for SqliteEventStore {
    async fn append(
        &self,
        events: Vec<AuditEvent>,
        durability: Durability,
    ) -> Result<Appended, StoreError> {
        self.meters.append(self.append_rows(events, durability).await)
    }

    async fn append_from(
        &self,
        source: &str,
        events: Vec<(u64, AuditEvent)>,
    ) -> Result<Appended, StoreError> {
        self.meters.append(self.append_rows_from(source, events).await)
    }

    async fn cursor(&self, source: &str) -> Result<u64, StoreError> {
        Ok(self.seen(source))
    }

    async fn query(&self, filter: &EventFilter, page: &PageRequest) -> Result<Page, StoreError> {
        self.meters.query(self.page(filter, page).await)
    }

    async fn count(&self, filter: &EventFilter) -> Result<u64, StoreError> {
        self.meters.query(self.count_all(filter).await)
    }
}

impl Health for SqliteEventStore {
    fn name(&self) -> &'static str {
        "event_backend"
    }

    /// Degraded after an append that failed, until one succeeds, and while a day is unreadable.
    /// Never dead: whether an action needs its event is for others to say.
    fn health(&self) -> HealthState {
        if let Some(reason) = self.meters.failing() {
            return HealthState::Degraded(format!("the last append failed: {reason}"));
        }
        let unreadable = self.days.unreadable();
        if unreadable.is_empty() {
            return HealthState::Healthy;
        }
        HealthState::Degraded(format!("cannot be read: {}", unreadable.join(", ")))
    }
}

/// Cuts `rows` where the day changes, and nowhere else: order is kept.
fn runs<R>(rows: Vec<R>, day: impl Fn(&R) -> Day) -> Vec<Vec<R>> {
    let mut runs: Vec<Vec<R>> = Vec::new();
    for row in rows {
        match runs.last_mut() {
            Some(run) if run.last().is_some_and(|last| day(last) == day(&row)) => run.push(row),
            _ => runs.push(vec![row]),
        }
    }
    runs
}

fn sum(a: Appended, b: Appended) -> Appended {
    Appended { new: a.new + b.new, known: a.known + b.known }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

impl From<WriteError<StoreError>> for StoreError {
    fn from(error: WriteError<StoreError>) -> Self {
        match error {
            WriteError::Job(error) => error,
            WriteError::Closed => Self::Closed,
            error => Self::Unavailable(Box::new(error)),
        }
    }
}
