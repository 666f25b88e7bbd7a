//! A partition for each day that has events.

use std::collections::{BTreeSet, HashSet};

use gov_core::AuditEvent;
use parking_lot::Mutex;
use sqlx::{AssertSqlSafe, PgPool, Row as _};

use crate::event_store::day::Day;

/// The advisory lock of everyone who makes partitions: the ASCII bytes of `gov_part`.
const LOCK_KEY: i64 = 0x676f_765f_7061_7274;

/// PostgreSQL's `check_violation`: among others, that a row fits into no partition.
const CHECK_VIOLATION: &str = "23514";

#[derive(Debug)]
pub(super) struct Partitions {
    pool: PgPool,
    /// Days whose partition was there when this process looked.
    known: Mutex<HashSet<Day>>,
}

impl Partitions {
    pub(super) fn new(pool: PgPool) -> Self {
        Self { pool, known: Mutex::default() }
    }

    /// Makes the partitions that `events` lack, in transactions of their own.
    pub(super) async fn make_for<'e>(
        &self,
        events: impl Iterator<Item = &'e AuditEvent>,
    ) -> Result<(), sqlx::Error> {
        let unknown: BTreeSet<Day> = {
            let known = self.known.lock();
            events.map(|it| Day::of(it.at)).filter(|it| !known.contains(it)).collect()
        };
        for day in unknown {
            self.make(day).await?;
            self.known.lock().insert(day);
        }
        Ok(())
    }

    /// Looks anew before the next append if a partition has gone away.
    pub(super) fn heed(&self, error: &sqlx::Error) {
        let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
        if code.as_deref() == Some(CHECK_VIOLATION) {
            self.known.lock().clear();
        }
    }

    async fn make(&self, day: Day) -> Result<(), sqlx::Error> {
        let name = format!("retention_event_{}", day.to_string().replace('-', ""));
        let mut tx = self.pool.begin().await?;
        // One at a time: two that make the same one would fail, not wait.
        sqlx::query("select pg_advisory_xact_lock($1)").bind(LOCK_KEY).execute(&mut *tx).await?;
        // Asked first, because making one locks the whole table, even if it turns out to be there.
        let there = "select exists (select 1 from pg_inherits
             where inhrelid = to_regclass($1) and inhparent = 'retention_event'::regclass) as there";
        let there: bool =
            sqlx::query(there).bind(&name).fetch_one(&mut *tx).await?.try_get("there")?;
        if !there {
            let from = day.start();
            let to = day.end().map_or_else(|| "maxvalue".to_owned(), |it| format!("'{it}'"));
            let create = format!(
                "create table {name} partition of retention_event for values from ('{from}') to ({to})"
            );
            sqlx::query(AssertSqlSafe(create)).execute(&mut *tx).await?;
        }
        tx.commit().await
    }
}
