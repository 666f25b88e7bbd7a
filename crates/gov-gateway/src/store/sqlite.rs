//! Tables `gateway_*` of `gov.db`.
//!
//! Every function works inside the transaction or on the connection that it is given; who writes
//! goes through gov-store's `Writer`.

use gov_core::{AgentId, Timestamp};
use rusqlite::Row;

mod history;
mod identities;
mod people;
mod policies;
mod runs;

pub use self::{
    history::{
        changes_after, feed_cursor, has_change, insert_change, last_change, set_feed_cursor,
    },
    identities::{agents, identities, insert_token, register_agent, revoke_token, tokens},
    people::{change_person, insert_person, people, set_owners},
    policies::{active_policy, insert_policy, next_policy_version, policy_before, policy_versions},
    runs::{last_run, put_run},
};
use super::StoreError;

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

fn time(micros: i64) -> Option<Timestamp> {
    Timestamp::from_micros(micros)
}

fn whole(version: u64) -> i64 {
    i64::try_from(version).unwrap_or(i64::MAX)
}

fn name(
    row: &Row<'_>,
    index: usize,
    table: &'static str,
    column: &'static str,
) -> Result<Option<AgentId>, StoreError> {
    let text: Option<String> = row.get(index)?;
    text.map(|it| it.parse().map_err(|_| StoreError::Corrupt { table, column })).transpose()
}

#[cfg(test)]
mod fixture {
    use gov_core::Timestamp;
    use rusqlite::Connection;

    pub(super) fn database() -> Connection {
        let db = Connection::open_in_memory().unwrap();
        for migration in crate::gov_db::COMPONENT.migrations {
            db.execute_batch(migration.sql).unwrap();
        }
        db
    }

    pub(super) fn at(micros: i64) -> Timestamp {
        Timestamp::from_micros(micros).unwrap()
    }
}
