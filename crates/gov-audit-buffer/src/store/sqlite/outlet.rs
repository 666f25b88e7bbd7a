//! How rows leave: sent, held for a while, deleted.

use gov_core::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Result, Row, params};

use super::{Books, number};

/// Some rows, counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// What a release did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Freed {
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
}

/// The number of the `rows`th row behind `after`, or of the last one before that.
pub(crate) fn window(connection: &Connection, after: u64, rows: u32) -> Result<Option<u64>> {
    connection
        .prepare_cached(
            "select max(seq) from (select seq from audit_buffer_event
             where seq > ?1 order by seq limit ?2)",
        )?
        .query_row(params![after.cast_signed(), rows], |row| row.get::<_, Option<i64>>(0))
        .map(|it| it.map(i64::cast_unsigned))
}

/// When the first event behind `after` happened.
pub(crate) fn oldest_at(connection: &Connection, after: u64) -> Result<Option<Timestamp>> {
    connection
        .prepare_cached("select at from audit_buffer_event where seq > ?1 order by seq limit 1")?
        .query_row([after.cast_signed()], |row| row.get(0).map(Timestamp::from_micros_clamped))
        .optional()
}

/// The sink has everything up to `up_to`: looks at `limit` rows at most, and says whether that was
/// all.
pub(crate) fn acknowledged(books: &mut Books<'_>, up_to: u64, limit: u32) -> Result<bool> {
    if up_to <= books.state.acked {
        return Ok(true);
    }
    let span = rows_between(books.connection, books.state.acked, up_to, limit)?;
    let state = &mut books.state;
    state.held_rows += span.rows;
    state.held_bytes += span.bytes;
    let all = span.rows < u64::from(limit);
    state.acked = if all { up_to } else { span.last };
    Ok(all)
}

/// Deletes the oldest rows up to `up_to` that the sink has, `limit` at most; never the newest,
/// whose number the next one follows.
pub(crate) fn released(books: &mut Books<'_>, up_to: u64, limit: u32) -> Result<Freed> {
    let state = &mut books.state;
    let up_to = up_to.min(state.acked).min(state.last.saturating_sub(1));
    let span = rows_between(books.connection, 0, up_to, limit)?;
    if span.rows > 0 {
        books
            .connection
            .prepare_cached("delete from audit_buffer_event where seq <= ?1")?
            .execute([span.last.cast_signed()])?;
        state.rows = state.rows.saturating_sub(span.rows);
        state.bytes = state.bytes.saturating_sub(span.bytes);
        state.held_rows = state.held_rows.saturating_sub(span.rows);
        state.held_bytes = state.held_bytes.saturating_sub(span.bytes);
    }
    Ok(Freed { rows: span.rows, bytes: span.bytes })
}

/// The oldest rows behind `after` up to `up_to`, `limit` at most, counted.
fn rows_between(connection: &Connection, after: u64, up_to: u64, limit: u32) -> Result<Span> {
    connection
        .prepare_cached(
            "select min(seq), max(seq), count(*), coalesce(sum(bytes), 0)
             from (select seq, length(body) as bytes from audit_buffer_event
                   where seq > ?1 and seq <= ?2 order by seq limit ?3)",
        )?
        .query_row(params![after.cast_signed(), clamped(up_to), limit], span)
}

/// The newest rows behind `after` up to `up_to`, `limit` at most, counted.
pub(crate) fn count_backwards(
    connection: &Connection,
    after: u64,
    up_to: u64,
    limit: u32,
) -> Result<Span> {
    connection
        .prepare_cached(
            "select min(seq), max(seq), count(*), coalesce(sum(bytes), 0)
             from (select seq, length(body) as bytes from audit_buffer_event
                   where seq > ?1 and seq <= ?2 order by seq desc limit ?3)",
        )?
        .query_row(params![after.cast_signed(), clamped(up_to), limit], span)
}

/// Gives at most `limit` free pages back to the file system, if so many are free that the file is
/// more hole than content; says whether more could go.
pub(crate) fn free_pages(connection: &Connection, spare: u64, limit: u32) -> Result<bool> {
    let free = pragma(connection, "pragma freelist_count")?;
    let all = pragma(connection, "pragma page_count")?;
    if free <= spare || free.saturating_mul(2) <= all {
        return Ok(false);
    }
    let give = u64::from(limit).min(free - spare);
    // One page a row: it goes only as far as it is read.
    let mut statement = connection.prepare(&format!("pragma incremental_vacuum({give})"))?;
    let mut pages = statement.query([])?;
    while pages.next()?.is_some() {}
    Ok(free - give > spare)
}

/// The size of the file in bytes, as the last commit left it.
pub(crate) fn page_bytes(connection: &Connection) -> Result<u64> {
    let pages = pragma(connection, "pragma page_count")?;
    Ok(pages.saturating_mul(pragma(connection, "pragma page_size")?))
}

fn pragma(connection: &Connection, sql: &str) -> Result<u64> {
    connection.prepare_cached(sql)?.query_row([], |row| number(row, 0))
}

fn span(row: &Row<'_>) -> Result<Span> {
    let or_zero = |column| -> Result<u64> {
        Ok(row.get::<_, Option<i64>>(column)?.unwrap_or(0).cast_unsigned())
    };
    Ok(Span {
        first: or_zero(0)?,
        last: or_zero(1)?,
        rows: number(row, 2)?,
        bytes: number(row, 3)?,
    })
}

fn clamped(seq: u64) -> i64 {
    i64::try_from(seq).unwrap_or(i64::MAX)
}
