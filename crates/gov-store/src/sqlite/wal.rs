//! How large the write-ahead log is, and moving it into the database file.

use rusqlite::Connection;

/// What a frame of the log takes: a page and its header.
const FRAME_BYTES: u64 = 4096 + 24;

/// What a checkpoint may do to get its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Moves what it can without waiting for anybody.
    Passive,
    /// Moves everything and cuts the file to nothing; waits for readers as long as the
    /// connection's busy timeout says.
    Truncate,
}

impl Mode {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Passive => "passive",
            Self::Truncate => "truncate",
        }
    }

    fn sql(self) -> &'static str {
        match self {
            Self::Passive => "pragma wal_checkpoint(passive)",
            Self::Truncate => "pragma wal_checkpoint(truncate)",
        }
    }
}

/// Runs one checkpoint; `false` if a reader or another checkpoint kept it from finishing.
pub(super) fn checkpoint(connection: &Connection, mode: Mode) -> rusqlite::Result<bool> {
    crate::crash::point("store-before-checkpoint");
    let (busy, frames, moved) = connection.query_row(mode.sql(), [], |row| {
        Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
    })?;
    crate::crash::point("store-after-checkpoint");
    Ok(busy == 0 && frames == moved)
}

/// Frames in the log since its last restart, moved or not.
pub(super) fn frames(connection: &Connection) -> rusqlite::Result<u64> {
    let mut statement = connection.prepare_cached("pragma wal_checkpoint(noop)")?;
    let frames: i64 = statement.query_row([], |row| row.get(1))?;
    // -1 stands for "no log yet".
    Ok(u64::try_from(frames).unwrap_or(0))
}

/// The size of so many frames.
pub(super) fn bytes(frames: u64) -> u64 {
    frames.saturating_mul(FRAME_BYTES)
}

/// How many frames fit; never so few that every commit is at the limit.
pub(super) fn frames_in(bytes: u64) -> u64 {
    (bytes / FRAME_BYTES).max(4)
}
