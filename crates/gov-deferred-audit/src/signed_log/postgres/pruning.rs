//! Says in PostgreSQL what is pruned, and deletes it.

use super::{AppendError, PgLog, locked};
use crate::{
    signed_log::{LogHead, ReadLogError, backend::Writing, batch::NewRow, pruning::Stating},
    store::{StoreError, postgres as store},
    tlog::leaf_hash,
};

impl PgLog {
    pub(in crate::signed_log) async fn state(
        &self,
        writing: &Writing,
        stating: Stating,
    ) -> Result<Option<LogHead>, ReadLogError> {
        self.try_state(writing, &stating).await.map_err(|error| match error {
            AppendError::Store(error) => error.into(),
            AppendError::Log(error) => error,
            AppendError::Sign(error) => ReadLogError::Unavailable(Box::new(error)),
        })
    }

    async fn try_state(
        &self,
        writing: &Writing,
        it: &Stating,
    ) -> Result<Option<LogHead>, AppendError> {
        let epoch = writing.epoch;
        let mut tx = store::begin(&self.pool).await?;
        let (head, _) = locked(&mut tx, epoch, std::iter::empty()).await?;
        if store::pruned(&mut tx).await? != *it.before.below() {
            return Ok(None);
        }
        let mut edge = self.edge(&mut tx, &head).await?;
        let seq = edge.size() + 1;
        let entry = it.entry_at(seq)?;
        let mut full = Vec::new();
        edge.push(leaf_hash(&entry), &mut |tile| full.push(tile));
        let row = NewRow { seq, id: it.entry.id, payload: &it.payload, entry };
        store::insert_rows(&mut tx, epoch, &[row]).await?;
        for tile in &full {
            store::insert_tile(&mut tx, epoch, tile).await?;
        }
        for (epoch, below) in it.after.below() {
            store::set_pruned(&mut tx, *epoch, *below).await?;
        }
        let (head, tail) = self.sign(&mut tx, writing, edge).await?;
        self.commit(tx, Some(tail)).await?;
        Ok(Some(head))
    }

    pub(in crate::signed_log) async fn delete_rows(
        &self,
        epoch: u64,
        range: (u64, u64),
    ) -> Result<u64, ReadLogError> {
        let mut tx = store::begin(&self.pool).await?;
        let gone = store::delete_rows(&mut tx, epoch, range).await?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(gone)
    }
}
