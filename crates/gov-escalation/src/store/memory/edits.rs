//! Replacing what is asked for, in memory.

use async_trait::async_trait;
use gov_core::{ApprovalId, Timestamp};

use super::{MemoryApprovalStore, seal};
use crate::{
    store::{Edits, Replaced, StoreError},
    transition::{self, Edit, Refusal},
};

#[async_trait]
impl Edits for MemoryApprovalStore {
    async fn replace(
        &self,
        id: ApprovalId,
        edit: Edit,
        now: Timestamp,
    ) -> Result<Replaced, StoreError> {
        let mut tables = self.tables.lock();
        let before = tables.approvals.get(&id).ok_or(StoreError::NotFound(id))?;
        let mut exchange = transition::edit(before, &edit, ApprovalId::at(now), now);
        if exchange.is_ok() && tables.open(&edit.request.digest).is_some() {
            exchange = Err(Refusal::AskedAlready);
        }
        let exchange = match exchange {
            Ok(it) => it,
            Err(refusal) => {
                return Ok(Replaced::Refused { approval: Box::new(before.clone()), refusal });
            }
        };
        let (old, new) = (exchange.closed.approval.clone(), exchange.voted.approval.clone());
        let steps = [seal(exchange.closed)?, seal(exchange.opened)?, seal(exchange.voted)?];
        let mut position = 0;
        for step in steps {
            position = tables.write(step, now);
        }
        Ok(Replaced::Done { old: Box::new(old), new: Box::new(new), position })
    }
}
