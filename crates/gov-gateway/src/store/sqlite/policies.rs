//! Policy versions.

use gov_core::{Timestamp, canonical};
use rusqlite::{Connection, OptionalExtension as _, params};

use super::whole;
use crate::store::{StoreError, StoredPolicy};

/// Adds a policy version, which is active from now on.
///
/// # Errors
///
/// [`StoreError::Unavailable`]; also where the version is taken.
pub fn insert_policy(
    db: &Connection,
    policy: &StoredPolicy,
    at: Timestamp,
) -> Result<(), StoreError> {
    db.prepare_cached(
        "insert into gateway_policy (version, name, text, sha256, activated_at)
         values (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![
        whole(policy.version),
        policy.name,
        policy.text,
        canonical::sha256(policy.text.as_bytes()),
        at.as_micros(),
    ])?;
    Ok(())
}

/// The active policy; `None` before there is one.
///
/// # Errors
///
/// [`StoreError::Corrupt`] also where the text is not the one that was activated.
pub fn active_policy(db: &Connection) -> Result<Option<StoredPolicy>, StoreError> {
    let corrupt = |column| StoreError::Corrupt { table: "gateway_policy", column };
    let row = db
        .prepare_cached(
            "select version, name, text, sha256 from gateway_policy order by version desc limit 1",
        )?
        .query_row([], |row| Ok((row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
        .optional()?;
    let Some((version, name, text, sha256)): Option<(i64, String, String, [u8; 32])> = row else {
        return Ok(None);
    };
    if canonical::sha256(text.as_bytes()) != sha256 {
        return Err(corrupt("text"));
    }
    let version = u64::try_from(version).map_err(|_| corrupt("version"))?;
    Ok(Some(StoredPolicy { version, name, text }))
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
        };
        for version in [1, 2] {
            insert_policy(&db, &policy(version), at(1)).unwrap();
        }
        assert_eq!(active_policy(&db).unwrap(), Some(policy(2)));
        db.execute("update gateway_policy set text = 'permit all'", []).unwrap();
        assert!(matches!(active_policy(&db), Err(StoreError::Corrupt { column: "text", .. })));
    }
}
