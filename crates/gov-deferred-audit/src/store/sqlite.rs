//! Keeps the log in one SQLite file, tables `audit_log_*`.
//!
//! Times are whole microseconds since 1970, ids 16-byte blobs. Nothing here decides: the functions
//! read and write rows, inside the transaction of their caller.

use std::{collections::BTreeMap, path::Path};

use gov_core::RecordId;
use gov_store::{
    migrations::{Component, Migration},
    sqlite::OpenError,
};
use rusqlite::{Connection, OptionalExtension as _, Row, ffi, params};

pub use super::StoreError;
use super::{Head, LogRows, StoredEntry, StoredPayload, TreeRows, integer, whole_tile};
use crate::tlog::{Hash, tile::FullTile};

mod dead_letters;
mod pruned;
mod rows;

pub(crate) use self::{
    dead_letters::{
        dead_letter, dead_letters, dead_letters_after, delete_dead_letter, insert_dead_letter,
        set_why,
    },
    pruned::{delete_rows, find_pruned, has_pruned, pruned, set_pruned},
    rows::Rows,
};

/// The tables of the log.
pub const COMPONENT: Component = Component {
    name: "audit_log",
    migrations: &[
        Migration {
            version: 1,
            what: "signed log",
            sql: include_str!("../../migrations/sqlite/0001_signed_log.sql"),
            min_reader: 1,
        },
        Migration {
            version: 2,
            what: "places and pruning",
            sql: include_str!("../../migrations/sqlite/0002_places_and_pruning.sql"),
            min_reader: 2,
        },
    ],
};

/// Opens the file for reading only, beside the server that writes it or at rest.
pub(crate) fn open_read_only(path: &Path) -> Result<Connection, OpenError> {
    gov_store::sqlite::open_read_only(path, &[&COMPONENT])
}

/// How many bits of a place are the sequence number; the rest is the epoch.
const SEQ_BITS: u32 = 40;

/// The rowid of what lies at `seq` of `epoch`.
fn place(epoch: u64, seq: u64) -> Result<i64, StoreError> {
    let out_of_range = || StoreError::Corrupt(format!("epoch {epoch} has no place {seq}"));
    if seq >> SEQ_BITS != 0 || epoch >> (i64::BITS - 1 - SEQ_BITS) != 0 {
        return Err(out_of_range());
    }
    integer(epoch << SEQ_BITS | seq)
}

/// The epoch and sequence number of a place.
fn at(place: i64) -> Result<(u64, u64), StoreError> {
    let place = u64::try_from(place)?;
    Ok((place >> SEQ_BITS, place & ((1 << SEQ_BITS) - 1)))
}

const HEAD: &str = "select epoch, vkey, size, root, note, first_note from audit_log_checkpoint";

/// The latest epoch's head; `None` in an empty file.
pub(crate) fn head(connection: &Connection) -> Result<Option<Head>, StoreError> {
    connection
        .prepare_cached(&format!("{HEAD} order by epoch desc limit 1"))?
        .query_row([], |row| Ok(read_head(row)))
        .optional()?
        .transpose()
}

fn read_head(row: &Row<'_>) -> Result<Head, StoreError> {
    Ok(Head {
        epoch: row.get::<_, i64>("epoch")?.try_into()?,
        vkey: row.get("vkey")?,
        size: row.get::<_, i64>("size")?.try_into()?,
        root: row.get("root")?,
        note: row.get("note")?,
        first_note: row.get("first_note")?,
    })
}

impl TreeRows for &Connection {
    fn entries_after(
        &mut self,
        (epoch, seq): (u64, u64),
        limit: u64,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        let mut statement = self.prepare_cached(
            "select place, entry from audit_log_entry where place > ?1 and place < ?2
             order by place limit ?3",
        )?;
        let (after, next) = (place(epoch, seq)?, place(epoch + 1, 0)?);
        let mut rows = statement.query(params![after, next, integer(limit)?])?;
        let mut entries = Vec::new();
        while let Some(row) = rows.next()? {
            entries.push((at(row.get(0)?)?.1, row.get(1)?));
        }
        Ok(entries)
    }

    fn full_tile(
        &mut self,
        epoch: u64,
        level: u8,
        index: u64,
    ) -> Result<Option<Vec<Hash>>, StoreError> {
        let bytes: Option<Vec<u8>> = self
            .prepare_cached(
                "select hashes from audit_log_tile where epoch = ?1 and level = ?2 and tile = ?3",
            )?
            .query_row(params![integer(epoch)?, level, integer(index)?], |row| row.get(0))
            .optional()?;
        bytes.map(|bytes| whole_tile(&bytes, level, index)).transpose()
    }
}

impl LogRows for &Connection {
    fn heads(&mut self) -> Result<Vec<Head>, StoreError> {
        let mut statement = self.prepare_cached(&format!("{HEAD} order by epoch"))?;
        let heads = statement.query_map([], |row| Ok(read_head(row)))?;
        heads.map(|head| head?).collect()
    }

    fn payloads(
        &mut self,
        epoch: u64,
        seq: u64,
        last: u64,
    ) -> Result<Vec<StoredPayload>, StoreError> {
        let mut statement = self.prepare_cached(
            "select place, salt, payload from audit_log_payload
             where place > ?1 and place <= ?2 order by place",
        )?;
        let mut rows = statement.query([place(epoch, seq)?, place(epoch, last)?])?;
        let mut payloads = Vec::new();
        while let Some(row) = rows.next()? {
            let (_, seq) = at(row.get(0)?)?;
            payloads.push(StoredPayload { seq, salt: row.get(1)?, payload: row.get(2)? });
        }
        Ok(payloads)
    }

