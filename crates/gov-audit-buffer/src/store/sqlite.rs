//! The buffer in SQLite, tables `audit_buffer_*`.

use gov_core::{EventId, Timestamp};
use gov_store::migrations::{Component, Migration};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};
use uuid::Uuid;

use crate::{BufferId, EncodedEvent, Outgoing};

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

/// What the file says about itself; read without counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) buffer_id: BufferId,
    /// The newest event; 0 for none yet.
    pub(crate) last: u64,
    /// Up to this one the sink has everything.
    pub(crate) acked: u64,
    /// Rows that are there, those that left but are kept for a while among them.
    pub(crate) rows: u64,
    /// The bytes of their bodies.
    pub(crate) bytes: u64,
}

/// The state, with `fresh` as the name of a file that has none yet.
pub(crate) fn open(connection: &Connection, fresh: BufferId) -> Result<State> {
    connection
        .prepare_cached(
            "insert into audit_buffer_state (one, buffer_id, acked, rows_out, bytes_out)
             values (1, ?1, 0, 0, 0) on conflict (one) do nothing",
        )?
        .execute([fresh.as_uuid().as_bytes()])?;
    state(connection)
}

pub(crate) fn state(connection: &Connection) -> Result<State> {
    let (buffer_id, acked, rows_out, bytes_out) = connection
        .prepare_cached("select buffer_id, acked, rows_out, bytes_out from audit_buffer_state")?
        .query_row([], |row| Ok((uuid(row, 0)?, seq(row, 1)?, seq(row, 2)?, seq(row, 3)?)))?;
    let newest = connection
        .prepare_cached("select seq, bytes_in from audit_buffer_event order by seq desc limit 1")?
        .query_row([], |row| Ok((seq(row, 0)?, seq(row, 1)?)))
        .optional()?;
    let (last, bytes_in) = newest.unwrap_or_default();
    Ok(State {
        buffer_id: BufferId::from_uuid(buffer_id),
        last,
        acked,
        rows: last.saturating_sub(rows_out),
        bytes: bytes_in.saturating_sub(bytes_out),
    })
}

/// Adds one event behind all others and gives its place.
pub(crate) fn append(connection: &Connection, event: &EncodedEvent) -> Result<u64> {
    connection
        .prepare_cached(
            "insert into audit_buffer_event (bytes_in, event_id, at, kind, body)
             values (?5 + coalesce(
                 (select bytes_in from audit_buffer_event order by seq desc limit 1), 0),
                 ?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            event.id.as_uuid().as_bytes(),
            event.at.as_micros(),
            event.kind.as_str(),
            event.json,
            i64::try_from(event.json.len()).unwrap_or(i64::MAX),
        ])?;
    Ok(connection.last_insert_rowid().cast_unsigned())
}

/// Events behind `after`, in order.
pub(crate) fn events_after(
    connection: &Connection,
    after: u64,
    limit: u32,
) -> Result<Vec<Outgoing>> {
    let buffer_id = state(connection)?.buffer_id;
    connection
        .prepare_cached(
            "select seq, event_id, at, kind, body from audit_buffer_event
             where seq > ?1 order by seq limit ?2",
        )?
        .query_map(params![after.cast_signed(), limit], |row| {
            let Ok(kind) = row.get_ref(3)?.as_str()?.parse();
            Ok(Outgoing {
                buffer_id,
                buffer_seq: seq(row, 0)?,
                event: EncodedEvent {
                    id: EventId::from_uuid(uuid(row, 1)?),
                    at: Timestamp::from_micros_clamped(row.get(2)?),
                    kind,
                    json: row.get(4)?,
                },
            })
        })?
        .collect()
}

/// The sink has everything up to `seq`.
pub(crate) fn acknowledge(connection: &Connection, up_to: u64) -> Result<()> {
    connection
        .prepare_cached("update audit_buffer_state set acked = max(acked, ?1)")?
        .execute([up_to.cast_signed()])
        .map(drop)
}

/// Deletes what the sink has, up to `up_to`, but for the newest event, which carries the count on.
pub(crate) fn release(connection: &Connection, up_to: u64) -> Result<()> {
    let (rows, bytes): (i64, i64) = connection
        .prepare_cached(
            "select count(*), coalesce(sum(length(body)), 0) from audit_buffer_event
             where seq <= min(?1, (select acked from audit_buffer_state),
                 (select max(seq) - 1 from audit_buffer_event))",
        )?
        .query_row([up_to.cast_signed()], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if rows == 0 {
        return Ok(());
    }
    connection
        .prepare_cached(
            "delete from audit_buffer_event
             where seq <= min(?1, (select acked from audit_buffer_state),
                 (select max(seq) - 1 from audit_buffer_event))",
        )?
        .execute([up_to.cast_signed()])?;
    connection
        .prepare_cached(
            "update audit_buffer_state set rows_out = rows_out + ?1, bytes_out = bytes_out + ?2",
        )?
        .execute([rows, bytes])
        .map(drop)
}

fn seq(row: &Row<'_>, column: usize) -> Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

fn uuid(row: &Row<'_>, column: usize) -> Result<Uuid> {
    row.get(column).map(Uuid::from_bytes)
}
