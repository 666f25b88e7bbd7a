//! What the file says about itself: read without counting, and kept right by every change.

use rusqlite::{Connection, OptionalExtension as _, Result, params};

use super::{events, number, uuid};
use crate::{BufferId, EncodedEvent};

/// What is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) buffer_id: BufferId,
    /// Up to this number sinks may know events under an earlier name.
    pub(crate) id_since: u64,
    /// The newest event; 0 for none yet.
    pub(crate) last: u64,
    /// Up to this one the sink has everything.
    pub(crate) acked: u64,
    /// Rows that are there.
    pub(crate) rows: u64,
    /// The bytes of their bodies.
    pub(crate) bytes: u64,
    /// Rows that the sink has, and that are held to be sent again: a part of `rows`.
    pub(crate) held_rows: u64,
    /// Their bytes: a part of `bytes`.
    pub(crate) held_bytes: u64,
    pub(crate) dead_letters: u64,
    /// The bytes that were ever added.
    bytes_in: u64,
}

impl State {
    /// Rows that wait for the sink.
    pub(crate) fn waiting(&self) -> u64 {
        self.rows.saturating_sub(self.held_rows)
    }

    /// The bytes of the rows that wait.
    pub(crate) fn waiting_bytes(&self) -> u64 {
        self.bytes.saturating_sub(self.held_bytes)
    }

    /// The columns of the state's row, which most appends leave as they are.
    fn columns(&self) -> [i64; 7] {
        let rows_out = self.last.saturating_sub(self.rows);
        let bytes_out = self.bytes_in.cast_signed().saturating_sub(self.bytes.cast_signed());
        [
            self.id_since.cast_signed(),
            self.acked.cast_signed(),
            self.held_rows.cast_signed(),
            self.held_bytes.cast_signed(),
            rows_out.cast_signed(),
            bytes_out,
            self.dead_letters.cast_signed(),
        ]
    }
}

/// The state within one transaction. What changes rows changes it, and [`Books::close`] writes it.
pub(crate) struct Books<'c> {
    pub(crate) connection: &'c Connection,
    pub(crate) state: State,
    opened: State,
}

impl<'c> Books<'c> {
    /// Reads the state: two rows, at any depth.
    pub(crate) fn open(connection: &'c Connection) -> Result<Self> {
        let state = read(connection)?;
        Ok(Self { connection, state, opened: state })
    }

    /// Adds the event that was given the number `place`, which the sink may know it by: there, also
    /// where others were added behind it meanwhile, and gives its number. It is a higher one if the
    /// sink is further by now.
    pub(crate) fn place(&mut self, place: u64, event: &EncodedEvent) -> Result<u64> {
        let between = self.state.acked < place && place <= self.state.last;
        if !between || events::is_there(self.connection, place)? {
            return self.append(place, event);
        }
        self.insert(place, event)?;
        Ok(place)
    }

    /// Adds one event behind all others, at `place` if nothing is there or behind it, and gives
    /// its number.
    pub(crate) fn append(&mut self, place: u64, event: &EncodedEvent) -> Result<u64> {
        let state = &mut self.state;
        // A number that the sink has seen must not name another event.
        let seq = place.max(state.last.max(state.acked) + 1);
        let bytes = event.json.len() as u64;
        state.bytes_in = state.bytes_in.saturating_add(bytes);
        events::insert(self.connection, seq, state.bytes_in, event)?;
        state.last = seq;
        state.rows += 1;
        state.bytes += bytes;
        Ok(seq)
    }

    /// Adds one event at a number in the midst that stands for nothing.
    pub(crate) fn insert(&mut self, seq: u64, event: &EncodedEvent) -> Result<()> {
        // Only the newest row's count is ever read.
        events::insert(self.connection, seq, 0, event)?;
        self.state.rows += 1;
        self.state.bytes += event.json.len() as u64;
        Ok(())
    }

    /// Counts rows out that were deleted and waited.
    pub(crate) fn gone(&mut self, rows: u64, bytes: u64) {
        self.state.rows = self.state.rows.saturating_sub(rows);
        self.state.bytes = self.state.bytes.saturating_sub(bytes);
    }

    /// Counts a body that was replaced.
    pub(crate) fn resized(&mut self, from: u64, to: u64) {
        self.state.bytes = self.state.bytes.saturating_sub(from).saturating_add(to);
    }

    /// Writes what changed, and gives the state as it is now.
    pub(crate) fn close(self) -> Result<State> {
        let Self { connection, state, opened } = self;
        if state.columns() != opened.columns() || state.buffer_id != opened.buffer_id {
            let [id_since, acked, held_rows, held_bytes, rows_out, bytes_out, dead] =
                state.columns();
            connection
                .prepare_cached(
                    "update audit_buffer_state set buffer_id = ?1, id_since = ?2, acked = ?3,
                     held_rows = ?4, held_bytes = ?5, rows_out = ?6, bytes_out = ?7,
                     dead_letters = ?8",
                )?
                .execute(params![
                    state.buffer_id.as_uuid().as_bytes(),
                    id_since,
                    acked,
                    held_rows,
                    held_bytes,
                    rows_out,
                    bytes_out,
                    dead
                ])?;
        }
        Ok(state)
    }
}

fn read(connection: &Connection) -> Result<State> {
    let newest = connection
        .prepare_cached("select seq, bytes_in from audit_buffer_event order by seq desc limit 1")?
        .query_row([], |row| Ok((number(row, 0)?, number(row, 1)?)))
        .optional()?;
    let (last, bytes_in) = newest.unwrap_or_default();
    connection
        .prepare_cached(
            "select buffer_id, id_since, acked, held_rows, held_bytes, rows_out, bytes_out,
             dead_letters from audit_buffer_state",
        )?
        .query_row([], |row| {
            Ok(State {
                buffer_id: BufferId::from_uuid(uuid(row, 0)?),
                id_since: number(row, 1)?,
                last,
                acked: number(row, 2)?,
                rows: last.saturating_sub(number(row, 5)?),
                bytes: bytes_in.saturating_sub_signed(row.get(6)?),
                held_rows: number(row, 3)?,
                held_bytes: number(row, 4)?,
                dead_letters: number(row, 7)?,
                bytes_in,
            })
        })
}
