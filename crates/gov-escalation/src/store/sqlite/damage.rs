//! Other hands on the file.

#![expect(clippy::unwrap_used, reason = "only tests damage a store")]

use async_trait::async_trait;
use gov_core::{ApprovalId, Timestamp};

use super::SqliteApprovalStore;
use crate::store::damage::Damage;

#[async_trait]
impl Damage for SqliteApprovalStore {
    async fn lose_timer(&self, id: ApprovalId) {
        self.damage("delete from escalation_timer where approval_id = ?1 and ?2 is null", id, None)
            .await;
    }

    async fn set_due(&self, id: ApprovalId, due_at: Option<Timestamp>) {
        self.damage("update escalation_timer set due_at = ?2 where approval_id = ?1", id, due_at)
            .await;
    }

    async fn garble(&self, id: ApprovalId) {
        let sql = "update escalation_approval set chain = '{}' where approval_id = ?1
                   and ?2 is null";
        self.damage(sql, id, None).await;
    }
}

impl SqliteApprovalStore {
    async fn damage(&self, sql: &'static str, id: ApprovalId, due_at: Option<Timestamp>) {
        let (id, due_at) = (id.as_uuid(), due_at.map(Timestamp::as_micros));
        let done = self.write(move |tx| Ok(tx.execute(sql, (id.as_bytes(), due_at))?)).await;
        assert_eq!(done.unwrap(), 1);
    }
}
