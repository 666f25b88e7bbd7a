//! Other hands on the database.

#![expect(clippy::unwrap_used, reason = "only tests damage a store")]

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gov_core::{ApprovalId, Timestamp};

use super::PgApprovalStore;
use crate::store::damage::Damage;

#[async_trait]
impl Damage for PgApprovalStore {
    async fn lose_timer(&self, id: ApprovalId) {
        let sql = "delete from escalation_timer where approval_id = $1
                   and $2::timestamptz is null";
        self.damage(sql, id, None).await;
    }

    async fn set_due(&self, id: ApprovalId, due_at: Option<Timestamp>) {
        self.damage("update escalation_timer set due_at = $2 where approval_id = $1", id, due_at)
            .await;
    }

    async fn garble(&self, id: ApprovalId) {
        let sql = "update escalation_approval set chain = '{}' where approval_id = $1
                   and $2::timestamptz is null";
        self.damage(sql, id, None).await;
    }
}

impl PgApprovalStore {
    async fn damage(&self, sql: &'static str, id: ApprovalId, due_at: Option<Timestamp>) {
        let query = sqlx::query(sql).bind(id.as_uuid()).bind(due_at.map(DateTime::<Utc>::from));
        assert_eq!(query.execute(&self.pool).await.unwrap().rows_affected(), 1);
    }
}
