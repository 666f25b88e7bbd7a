//! Migrations on PostgreSQL, and its time.

use chrono::{DateTime, Utc};
use gov_core::Timestamp;
use sqlx::{AssertSqlSafe, PgConnection, PgPool, Row as _};

use crate::{
    crash,
    migrations::{Applied, Component, MigrateError, Migration},
};

mod clock;

pub use self::clock::{DatabaseClock, ServerTime};

/// The advisory lock of everyone who migrates: the ASCII bytes of `gov_migr`.
const LOCK_KEY: i64 = 0x676f_765f_6d69_6772;

/// Brings one component up to this build's schema; nothing to do is fine.
///
/// All steps are one transaction, and processes that start together take turns.
///
/// # Errors
///
/// [`MigrateError`]; the database is as it was before.
pub async fn migrate(
    pool: &PgPool,
    component: &Component,
    now: Timestamp,
) -> Result<(), MigrateError> {
    let unavailable = |source| component.unavailable(source);
    let table = component.table()?;
    let mut tx = pool.begin().await.map_err(unavailable)?;
    sqlx::query("select pg_advisory_xact_lock($1)")
        .bind(LOCK_KEY)
        .execute(&mut *tx)
        .await
        .map_err(unavailable)?;
    let applied = applied(&mut tx, &table).await.map_err(unavailable)?;
    for migration in component.pending(&applied)? {
        apply(&mut tx, &table, migration, now)
            .await
            .map_err(|source| component.failed(migration.version, source))?;
    }
    crash::point("store-migrate-before-commit");
    tx.commit().await.map_err(unavailable)
}

/// Whether this build can read the component's tables as they are, with nothing applied.
///
/// # Errors
///
/// [`MigrateError::NewerSchema`] and [`MigrateError::OlderSchema`], whose messages say the way out;
/// what [`migrate`] refuses else.
pub async fn check_readable(
    connection: &mut PgConnection,
    component: &Component,
) -> Result<(), MigrateError> {
    let unavailable = |source| component.unavailable(source);
    let table = component.table()?;
    let exists = sqlx::query_scalar("select to_regclass($1) is not null").bind(&table);
    let exists: bool = exists.fetch_one(&mut *connection).await.map_err(unavailable)?;
    let applied = if exists { read_applied(connection, &table).await } else { Ok(Vec::new()) };
    component.check_readable(&applied.map_err(unavailable)?)
}

async fn applied(tx: &mut PgConnection, table: &str) -> Result<Vec<Applied>, sqlx::Error> {
    let create = format!(
        "create table if not exists {table} (
             version bigint primary key,
             what text not null,
             sha256 text not null,
             min_reader bigint not null,
             applied_at timestamptz not null
         )"
    );
    sqlx::query(AssertSqlSafe(create)).execute(&mut *tx).await?;
    read_applied(tx, table).await
}

async fn read_applied(
    connection: &mut PgConnection,
    table: &str,
) -> Result<Vec<Applied>, sqlx::Error> {
    let select = format!("select version, sha256, min_reader from {table} order by version");
    let rows = sqlx::query(AssertSqlSafe(select)).fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            Ok(Applied {
                version: row.try_get("version")?,
                sha256: row.try_get("sha256")?,
                min_reader: row.try_get("min_reader")?,
            })
        })
        .collect()
}

async fn apply(
    tx: &mut PgConnection,
    table: &str,
    migration: &Migration,
    now: Timestamp,
) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(migration.sql).execute(&mut *tx).await?;
    let insert = format!(
        "insert into {table} (version, what, sha256, min_reader, applied_at)
         values ($1, $2, $3, $4, $5)"
    );
    sqlx::query(AssertSqlSafe(insert))
        .bind(migration.version)
        .bind(migration.what)
        .bind(migration.sha256())
        .bind(migration.min_reader)
        .bind(DateTime::<Utc>::from(now))
        .execute(tx)
        .await?;
    Ok(())
}
