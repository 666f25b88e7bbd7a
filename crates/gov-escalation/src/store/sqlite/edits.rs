//! Replacing what is asked for.

use async_trait::async_trait;
use gov_core::{ApprovalId, Timestamp};

use super::{
    SqliteApprovalStore, approvals,
    steps::{self, Steps},
};
use crate::{
    store::{Edits, Replaced, StoreError, rows::SealedExchange},
    transition::{self, Edit, Refusal},
};

#[async_trait]
impl Edits for SqliteApprovalStore {
    async fn replace(
        &self,
        id: ApprovalId,
        edit: Edit,
        now: Timestamp,
    ) -> Result<Replaced, StoreError> {
        self.change(move |tx| {
            let before = approvals::get(tx, id)?;
            let mut exchange = transition::edit(&before, &edit, ApprovalId::at(now), now);
            if exchange.is_ok() && approvals::find_open(tx, &edit.request.digest)?.is_some() {
                exchange = Err(Refusal::AskedAlready);
            }
            let exchange = match exchange {
                Ok(it) => SealedExchange::of(it, &before)?,
                Err(refusal) => {
                    return Ok(Replaced::Refused { approval: Box::new(before), refusal });
                }
            };
            Steps::of(tx)?.take(&exchange.closed)?;
            steps::open(tx, &exchange.opened)?;
            let position = Steps::of(tx)?.take(&exchange.voted)?;
            let (old, new) = (exchange.closed.approval, exchange.voted.approval);
            Ok(Replaced::Done { old: Box::new(old), new: Box::new(new), position })
        })
        .await
    }
}
