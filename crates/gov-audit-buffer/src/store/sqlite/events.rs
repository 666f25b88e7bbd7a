//! Rows that come, and rows that change before they left.

use gov_core::{EventId, Timestamp};
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::{number, uuid};
use crate::EncodedEvent;

/// A row that may be dropped to make room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Loose {
    pub(crate) seq: u64,
    pub(crate) at: Timestamp,
    pub(crate) bytes: u64,
}

/// Adds one row.
pub(super) fn insert(
    connection: &Connection,
    seq: u64,
    bytes_in: u64,
    event: &EncodedEvent,
) -> Result<()> {
    connection
        .prepare_cached(
            "insert into audit_buffer_event (seq, bytes_in, event_id, at, kind, body)
             values (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            seq.cast_signed(),
            bytes_in.cast_signed(),
            event.id.as_uuid().as_bytes(),
            event.at.as_micros(),
            event.kind.as_str(),
            event.json,
        ])
        .map(drop)
}

/// Puts `event` in the place of what is at `seq`.
pub(crate) fn replace(connection: &Connection, seq: u64, event: &EncodedEvent) -> Result<()> {
    connection
        .prepare_cached(
            "update audit_buffer_event set event_id = ?2, at = ?3, kind = ?4, body = ?5
             where seq = ?1",
        )?
        .execute(params![
            seq.cast_signed(),
            event.id.as_uuid().as_bytes(),
            event.at.as_micros(),
            event.kind.as_str(),
            event.json,
        ])
        .map(drop)
}

/// Deletes the row at `seq`.
pub(crate) fn remove(connection: &Connection, seq: u64) -> Result<()> {
    connection
        .prepare_cached("delete from audit_buffer_event where seq = ?1")?
        .execute([seq.cast_signed()])
        .map(drop)
}

/// Where the event is, if it is behind `after`. Reads all that is behind.
pub(crate) fn find(connection: &Connection, after: u64, event: EventId) -> Result<Option<u64>> {
    connection
        .prepare_cached(
            "select seq from audit_buffer_event where seq > ?1 and event_id = ?2
             order by seq limit 1",
        )?
        .query_row(params![after.cast_signed(), event.as_uuid().as_bytes()], |row| number(row, 0))
        .optional()
}

/// The newest rows behind `after`, the newest first.
pub(crate) fn newest(
    connection: &Connection,
    after: u64,
    limit: u32,
) -> Result<Vec<(u64, EncodedEvent)>> {
    connection
        .prepare_cached(
            "select seq, event_id, at, kind, body from audit_buffer_event
             where seq > ?1 order by seq desc limit ?2",
        )?
        .query_map(params![after.cast_signed(), limit], event)?
        .collect()
}

/// Rows behind `after` up to `up_to`, in order, until one more would exceed `max_bytes`; but one
/// at least.
pub(crate) fn behind(
    connection: &Connection,
    after: u64,
    up_to: u64,
    limit: u32,
    max_bytes: u64,
) -> Result<Vec<(u64, EncodedEvent)>> {
    let mut statement = connection.prepare_cached(
        "select seq, event_id, at, kind, body from audit_buffer_event
         where seq > ?1 and seq <= ?2 order by seq limit ?3",
    )?;
    let up_to = i64::try_from(up_to).unwrap_or(i64::MAX);
    let mut found = Vec::new();
    let mut bytes = 0;
    for row in statement.query_map(params![after.cast_signed(), up_to, limit], event)? {
        let row = row?;
        bytes += row.1.json.len() as u64;
        if bytes > max_bytes && !found.is_empty() {
            break;
        }
        found.push(row);
    }
    Ok(found)
}

/// Whether the number stands for a row.
pub(crate) fn is_there(connection: &Connection, seq: u64) -> Result<bool> {
    connection
        .prepare_cached("select exists (select 1 from audit_buffer_event where seq = ?1)")?
        .query_row([seq.cast_signed()], |row| row.get(0))
}

/// The oldest rows behind `after` that may be dropped: of `normal` events, or of all others but
/// those that account for what is missing.
pub(crate) fn droppable(
    connection: &Connection,
    after: u64,
    normal: bool,
    limit: u64,
) -> Result<Vec<Loose>> {
    let sql = if normal {
        "select seq, at, length(body) from audit_buffer_event
         where seq > ?1 and kind in ('action.allowed', 'action.warned') order by seq limit ?2"
    } else {
        "select seq, at, length(body) from audit_buffer_event
         where seq > ?1 and kind not in ('action.allowed', 'action.warned', 'audit.gap')
         order by seq limit ?2"
    };
    connection
        .prepare_cached(sql)?
        .query_map(params![after.cast_signed(), limit.cast_signed()], |row| {
            let at = Timestamp::from_micros_clamped(row.get(1)?);
            Ok(Loose { seq: number(row, 0)?, at, bytes: number(row, 2)? })
        })?
        .collect()
}

fn event(row: &Row<'_>) -> Result<(u64, EncodedEvent)> {
    let Ok(kind) = row.get_ref(3)?.as_str()?.parse();
    let event = EncodedEvent {
        id: EventId::from_uuid(uuid(row, 1)?),
        at: Timestamp::from_micros_clamped(row.get(2)?),
        kind,
        json: row.get(4)?,
    };
    Ok((number(row, 0)?, event))
}
