//! Keeps events in PostgreSQL, tables `retention_*`: a partition a UTC day of the events' own time.
//!
//! ```text
//!  append ──▶ queue ──▶ one task: ≤ 256 events a transaction ──▶ retention_event_20260101, …
//!  append_from ──────▶ its own transaction, the source's row locked
//!  query, count ─────▶ the pool
//! ```
//! Start reading here, then `postgres/appender.rs`.

mod appender;
mod partitions;
mod rows;
mod select;

use std::sync::Arc;

use async_trait::async_trait;
use gov_core::{AuditEvent, Health, HealthState};
use gov_store::migrations::{Component, Migration};
use sqlx::PgPool;

use self::{appender::Appender, partitions::Partitions};
use super::{
    Appended, AuditEventStore, Durability, EventFilter, Page, PageCursor, PageRequest, StoreError,
    check, meters::Meters,
};

/// The tables of the event store.
pub const COMPONENT: Component = Component {
    name: "retention",
    migrations: &[Migration {
        version: 1,
        what: "hot events",
        sql: include_str!("../../migrations/postgres/0001_event.sql"),
        min_reader: 1,
    }],
};

/// Keeps events in a database that other processes share.
///
/// Its owner ends it with [`PgEventStore::close`]. Dropping it lets its task end once it has done
/// what is queued, and nobody waits for it.
#[derive(Debug)]
pub struct PgEventStore {
    pool: PgPool,
    partitions: Arc<Partitions>,
    appender: Appender,
    meters: Arc<Meters>,
}

impl PgEventStore {
    /// Uses `pool`, whose database has the migrations of [`COMPONENT`], and starts the task that
    /// groups appends. It holds one connection while it writes.
    ///
    /// Call it inside a runtime, and install the metrics recorder before.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        let partitions = Arc::new(Partitions::new(pool.clone()));
        let appender = Appender::start(pool.clone(), Arc::clone(&partitions));
        Self { pool, partitions, appender, meters: Arc::new(Meters::new()) }
    }

    /// Takes no more appends, and waits for those that are queued. The pool stays open: it is its
    /// owner's.
    pub async fn close(&self) {
        self.appender.close().await;
    }

    async fn append_rows_from(
        &self,
        source: &str,
        events: Vec<(u64, AuditEvent)>,
    ) -> Result<Appended, StoreError> {
        check::source(source, &events)?;
        let Some(&(last, _)) = events.last() else { return Ok(Appended::default()) };
        if self.appender.is_closed() {
            return Err(StoreError::Closed);
        }
        self.partitions.make_for(events.iter().map(|(_, it)| it)).await?;
        let mut tx = rows::begin(&self.pool, Durability::Durable).await?;
        let seen = rows::lock_source(&mut tx, source).await?;
        let fresh: Vec<_> =
            events.iter().filter(|(seq, _)| seen < *seq).map(|(_, event)| event).collect();
        let new = rows::insert(&mut tx, &fresh).await.inspect_err(|it| self.partitions.heed(it))?;
        if seen < last {
            rows::move_source(&mut tx, source, last).await?;
        }
        tx.commit().await?;
        let (new, all) = (new.len() as u64, events.len() as u64);
        Ok(Appended { new, known: all - new })
    }

    async fn page(&self, filter: &EventFilter, page: &PageRequest) -> Result<Page, StoreError> {
        let limit = check::limit(page)?;
        let mut events = select::page(&self.pool, filter, page, limit + 1).await?;
        let more = events.len() > limit;
        events.truncate(limit);
        let last = events.last().filter(|_| more);
        let next = last.map(|it| PageCursor { at: it.at, id: it.id });
        Ok(Page { events, next })
    }
}

#[async_trait]
impl AuditEventStore for PgEventStore {
    async fn append(
        &self,
        events: Vec<AuditEvent>,
        durability: Durability,
    ) -> Result<Appended, StoreError> {
        self.meters.append(self.appender.append(events, durability).await)
    }

    async fn append_from(
        &self,
        source: &str,
        events: Vec<(u64, AuditEvent)>,
    ) -> Result<Appended, StoreError> {
        self.meters.append(self.append_rows_from(source, events).await)
    }

    async fn cursor(&self, source: &str) -> Result<u64, StoreError> {
        rows::cursor(&self.pool, source).await
    }

    async fn query(&self, filter: &EventFilter, page: &PageRequest) -> Result<Page, StoreError> {
        self.meters.query(self.page(filter, page).await)
    }

    async fn count(&self, filter: &EventFilter) -> Result<u64, StoreError> {
        self.meters.query(select::count(&self.pool, filter).await)
    }
}

impl Health for PgEventStore {
    fn name(&self) -> &'static str {
        "event_backend"
    }

    /// Degraded after an append that failed, until one succeeds. Never dead: whether an action
    /// needs its event is for others to say.
    fn health(&self) -> HealthState {
        self.meters.failing().map_or(HealthState::Healthy, |reason| {
            HealthState::Degraded(format!("the last append failed: {reason}"))
        })
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::PoolClosed => Self::Closed,
            error => Self::Unavailable(Box::new(error)),
        }
    }
}
