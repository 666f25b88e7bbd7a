//! Replacing what is asked for.

use async_trait::async_trait;
use gov_core::{ApprovalId, Timestamp};

use super::{Batch, PgApprovalStore, approvals, commit};
use crate::{
    store::{Edits, Replaced, StoreError, rows::SealedExchange},
    transition::{self, Edit, Refusal},
};

#[async_trait]
impl Edits for PgApprovalStore {
    async fn replace(
        &self,
        id: ApprovalId,
        edit: Edit,
        now: Timestamp,
    ) -> Result<Replaced, StoreError> {
        let mut tx = self.pool.begin().await?;
        let before = approvals::lock(&mut tx, id).await?;
        let exchange = match transition::edit(&before, &edit, ApprovalId::at(now), now) {
            Ok(it) => SealedExchange::of(it, &before)?,
            Err(refusal) => {
                tx.rollback().await?;
                return Ok(Replaced::Refused { approval: Box::new(before), refusal });
            }
        };
        // The index says whether the edited action is asked about already.
        if !approvals::insert(&mut tx, &exchange.opened.approval).await? {
            tx.rollback().await?;
            let (approval, refusal) = (Box::new(before), Refusal::AskedAlready);
            return Ok(Replaced::Refused { approval, refusal });
        }
        let mut batch = Batch::default();
        batch.take(&exchange.closed)?;
        batch.tell(&exchange.opened)?;
        batch.take(&exchange.voted)?;
        let position = batch.write(&mut tx).await?;
        commit(tx).await?;
        let (old, new) = (exchange.closed.approval, exchange.voted.approval);
        Ok(Replaced::Done { old: Box::new(old), new: Box::new(new), position })
    }
}
