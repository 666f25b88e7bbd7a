//! Says in a SQLite file what is pruned, and deletes it.

use gov_store::sqlite::{Sync, WriteError};
use rusqlite::{Connection, Transaction};
use tokio::runtime::Handle;

use super::SqliteLog;
use crate::{
    signed_log::{
        LogHead, ReadLogError,
        append::{AppendError, Appender},
        backend::Writing,
        pruning::Stating,
    },
    store::{StoreError, sqlite as store},
    tlog::leaf_hash,
};

impl SqliteLog {
    pub(in crate::signed_log) async fn state(
        &self,
        writing: &Writing,
        stating: Stating,
    ) -> Result<Option<LogHead>, ReadLogError> {
        let (tail, writing) = (std::sync::Arc::clone(&self.tail), Writing::clone(writing));
        let runtime = Handle::current();
        let job = move |tx: &Transaction<'_>| {
            let Writing { epoch, key, signer } = &writing;
            let sign = |message: &[u8]| runtime.block_on(signer.sign(message));
            let now = stating.entry.at;
            Appender { epoch: *epoch, key, sign: &sign, tail: &tail, now }.state(tx, &stating)
        };
        self.database.writer.write(Sync::Full, job).await.map_err(|error| {
            // As after any append: the head row decides what memory is still worth.
            *self.tail.lock() = None;
            match error {
                WriteError::Job(AppendError::Store(StoreError::Corrupt(what))) => {
                    ReadLogError::Corrupt(what)
                }
                WriteError::Job(AppendError::OtherEpoch { wanted, found }) => {
                    ReadLogError::OtherEpoch { wanted, found }
                }
                other => ReadLogError::Unavailable(Box::new(other)),
            }
        })
    }

    pub(in crate::signed_log) async fn delete_rows(
        &self,
        epoch: u64,
        range: (u64, u64),
    ) -> Result<u64, ReadLogError> {
        self.write(move |tx| store::delete_rows(tx, epoch, range)).await
    }
}

impl Appender<'_> {
    fn state(&self, tx: &Connection, it: &Stating) -> Result<Option<LogHead>, AppendError> {
        let head = self.head(tx)?;
        if store::pruned(tx)? != *it.before.below() {
            return Ok(None);
        }
        let mut edge = self.edge(tx, &head)?;
        let seq = edge.size() + 1;
        let entry = it.entry_at(seq)?;
        let mut rows = store::Rows::of(tx, self.epoch)?;
        rows.insert_entry(seq, it.entry.id, &entry)?;
        rows.insert_payload(seq, &it.payload)?;
        let mut full = Vec::new();
        edge.push(leaf_hash(&entry), &mut |tile| full.push(tile));
        full.iter().try_for_each(|tile| store::insert_tile(tx, self.epoch, tile))?;
        for (epoch, below) in it.after.below() {
            store::set_pruned(tx, *epoch, *below)?;
        }
        self.sign_head(tx, edge).map(Some)
    }
}
