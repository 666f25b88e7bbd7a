//! Migrations on SQLite.

use gov_core::Timestamp;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};

use crate::{
    crash,
    migrations::{Applied, Component, MigrateError, Migration},
};

/// Brings one component up to this build's schema; nothing to do is fine.
///
/// All steps are one immediate transaction.
///
/// # Errors
///
/// [`MigrateError`]; the file is as it was before.
pub fn migrate(
    connection: &mut Connection,
    component: &Component,
    now: Timestamp,
) -> Result<(), MigrateError> {
    let unavailable = |source| component.unavailable(source);
    let table = component.table()?;
    let tx = connection
        .transaction_with_behavior(TransactionBehavior::Immediate)
        .map_err(unavailable)?;
    let applied = applied(&tx, &table).map_err(unavailable)?;
    for migration in component.pending(&applied)? {
        apply(&tx, &table, migration, now)
            .map_err(|source| component.failed(migration.version, source))?;
    }
    crash::point("store-migrate-before-commit");
    tx.commit().map_err(unavailable)
}

/// Whether this build can read the component's tables as they are, with nothing applied.
///
/// # Errors
///
/// [`MigrateError::NewerSchema`] and [`MigrateError::OlderSchema`]; what [`migrate`] refuses else.
pub(super) fn check_readable(
    connection: &Connection,
    component: &Component,
) -> Result<(), MigrateError> {
    let unavailable = |source| component.unavailable(source);
    let table = component.table()?;
    let exists = connection.table_exists(None, &*table).map_err(unavailable)?;
    let applied = if exists { read_applied(connection, &table) } else { Ok(Vec::new()) };
    component.check_readable(&applied.map_err(unavailable)?)
}

fn applied(tx: &Transaction<'_>, table: &str) -> rusqlite::Result<Vec<Applied>> {
    tx.execute_batch(&format!(
        "create table if not exists {table} (
             version integer primary key,
             what text not null,
             sha256 text not null,
             min_reader integer not null,
             applied_at integer not null
         ) strict"
    ))?;
    read_applied(tx, table)
}

fn read_applied(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Applied>> {
    let select = format!("select version, sha256, min_reader from {table} order by version");
    connection
        .prepare(&select)?
        .query_map([], |row| {
            Ok(Applied { version: row.get(0)?, sha256: row.get(1)?, min_reader: row.get(2)? })
        })?
        .collect()
}

fn apply(
    tx: &Transaction<'_>,
    table: &str,
    migration: &Migration,
    now: Timestamp,
) -> rusqlite::Result<()> {
    tx.execute_batch(migration.sql)?;
    tx.execute(
        &format!(
            "insert into {table} (version, what, sha256, min_reader, applied_at)
             values (?1, ?2, ?3, ?4, ?5)"
        ),
        params![
            migration.version,
            migration.what,
            migration.sha256(),
            migration.min_reader,
            now.as_micros()
        ],
    )?;
    Ok(())
}
