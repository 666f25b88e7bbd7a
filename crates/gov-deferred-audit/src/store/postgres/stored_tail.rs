//! What the right edge is rebuilt from, read beforehand.

use std::collections::HashMap;

use sqlx::{PgConnection, Row as _};

use super::entries_after;
use crate::{
    store::{Head, StoreError, StoredEntry, TreeRows, integer, tree::unfinished_tile, whole_tile},
    tlog::{Hash, tile::width_at},
};

/// The last entries and tiles of one epoch: at most 255 of each level.
pub(crate) struct StoredTail {
    entries: Vec<StoredEntry>,
    tiles: HashMap<(u8, u64), Vec<Hash>>,
}

impl StoredTail {
    /// Reads the tail of the tree of `head`.
    pub(crate) async fn read(
        connection: &mut PgConnection,
        head: &Head,
    ) -> Result<Self, StoreError> {
        let width = u64::from(width_at(0, head.size));
        let place = (head.epoch, head.size - width);
        let entries = entries_after(connection, place, width).await?;
        let mut tiles = HashMap::new();
        for level in 0..u8::MAX {
            let Some((first, end)) = unfinished_tile(level + 1, head.size) else { break };
            let sql = "select tile, hashes from audit_log_tile
                       where epoch = $1 and level = $2 and tile >= $3 and tile < $4";
            let select = sqlx::query(sql).bind(integer(head.epoch)?).bind(i16::from(level));
            let rows = select.bind(integer(first)?).bind(integer(end)?).fetch_all(&mut *connection);
            for row in rows.await? {
                let index = row.try_get::<i64, _>("tile")?.try_into()?;
                tiles.insert((level, index), whole_tile(row.try_get("hashes")?, level, index)?);
            }
        }
        Ok(Self { entries, tiles })
    }
}

/// A full tile's hashes; `None` if it is not stored.
pub(crate) async fn full_tile(
    connection: &mut PgConnection,
    epoch: u64,
    level: u8,
    index: u64,
) -> Result<Option<Vec<Hash>>, StoreError> {
    let sql = "select hashes from audit_log_tile where epoch = $1 and level = $2 and tile = $3";
    let select = sqlx::query(sql).bind(integer(epoch)?).bind(i16::from(level));
    let row = select.bind(integer(index)?).fetch_optional(connection).await?;
    row.map(|row| whole_tile(row.try_get("hashes")?, level, index)).transpose()
}

impl TreeRows for StoredTail {
    fn entries_after(
        &mut self,
        _place: (u64, u64),
        _limit: u64,
    ) -> Result<Vec<StoredEntry>, StoreError> {
        Ok(std::mem::take(&mut self.entries))
    }

    fn full_tile(
        &mut self,
        _epoch: u64,
        level: u8,
        index: u64,
    ) -> Result<Option<Vec<Hash>>, StoreError> {
        Ok(self.tiles.remove(&(level, index)))
    }
}
