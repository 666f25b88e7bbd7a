//! A stateful component as small as one can be: items that have a state, and their history.

use std::path::Path;

use async_trait::async_trait;
use gov_core::{AuditEventKind, Clock as _, Payload, SystemClock, Timestamp};
use gov_deferred_audit::{Feed, FeedError, FeedRow};
use gov_store::{
    migrations::{Component, Migration},
    sqlite::{Database, DatabaseOptions, Sync},
};
use rusqlite::{Transaction, params};

pub(crate) const NAME: &str = "toy";

const TOY: Component = Component {
    name: NAME,
    migrations: &[Migration {
        version: 1,
        what: "items, their history, how far the log has it",
        sql: "create table toy_item (item integer primary key, state text not null) strict;
              create table toy_history (
                  position integer primary key, item integer not null, state text not null,
                  at integer not null
              ) strict;
              create table toy_cursor (
                  only integer primary key check (only = 1), position integer not null
              ) strict;
              insert into toy_cursor values (1, 0);",
        min_reader: 1,
    }],
};

type Failure = Box<dyn std::error::Error + Send + std::marker::Sync>;

#[derive(Debug)]
pub(crate) struct Toy {
    database: Database,
}

/// One history row: position, item, state.
pub(crate) type Row = (u64, i64, String);

impl Toy {
    pub(crate) fn open(dir: &Path) -> Result<Self, Failure> {
        let options = DatabaseOptions::new(NAME);
        let now = SystemClock.now();
        Ok(Self { database: Database::open(&dir.join("toy.db"), &options, &[&TOY], now)? })
    }

    /// Changes the state and writes the history row in one transaction; the row's position.
    pub(crate) async fn change(&self, item: i64, state: String) -> Result<u64, Failure> {
        let now = SystemClock.now();
        let job = move |tx: &Transaction<'_>| {
            tx.execute(
                "insert into toy_item values (?1, ?2)
                 on conflict (item) do update set state = excluded.state",
                params![item, state],
            )?;
            tx.execute(
                "insert into toy_history (item, state, at) values (?1, ?2, ?3)",
                params![item, state, now.as_micros()],
            )?;
            Ok::<_, rusqlite::Error>(tx.last_insert_rowid().cast_unsigned())
        };
        Ok(self.database.writer.write(Sync::Full, job).await?)
    }

    pub(crate) async fn history(&self) -> Vec<Row> {
        let rows = self.database.readers.read(|connection| rows_after(connection, 0, u32::MAX));
        rows.await.unwrap().into_iter().map(|(row, _)| row).collect()
    }

    pub(crate) async fn items(&self) -> Vec<(i64, String)> {
        let read = |connection: &rusqlite::Connection| {
            let mut statement = connection.prepare("select item, state from toy_item")?;
            let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
            rows.collect::<Result<Vec<_>, rusqlite::Error>>()
        };
        self.database.readers.read(read).await.unwrap()
    }

    pub(crate) async fn close(self) {
        self.database.close().await;
    }
}

pub(crate) fn history_key(position: u64) -> String {
    position.to_string()
}

fn rows_after(
    connection: &rusqlite::Connection,
    cursor: u64,
    limit: u32,
) -> Result<Vec<(Row, i64)>, rusqlite::Error> {
    let mut statement = connection.prepare(
        "select position, item, state, at from toy_history where position > ?1
         order by position limit ?2",
    )?;
    let rows = statement.query_map(params![cursor.cast_signed(), limit], |row| {
        let position: i64 = row.get(0)?;
        Ok(((position.cast_unsigned(), row.get(1)?, row.get(2)?), row.get(3)?))
    })?;
    rows.collect()
}

fn failed(source: impl Into<Failure>) -> FeedError {
    FeedError { component: NAME, source: source.into() }
}

#[async_trait]
impl Feed for Toy {
    fn component(&self) -> &'static str {
        NAME
    }

    async fn cursor(&self) -> Result<u64, FeedError> {
        let read = |connection: &rusqlite::Connection| {
            connection.query_row("select position from toy_cursor", [], |row| row.get::<_, i64>(0))
        };
        self.database.readers.read(read).await.map(i64::cast_unsigned).map_err(failed)
    }

    async fn rows_after(&self, cursor: u64, limit: u32) -> Result<Vec<FeedRow>, FeedError> {
        let read = move |connection: &rusqlite::Connection| rows_after(connection, cursor, limit);
        let rows = self.database.readers.read(read).await.map_err(failed)?;
        let row = |((position, item, state), at): (Row, i64)| {
            Ok(FeedRow {
                position,
                history_key: history_key(position),
                at: Timestamp::from_micros_clamped(at),
                kind: AuditEventKind::DelegationInProgress,
                agent_id: None,
                session_id: None,
                policy_version: None,
                verdict: None,
                payload: Payload::seal(&(item, state)).map_err(failed)?,
            })
        };
        rows.into_iter().map(row).collect()
    }

    async fn set_cursor(&self, cursor: u64) -> Result<(), FeedError> {
        let job = move |tx: &Transaction<'_>| {
            tx.execute("update toy_cursor set position = ?1", [cursor.cast_signed()])
        };
        // Losing the cursor repeats rows, to no effect: no fsync of its own.
        self.database.writer.write(Sync::Spooled, job).await.map(drop).map_err(failed)
    }
}
