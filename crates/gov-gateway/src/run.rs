//! When the server ran: what a power loss may have taken is told by the next run.

use std::collections::BTreeMap;

use gov_core::{AuditEventKind, Payload, Timestamp};
use serde_json::json;

use crate::store::{Change, GatewayStore, Run, StoreError};

/// Notes that a run of `node` begins; where the machine went down in the last one, a row in the
/// history says so, with a bound on what may be missing. True: it did.
///
/// # Errors
///
/// [`StoreError`].
pub async fn begin(
    store: &dyn GatewayStore,
    node: &str,
    boot_id: String,
    now: Timestamp,
    bound: BTreeMap<&'static str, u64>,
) -> Result<bool, StoreError> {
    let last = store.last_run(node).await?;
    let lost_power = last.filter(|last| last.ended_at.is_none() && last.boot_id != boot_id);
    let gap = lost_power.map(|last| {
        let payload = Payload::seal(&json!({
            "cause": "power_loss",
            "node": node,
            "run_started_at": last.started_at,
            "boot_id": last.boot_id,
            "next_boot_id": boot_id,
            "missing_at_most": bound,
        }));
        let payload = payload.map_err(StoreError::unavailable)?;
        let kind = AuditEventKind::AuditGap;
        Ok::<_, StoreError>(Change { at: now, kind, agent_id: None, policy_version: None, payload })
    });
    let gap = gap.transpose()?;
    let found = gap.is_some();
    store.put_run(node, Run { boot_id, started_at: now, ended_at: None }, gap).await?;
    Ok(found)
}

/// Notes that the run of `node` ended in order.
///
/// # Errors
///
/// [`StoreError`]: the next start takes this run for one that was cut off.
pub async fn end(store: &dyn GatewayStore, node: &str, now: Timestamp) -> Result<(), StoreError> {
    match store.last_run(node).await? {
        Some(run) => store.put_run(node, Run { ended_at: Some(now), ..run }, None).await,
        None => Ok(()),
    }
}
