//! Policy versions.

use gov_core::canonical;
use sqlx::{PgConnection, Row as _, postgres::PgRow};

use super::{Place, stamp, whole};
use crate::store::{PolicyVersion, StoreError, StoredPolicy};

const HERE: Place = Place("gateway_policy");

/// Adds a policy version, which is active from now on.
pub(super) async fn insert(tx: &mut PgConnection, policy: &StoredPolicy) -> Result<(), StoreError> {
    sqlx::query(
        "insert into gateway_policy (version, name, text, sha256, activated_at)
         values ($1, $2, $3, $4, $5)",
    )
    .bind(whole(policy.version))
    .bind(&policy.name)
    .bind(&policy.text)
    .bind(canonical::sha256(policy.text.as_bytes()).as_slice())
    .bind(stamp(policy.activated_at))
    .execute(tx)
    .await?;
    Ok(())
}

/// The active policy; `None` before there is one.
pub(super) async fn active(tx: &mut PgConnection) -> Result<Option<StoredPolicy>, StoreError> {
    before(tx, u64::MAX).await
}

/// The policy that was active before `version` was; `None` where that was the first.
pub(super) async fn before(
    tx: &mut PgConnection,
    version: u64,
) -> Result<Option<StoredPolicy>, StoreError> {
    let row = sqlx::query(
        "select version, name, sha256, activated_at, text from gateway_policy
         where version < $1 order by version desc limit 1",
    )
    .bind(whole(version))
    .fetch_optional(tx)
    .await?;
    row.as_ref().map(read_policy).transpose()
}

/// Every policy version without its text, the newest first.
pub(super) async fn versions(tx: &mut PgConnection) -> Result<Vec<PolicyVersion>, StoreError> {
    let versions =
        "select version, name, sha256, activated_at from gateway_policy order by version desc";
    let rows = sqlx::query(versions).fetch_all(tx).await?;
    rows.iter().map(read_version).collect()
}

/// The version after every one that there is, or that the history names.
pub(super) async fn next_version(tx: &mut PgConnection) -> Result<u64, StoreError> {
    let last = "select greatest(
            (select coalesce(max(version), 0) from gateway_policy),
            (select coalesce(max(policy_version), 0) from gateway_history)) as version";
    let row = sqlx::query(last).fetch_one(tx).await?;
    Ok(HERE.natural(&row, "version")?.saturating_add(1))
}

fn read_policy(row: &PgRow) -> Result<StoredPolicy, StoreError> {
    let PolicyVersion { version, name, sha256, activated_at } = read_version(row)?;
    let text: String = row.try_get("text")?;
    if canonical::sha256(text.as_bytes()) != sha256 {
        return Err(HERE.corrupt("text"));
    }
    Ok(StoredPolicy { version, name, text, activated_at })
}

fn read_version(row: &PgRow) -> Result<PolicyVersion, StoreError> {
    Ok(PolicyVersion {
        version: HERE.natural(row, "version")?,
        name: row.try_get("name")?,
        sha256: HERE.bytes(row, "sha256")?,
        activated_at: HERE.time(row, "activated_at")?,
    })
}
