//! The buffer in SQLite, tables `audit_buffer_*`.

mod books;
mod dead_letters;
mod events;
mod outlet;

use gov_store::migrations::{Component, Migration};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};
use uuid::Uuid;

pub(crate) use self::{
    books::{Books, State},
    dead_letters::{Wanted, behind_dead, delete_letters, insert_letter, letters},
    events::{Loose, behind, droppable, find, newest, remove, replace},
    outlet::{acknowledged, count_backwards, free_pages, oldest_at, page_bytes, released, window},
};
use crate::BufferId;

/// The tables of one buffer.
pub(crate) const COMPONENT: Component = Component {
    name: "audit_buffer",
    migrations: &[Migration {
        version: 1,
        what: "events on their way out",
        sql: include_str!("../../migrations/sqlite/0001_buffer.sql"),
        min_reader: 1,
    }],
};

/// Gives a file that has no name yet the name `fresh`.
pub(crate) fn name(connection: &Connection, fresh: BufferId) -> Result<()> {
    connection
        .prepare_cached(
            "insert into audit_buffer_state (one, buffer_id) values (1, ?1)
             on conflict (one) do nothing",
        )?
        .execute([fresh.as_uuid().as_bytes()])
        .map(drop)
}

/// Up to where `source` was taken over; 0 at first.
pub(crate) fn cursor(connection: &Connection, source: &str) -> Result<u64> {
    let seq = connection
        .prepare_cached("select seq from audit_buffer_cursor where source = ?1")?
        .query_row([source], |row| number(row, 0))
        .optional()?;
    Ok(seq.unwrap_or(0))
}

/// Moves the cursor of `source` to `seq`.
pub(crate) fn move_cursor(connection: &Connection, source: &str, seq: u64) -> Result<()> {
    connection
        .prepare_cached(
            "insert into audit_buffer_cursor (source, seq) values (?1, ?2)
             on conflict (source) do update set seq = excluded.seq",
        )?
        .execute(params![source, seq.cast_signed()])
        .map(drop)
}

fn number(row: &Row<'_>, column: usize) -> Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn uuid(row: &Row<'_>, column: usize) -> Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}
