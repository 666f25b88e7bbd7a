//! Policy versions.

use gov_core::canonical;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{natural, time, whole};
use crate::store::{PolicyVersion, StoreError, StoredPolicy};

/// Adds a policy version, which is active from now on.
pub(super) fn insert(db: &Connection, policy: &StoredPolicy) -> Result<(), StoreError> {
    db.prepare_cached(
        "insert into gateway_policy (version, name, text, sha256, activated_at)
         values (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        whole(policy.version),
        policy.name,
        policy.text,
        canonical::sha256(policy.text.as_bytes()),
        policy.activated_at.as_micros(),
    ])?;
    Ok(())
}

/// The active policy; `None` before there is one.
pub(crate) fn active_policy(db: &Connection) -> Result<Option<StoredPolicy>, StoreError> {
    before(db, u64::MAX)
}

/// The policy that was active before `version` was; `None` where that was the first.
pub(super) fn before(db: &Connection, version: u64) -> Result<Option<StoredPolicy>, StoreError> {
    db.prepare_cached(
        "select version, name, sha256, activated_at, text from gateway_policy
         where version < ?1 order by version desc limit 1",
    )?
    .query_row([whole(version)], |row| Ok(read_policy(row)))
    .optional()?
    .transpose()
}

/// Every policy version without its text, the newest first.
pub(crate) fn policy_versions(db: &Connection) -> Result<Vec<PolicyVersion>, StoreError> {
    let mut statement = db.prepare_cached(
        "select version, name, sha256, activated_at from gateway_policy order by version desc",
    )?;
    let mut rows = statement.query([])?;
    let mut versions = Vec::new();
    while let Some(row) = rows.next()? {
        versions.push(read_version(row)?);
    }
    Ok(versions)
}

/// The version after every one that there is, or that the history names.
pub(super) fn next_version(db: &Connection) -> Result<u64, StoreError> {
    let last = "select max(
            (select coalesce(max(version), 0) from gateway_policy),
            (select coalesce(max(policy_version), 0) from gateway_history))";
    let last = db.prepare_cached(last)?.query_row([], |row| row.get(0))?;
    natural(last).map(|it| it.saturating_add(1)).ok_or_else(|| corrupt("version"))
}

fn read_policy(row: &Row<'_>) -> Result<StoredPolicy, StoreError> {
    let PolicyVersion { version, name, sha256, activated_at } = read_version(row)?;
    let text: String = row.get(4)?;
    if canonical::sha256(text.as_bytes()) != sha256 {
        return Err(corrupt("text"));
    }
    Ok(StoredPolicy { version, name, text, activated_at })
}

fn read_version(row: &Row<'_>) -> Result<PolicyVersion, StoreError> {
    Ok(PolicyVersion {
        version: natural(row.get(0)?).ok_or_else(|| corrupt("version"))?,
        name: row.get(1)?,
        sha256: row.get(2)?,
        activated_at: time(row.get(3)?).ok_or_else(|| corrupt("activated_at"))?,
    })
}

fn corrupt(column: &'static str) -> StoreError {
    StoreError::Corrupt { table: "gateway_policy", column }
}
