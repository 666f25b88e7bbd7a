//! Events that the sink refused for good.

use gov_core::{EventId, Timestamp};
use rusqlite::{Connection, Result, Row, params};

use super::{Books, number, uuid};
use crate::{BufferId, EncodedEvent, buffer::DeadLetter};

/// Which dead letters.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wanted {
    /// Those behind this number.
    After(u64),
    /// Those of this event.
    Of(EventId),
}

/// Keeps one more.
pub(crate) fn insert_letter(connection: &Connection, letter: &DeadLetter) -> Result<()> {
    connection
        .prepare_cached(
            "insert into audit_buffer_dead_letter
             (event_id, buffer_id, seq, at, kind, reason, tries, dead_at, body)
             values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            letter.event.id.as_uuid().as_bytes(),
            letter.buffer_id.as_uuid().as_bytes(),
            letter.seq.cast_signed(),
            letter.event.at.as_micros(),
            letter.event.kind.as_str(),
            letter.reason,
            letter.tries,
            letter.dead_at.as_micros(),
            letter.event.json,
        ])
        .map(drop)
}

/// Those that are wanted, the oldest first.
pub(crate) fn letters(
    connection: &Connection,
    wanted: Wanted,
    limit: u32,
) -> Result<Vec<DeadLetter>> {
    const COLUMNS: &str = "select number, event_id, buffer_id, seq, at, kind, reason, tries,
         dead_at, body from audit_buffer_dead_letter";
    match wanted {
        Wanted::After(after) => connection
            .prepare_cached(&format!("{COLUMNS} where number > ?1 order by number limit ?2"))?
            .query_map(params![after.cast_signed(), limit], letter)?
            .collect(),
        Wanted::Of(event) => connection
            .prepare_cached(&format!("{COLUMNS} where event_id = ?1 order by number limit ?2"))?
            .query_map(params![event.as_uuid().as_bytes(), limit], letter)?
            .collect(),
    }
}

/// Deletes these.
pub(crate) fn delete_letters(connection: &Connection, letters: &[DeadLetter]) -> Result<()> {
    let mut delete =
        connection.prepare_cached("delete from audit_buffer_dead_letter where number = ?1")?;
    letters.iter().try_for_each(|it| delete.execute([it.number.cast_signed()]).map(drop))
}

/// `seq`, or the last one of the dead letters that come right behind it.
pub(crate) fn behind_dead(books: &Books<'_>, seq: u64) -> Result<u64> {
    let mut dead = books.connection.prepare_cached(
        "select distinct seq from audit_buffer_dead_letter
         where buffer_id = ?1 and seq > ?2 order by seq",
    )?;
    let mut rows =
        dead.query(params![books.state.buffer_id.as_uuid().as_bytes(), seq.cast_signed()])?;
    let mut last = seq;
    while let Some(row) = rows.next()? {
        if number(row, 0)? != last + 1 {
            break;
        }
        last += 1;
    }
    Ok(last)
}

fn letter(row: &Row<'_>) -> Result<DeadLetter> {
    let Ok(kind) = row.get_ref(5)?.as_str()?.parse();
    Ok(DeadLetter {
        number: number(row, 0)?,
        buffer_id: BufferId::from_uuid(uuid(row, 2)?),
        seq: number(row, 3)?,
        reason: row.get(6)?,
        tries: row.get(7)?,
        dead_at: Timestamp::from_micros_clamped(row.get(8)?),
        event: EncodedEvent {
            id: EventId::from_uuid(uuid(row, 1)?),
            at: Timestamp::from_micros_clamped(row.get(4)?),
            kind,
            json: row.get(9)?,
        },
    })
}
