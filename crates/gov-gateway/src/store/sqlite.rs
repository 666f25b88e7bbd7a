//! Tables `gateway_*` of `gov.db`.
//!
//! Every function works inside the transaction or on the connection that it is given; who writes
//! goes through gov-store's `Writer`, which hands one writer at a time to the file.

use async_trait::async_trait;
use gov_core::{AgentId, Timestamp};
use gov_store::{
    migrations::{Component, Migration},
    sqlite::{Database, ReadError, Readers, Sync, WriteError, Writer},
};
use rusqlite::{Connection, Row};

mod halt;
mod history;
mod identities;
mod people;
mod policies;
mod presences;
mod runs;
mod stand_ins;

pub(crate) use self::{
    identities::identities,
    policies::{active_policy, policy_versions},
};
use super::{
    Change, Contents, Edit, Effect, Founding, FoundingOutcome, GatewayStore, HistoryRow,
    PolicyVersion, Presence, Run, StoreError, StoredPolicy, founding::Found, whole,
};

/// The gateway's own tables.
pub static COMPONENT: Component = Component {
    name: "gateway",
    migrations: &[
        Migration {
            version: 1,
            what: "tokens, agents, policies, history, runs",
            sql: include_str!("../../migrations/sqlite/0001_gateway.sql"),
            min_reader: 1,
        },
        Migration {
            version: 2,
            what: "people, their roles and tokens, owners of agents",
            sql: include_str!("../../migrations/sqlite/0002_people.sql"),
            min_reader: 1,
        },
        Migration {
            version: 3,
            what: "stand-ins, and the halt",
            sql: include_str!("../../migrations/sqlite/0003_stand_ins_and_halt.sql"),
            // An older build would judge checks while everything is halted.
            min_reader: 3,
        },
        Migration {
            version: 4,
            what: "which servers there are",
            sql: include_str!("../../migrations/sqlite/0004_presence.sql"),
            min_reader: 3,
        },
        Migration {
            version: 5,
            what: "who people are in Slack",
            sql: include_str!("../../migrations/sqlite/0005_slack_users.sql"),
            min_reader: 3,
        },
    ],
};

/// Keeps what the gateway knows in `gov.db`.
#[derive(Clone, Debug)]
pub struct SqliteGatewayStore {
    writer: Writer,
    readers: Readers,
}

impl SqliteGatewayStore {
    /// Works on a database that has the tables of [`COMPONENT`].
    #[must_use]
    pub fn new(database: &Database) -> Self {
        Self { writer: database.writer.clone(), readers: database.readers.clone() }
    }

    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.read(job).await.map_err(|error| match error {
            ReadError::Job(error) => error,
            other => StoreError::unavailable(other),
        })
    }

    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.write(Sync::Full, move |tx| job(tx)).await.map_err(|error| match error {
            WriteError::Job(error) => error,
            other => StoreError::unavailable(other),
        })
    }
}

#[async_trait]
impl GatewayStore for SqliteGatewayStore {
    async fn contents(&self) -> Result<Contents, StoreError> {
        self.read(|db| {
            Ok(Contents {
                identities: identities(db)?,
                policy: active_policy(db)?,
                generation: history::last(db)?,
            })
        })
        .await
    }

    async fn generation(&self) -> Result<u64, StoreError> {
        self.read(history::last).await
    }

    async fn found(&self, founding: Founding) -> Result<FoundingOutcome, StoreError> {
        self.write(move |db| {
            let found = Found {
                active: active_policy(db)?,
                had_policy: history::tells_of_a_policy(db)?,
                next_version: policies::next_version(db)?,
                tokens: identities::tokens(db)?,
            };
            let (edits, outcome) = founding.decide(found).map_err(StoreError::unavailable)?;
            for edit in &edits {
                apply(db, edit)?;
            }
            Ok(outcome)
        })
        .await
    }

    async fn apply(&self, edit: Edit) -> Result<Option<u64>, StoreError> {
        self.write(move |db| apply(db, &edit)).await
    }