    fn find(&mut self, id: RecordId) -> Result<Option<(u64, u64)>, StoreError> {
        find(self, id)
    }

    fn pruned(&mut self) -> Result<BTreeMap<u64, u64>, StoreError> {
        pruned(self)
    }

    fn beyond(&mut self, epoch: u64, size: u64) -> Result<[u64; 3], StoreError> {
        let count = |sql: &str, between: [i64; 2]| -> Result<u64, StoreError> {
            let count: i64 = self.prepare_cached(sql)?.query_row(between, |row| row.get(0))?;
            Ok(count.try_into()?)
        };
        let beyond = [place(epoch, size)?, place(epoch + 1, 0)?];
        Ok([
            count("select count(*) from audit_log_entry where place > ?1 and place < ?2", beyond)?,
            count(
                "select count(*) from audit_log_payload where place > ?1 and place < ?2",
                beyond,
            )?,
            count(
                "select count(*) from audit_log_tile
                 where epoch = ?1 and tile >= (?2 >> (8 * (level + 1)))",
                [integer(epoch)?, integer(size)?],
            )?,
        ])
    }

    fn after_epoch(&mut self, last: u64) -> Result<[u64; 3], StoreError> {
        let count = |sql: &str, after: i64| -> Result<u64, StoreError> {
            let count: i64 = self.prepare_cached(sql)?.query_row([after], |row| row.get(0))?;
            Ok(count.try_into()?)
        };
        let next = place(last + 1, 0)?;
        Ok([
            count("select count(*) from audit_log_entry where place >= ?1", next)?,
            count("select count(*) from audit_log_payload where place >= ?1", next)?,
            count("select count(*) from audit_log_tile where epoch > ?1", integer(last)?)?,
        ])
    }

    fn misplaced_ids(&mut self) -> Result<u64, StoreError> {
        pruned::misplaced_ids(self)
    }

    fn misfiled(&mut self, epoch: u64) -> Result<Option<u64>, StoreError> {
        // In an entry these bytes are its own id: within a text a quote has its escape before it.
        let first: Option<i64> = self
            .prepare_cached(
                "select place from audit_log_entry
                 where place > ?1 and place < ?2 and instr(
                     entry, cast(',\"id\":\"rec_' || lower(hex(record_id)) || '\"' as blob)
                 ) = 0 order by place limit 1",
            )?
            .query_row([place(epoch, 0)?, place(epoch + 1, 0)?], |row| row.get(0))
            .optional()?;
        Ok(first.map(at).transpose()?.map(|(_, seq)| seq))
    }
}

/// Begins an epoch.
pub(crate) fn insert_head(connection: &Connection, head: &Head) -> Result<(), StoreError> {
    connection.execute(
        "insert into audit_log_checkpoint (epoch, vkey, size, root, note, first_note)
         values (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            integer(head.epoch)?,
            head.vkey,
            integer(head.size)?,
            head.root,
            head.note,
            head.first_note
        ],
    )?;
    Ok(())
}

/// Moves an epoch's head.
pub(crate) fn update_head(
    connection: &Connection,
    epoch: u64,
    size: u64,
    root: &Hash,
    note: &str,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "update audit_log_checkpoint set size = ?2, root = ?3, note = ?4 where epoch = ?1",
        )?
        .execute(params![integer(epoch)?, integer(size)?, root, note])?;
    Ok(())
}

/// Writes one full tile.
pub(crate) fn insert_tile(
    connection: &Connection,
    epoch: u64,
    tile: &FullTile,
) -> Result<(), StoreError> {
    connection
        .prepare_cached(
            "insert into audit_log_tile (epoch, level, tile, hashes) values (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            integer(epoch)?,
            tile.level,
            integer(tile.index)?,
            tile.hashes.as_flattened()
        ])?;
    Ok(())
}

/// Where a record lies, or lay before it was pruned, as `(epoch, seq)`.
pub(crate) fn find(
    connection: &Connection,
    id: RecordId,
) -> Result<Option<(u64, u64)>, StoreError> {
    let place: Option<i64> = connection
        .prepare_cached("select place from audit_log_entry where record_id = ?1")?
        .query_row([id.as_uuid().as_bytes()], |row| row.get(0))
        .optional()?;
    match place {
        Some(place) => Ok(Some(at(place)?)),
        None => find_pruned(connection, id),
    }
}

/// Whether any record is in the dead-letter table.
pub(crate) fn has_dead_letters(connection: &Connection) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("select exists (select 1 from audit_log_dead_letter)")?
        .query_row([], |row| row.get(0))?)
}

/// Whether this record is in the dead-letter table.
pub(crate) fn is_dead_letter(connection: &Connection, id: RecordId) -> Result<bool, StoreError> {
    Ok(connection
        .prepare_cached("select exists (select 1 from audit_log_dead_letter where record_id = ?1)")?
        .query_row([id.as_uuid().as_bytes()], |row| row.get(0))?)
}

/// Whether an insert met another row with its place in the log: somebody else appended.
///
/// Judged by SQLite's extended code, never by the message.
#[must_use]
pub fn is_unique_constraint_race(error: &rusqlite::Error) -> bool {
    extended_code(error) == Some(ffi::SQLITE_CONSTRAINT_PRIMARYKEY)
}

/// Whether an insert met another row with its record id: the record is there already.
pub(crate) fn is_known_record(error: &rusqlite::Error) -> bool {
    extended_code(error) == Some(ffi::SQLITE_CONSTRAINT_UNIQUE)
}

fn extended_code(error: &rusqlite::Error) -> Option<i32> {
    error.sqlite_error().map(|error| error.extended_code)
}
