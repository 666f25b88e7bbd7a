//! The rows of new records.

use gov_core::{Payload, RecordId};
use rusqlite::{CachedStatement, Connection, params};

use super::place;
use crate::store::StoreError;

/// Writes records into one epoch, with statements that are looked up once for all of them.
pub(crate) struct Rows<'c> {
    epoch: u64,
    entry: CachedStatement<'c>,
    payload: CachedStatement<'c>,
}

impl<'c> Rows<'c> {
    pub(crate) fn of(connection: &'c Connection, epoch: u64) -> Result<Self, StoreError> {
        Ok(Self {
            epoch,
            entry: connection.prepare_cached(
                "insert into audit_log_entry (place, record_id, entry) values (?1, ?2, ?3)",
            )?,
            payload: connection.prepare_cached(
                "insert into audit_log_payload (place, salt, payload) values (?1, ?2, ?3)",
            )?,
        })
    }

    /// Writes one entry.
    pub(crate) fn insert_entry(
        &mut self,
        seq: u64,
        id: RecordId,
        entry: &[u8],
    ) -> Result<(), StoreError> {
        self.entry.execute(params![place(self.epoch, seq)?, id.as_uuid().as_bytes(), entry])?;
        Ok(())
    }

    /// Writes one payload.
    pub(crate) fn insert_payload(&mut self, seq: u64, payload: &Payload) -> Result<(), StoreError> {
        let (salt, bytes) = (payload.salt(), payload.as_bytes());
        self.payload.execute(params![place(self.epoch, seq)?, salt, bytes])?;
        Ok(())
    }
}
