//! Which servers there are.

use sqlx::{PgConnection, Row as _};

use super::{Place, stamp};
use crate::store::{Presence, StoreError, whole};

const HERE: Place = Place("gateway_presence");

/// Replaces what the server noted before. A crash may lose it: the next note comes in a second.
pub(super) async fn put(tx: &mut PgConnection, presence: &Presence) -> Result<(), StoreError> {
    let Presence { node, generation, seen_at } = presence;
    sqlx::query(
        "with noted as (
             insert into gateway_presence (node, generation, seen_at) values ($1, $2, $3)
             on conflict (node) do update set
                 generation = excluded.generation, seen_at = excluded.seen_at
         ), forgotten as (
             delete from gateway_presence where seen_at <= $4 and node <> $1
         )
         select set_config('synchronous_commit', 'off', true)",
    )
    .bind(node)
    .bind(whole(*generation))
    .bind(stamp(*seen_at))
    .bind(stamp(presence.forgets()))
    .execute(tx)
    .await?;
    Ok(())
}

/// Forgets a server.
pub(super) async fn remove(tx: &mut PgConnection, node: &str) -> Result<(), StoreError> {
    sqlx::query("delete from gateway_presence where node = $1").bind(node).execute(tx).await?;
    Ok(())
}

/// All, by name.
pub(super) async fn all(tx: &mut PgConnection) -> Result<Vec<Presence>, StoreError> {
    // By bytes, whatever the database sorts by.
    let all = "select node, generation, seen_at from gateway_presence order by node collate \"C\"";
    let rows = sqlx::query(all).fetch_all(tx).await?;
    rows.iter()
        .map(|row| {
            Ok(Presence {
                node: row.try_get("node")?,
                generation: HERE.natural(row, "generation")?,
                seen_at: HERE.time(row, "seen_at")?,
            })
        })
        .collect()
}
