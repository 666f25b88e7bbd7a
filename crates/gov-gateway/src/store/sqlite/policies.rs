//! Policy versions.

use gov_core::canonical;
use rusqlite::{Connection, OptionalExtension as _, Row, params};

use super::{time, whole};
use crate::store::{PolicyVersion, StoreError, StoredPolicy};

/// Adds a policy version, which is active from now on.
///
/// # Errors
///
/// [`StoreError::Unavailable`]; also where the version is taken.
pub fn insert_policy(db: &Connection, policy: &StoredPolicy) -> Result<(), StoreError> {
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
///
/// # Errors
///
/// [`StoreError::Corrupt`] also where the text is not the one that was activated.
pub fn active_policy(db: &Connection) -> Result<Option<StoredPolicy>, StoreError> {
    policy_before(db, u64::MAX)
}

/// The policy that was active before `version` was; `None` where that was the first.
///
/// # Errors
///
/// As from [`active_policy`].
pub fn policy_before(db: &Connection, version: u64) -> Result<Option<StoredPolicy>, StoreError> {
    db.prepare_cached(
        "select version, name, sha256, activated_at, text from gateway_policy
         where version < ?1 order by version desc limit 1",
    )?
    .query_row([whole(version)], |row| Ok(read_policy(row)))
    .optional()?
    .transpose()
}

/// Every policy version without its text, the newest first.
///
/// # Errors
///
/// [`StoreError`].
pub fn policy_versions(db: &Connection) -> Result<Vec<PolicyVersion>, StoreError> {
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
///
/// # Errors
///
/// [`StoreError`].
pub fn next_policy_version(db: &Connection) -> Result<u64, StoreError> {
    let last = "select max(
            (select coalesce(max(version), 0) from gateway_policy),
            (select coalesce(max(policy_version), 0) from gateway_history))";
    let last: i64 = db.prepare_cached(last)?.query_row([], |row| row.get(0))?;
    u64::try_from(last).map(|it| it.saturating_add(1)).map_err(|_| corrupt("version"))
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
        version: u64::try_from(row.get::<_, i64>(0)?).map_err(|_| corrupt("version"))?,
        name: row.get(1)?,
        sha256: row.get(2)?,
        activated_at: time(row.get(3)?).ok_or_else(|| corrupt("activated_at"))?,
    })
}

fn corrupt(column: &'static str) -> StoreError {
    StoreError::Corrupt { table: "gateway_policy", column }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::sqlite::fixture::{at, database};

    #[test]
    fn the_largest_version_is_active_and_a_changed_text_is_refused() {
        let db = database();
        assert_eq!(active_policy(&db).unwrap(), None);
        let policy = |version: u64| StoredPolicy {
            version,
            name: "balanced".into(),
            text: format!("permit v{version}"),
            activated_at: at(1),
        };
        assert_eq!(next_policy_version(&db).unwrap(), 1);
        for version in [1, 2] {
            insert_policy(&db, &policy(version)).unwrap();
        }
        assert_eq!(active_policy(&db).unwrap(), Some(policy(2)));
        assert_eq!(policy_before(&db, 2).unwrap(), Some(policy(1)));
        assert_eq!(policy_before(&db, 1).unwrap(), None);
        assert_eq!(policy_versions(&db).unwrap(), [policy(2).about(), policy(1).about()]);
        assert_eq!(next_policy_version(&db).unwrap(), 3);
        db.execute("update gateway_policy set text = 'permit all'", []).unwrap();
        assert!(matches!(active_policy(&db), Err(StoreError::Corrupt { column: "text", .. })));
    }

    #[test]
    fn a_version_that_the_history_names_is_not_given_again() {
        let db = database();
        let lost = "insert into gateway_history (at, kind, policy_version, payload, salt)
                    values (1, 'policy.activated', 7, x'', zeroblob(16))";
        db.execute(lost, []).unwrap();
        assert_eq!(next_policy_version(&db).unwrap(), 8);
    }
}
