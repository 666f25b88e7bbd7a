//! Writes events, inside the transaction of their caller.

use gov_core::{AgentId, AuditEvent, SessionId, TeamId};
use rusqlite::{CachedStatement, Connection, OptionalExtension as _, params};

use crate::event_store::{Appended, StoreError, day::Day};

/// An event with what its columns need, made on the caller's thread and not on the writer's.
#[derive(Debug)]
pub(super) struct Row {
    event: AuditEvent,
    subjects: String,
}

impl Row {
    pub(super) fn of(event: AuditEvent) -> Result<Self, StoreError> {
        let subjects = serde_json::to_string(&event.subjects)
            .map_err(|error| StoreError::Unavailable(Box::new(error)))?;
        Ok(Self { event, subjects })
    }

    pub(super) fn day(&self) -> Day {
        Day::of(self.event.at)
    }
}

/// Writes the rows that are not there yet.
pub(super) fn insert(connection: &Connection, rows: &[Row]) -> Result<Appended, StoreError> {
    let mut insert = Insert::prepare(connection)?;
    rows.iter().try_for_each(|row| insert.row(row))?;
    Ok(insert.done)
}

/// Writes the rows of a source behind what it has `seen` in other files and in this one, and moves
/// its cursor.
pub(super) fn insert_from(
    connection: &Connection,
    source: &str,
    seen: u64,
    rows: Vec<(u64, Row)>,
) -> Result<Appended, StoreError> {
    let here = cursor(connection, source)?.unwrap_or(0);
    let seen = seen.max(here);
    let mut insert = Insert::prepare(connection)?;
    let mut last = None;
    for (seq, row) in rows {
        if seq <= seen {
            insert.done.known += 1;
        } else {
            insert.row(&row)?;
            last = Some(seq);
        }
    }
    if let Some(last) = last {
        connection
            .prepare_cached(
                "insert into retention_source (source, seq) values (?1, ?2)
                 on conflict (source) do update set seq = excluded.seq",
            )?
            .execute(params![source, last.cast_signed()])?;
    }
    Ok(insert.done)
}

/// The cursors that this file knows.
pub(super) fn cursors(connection: &Connection) -> Result<Vec<(String, u64)>, rusqlite::Error> {
    let mut select = connection.prepare("select source, seq from retention_source")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)?)))?;
    rows.map(|row| row.map(|(source, seq)| (source, seq.cast_unsigned()))).collect()
}

fn cursor(connection: &Connection, source: &str) -> Result<Option<u64>, StoreError> {
    let seq: Option<i64> = connection
        .prepare_cached("select seq from retention_source where source = ?1")?
        .query_row([source], |row| row.get(0))
        .optional()?;
    Ok(seq.map(i64::cast_unsigned))
}

/// The statement, looked up once for all rows.
struct Insert<'c> {
    statement: CachedStatement<'c>,
    done: Appended,
}

impl<'c> Insert<'c> {
    fn prepare(connection: &'c Connection) -> Result<Self, StoreError> {
        let statement = connection.prepare_cached(
            "insert into retention_event (at, event_id, kind, agent_id, session_id, team_id,
                 subjects, trace_id, salt, payload)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)
             on conflict (at, event_id) do nothing",
        )?;
        Ok(Self { statement, done: Appended::default() })
    }

    fn row(&mut self, row: &Row) -> Result<(), StoreError> {
        let it = &row.event;
        let new = self.statement.execute(params![
            it.at.as_micros(),
            it.id.as_uuid().as_bytes(),
            it.kind.as_str(),
            it.agent_id.as_ref().map(AgentId::as_str),
            it.session_id.as_ref().map(SessionId::as_str),
            it.team_id.as_ref().map(TeamId::as_str),
            row.subjects,
            it.trace_id,
            it.payload.salt(),
            it.payload.as_bytes(),
        ])?;
        if new == 0 {
            self.done.known += 1;
        } else {
            self.done.new += 1;
        }
        Ok(())
    }
}