    async fn active_policy(&self) -> Result<Option<StoredPolicy>, StoreError> {
        self.read(active_policy).await
    }

    async fn policy_before(&self, version: u64) -> Result<Option<StoredPolicy>, StoreError> {
        self.read(move |db| policies::before(db, version)).await
    }

    async fn policy_versions(&self) -> Result<Vec<PolicyVersion>, StoreError> {
        self.read(policy_versions).await
    }

    async fn next_policy_version(&self) -> Result<u64, StoreError> {
        self.read(policies::next_version).await
    }

    /// The file has one owner, so it has one run.
    async fn last_run(&self, _node: &str) -> Result<Option<Run>, StoreError> {
        self.read(runs::last).await
    }

    async fn put_run(&self, _node: &str, run: Run, gap: Option<Change>) -> Result<(), StoreError> {
        self.write(move |db| {
            runs::put(db, &run)?;
            gap.map_or(Ok(()), |gap| history::insert(db, &gap).map(drop))
        })
        .await
    }

    async fn put_presence(&self, presence: Presence) -> Result<(), StoreError> {
        self.write(move |db| presences::put(db, &presence)).await
    }

    async fn leave(&self, node: &str) -> Result<(), StoreError> {
        let node = node.to_owned();
        self.write(move |db| presences::remove(db, &node)).await
    }

    async fn presences(&self) -> Result<Vec<Presence>, StoreError> {
        self.read(presences::all).await
    }

    async fn history_after(
        &self,
        position: u64,
        limit: u32,
    ) -> Result<Vec<HistoryRow>, StoreError> {
        self.read(move |db| history::after(db, position, limit)).await
    }

    async fn feed_cursor(&self) -> Result<u64, StoreError> {
        self.read(history::cursor).await
    }

    async fn set_feed_cursor(&self, position: u64) -> Result<(), StoreError> {
        self.write(move |db| history::set_cursor(db, position)).await
    }
}

/// One change with its row, in the transaction of the caller.
fn apply(db: &Connection, edit: &Edit) -> Result<Option<u64>, StoreError> {
    let Edit { effect, change } = edit;
    let fits = match effect {
        Effect::AddToken(token) => {
            identities::insert_token(db, token)?;
            true
        }
        Effect::RevokeToken(token) => identities::revoke_token(db, token.id, change.at)?,
        Effect::RegisterAgent(id) => identities::register_agent(db, id, change.at)?,
        Effect::OwnAgent { id, owners } => people::set_owners(db, id, owners)?,
        Effect::AddPerson(person) => people::insert(db, person)?,
        Effect::ChangePerson { id, roles, disabled } => {
            let disabled = disabled.map(|it| (it, change.at));
            people::change(db, *id, roles.as_deref(), disabled)?
        }
        Effect::TieSlack { id, user } => people::tie_slack(db, *id, user.as_ref())?,
        Effect::NameStandIn(it) => stand_ins::insert(db, it)?,
        Effect::EndStandIns(id) => stand_ins::end(db, *id, change.at)?,
        Effect::Halt(it) => halt::put(db, it)?,
        Effect::Resume { .. } => halt::end(db, change.at)?,
        // What changes is kept elsewhere.
        Effect::EnableTarget { .. } => true,
        Effect::ActivatePolicy { policy, .. } => {
            let next = policies::next_version(db)? == policy.version;
            if next {
                policies::insert(db, policy)?;
            }
            next
        }
    };
    if fits { history::insert(db, change).map(Some) } else { Ok(None) }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

fn time(micros: i64) -> Option<Timestamp> {
    Timestamp::from_micros(micros)
}

fn some_time(
    row: &Row<'_>,
    index: usize,
    table: &'static str,
    column: &'static str,
) -> Result<Option<Timestamp>, StoreError> {
    let micros: Option<i64> = row.get(index)?;
    micros.map(|it| time(it).ok_or(StoreError::Corrupt { table, column })).transpose()
}

/// A version or a position as it is stored: never negative.
fn natural(number: i64) -> Option<u64> {
    u64::try_from(number).ok()
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
mod tests;
