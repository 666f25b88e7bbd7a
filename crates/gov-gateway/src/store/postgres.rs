//! Tables `gateway_*` of a PostgreSQL that many gateways share.
//!
//! A change locks the one row of `gateway_history_end` before it looks at anything, so changes take
//! turns: what it compares with cannot move, positions have no gaps, and none is seen before a
//! smaller one. Changes are few; reads lock nothing.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gov_core::{AgentId, Timestamp};
use gov_store::migrations::{Component, Migration};
use sqlx::{PgConnection, PgPool, Postgres, Row as _, Transaction, postgres::PgRow};

mod halt;
mod history;
mod identities;
mod people;
mod policies;
mod presences;
mod runs;
mod stand_ins;

use super::{
    Change, Contents, Edit, Effect, Founding, FoundingOutcome, GatewayStore, HistoryRow,
    PolicyVersion, Presence, Run, StoreError, StoredPolicy, founding::Found, whole,
};
use crate::identity::Identities;

/// The gateway's own tables.
pub static COMPONENT: Component = Component {
    name: "gateway",
    migrations: &[
        Migration {
            version: 1,
            what: "tokens, agents, policies, history, runs",
            sql: include_str!("../../migrations/postgres/0001_gateway.sql"),
            min_reader: 1,
        },
        Migration {
            version: 2,
            what: "people, their roles and tokens, owners of agents",
            sql: include_str!("../../migrations/postgres/0002_people.sql"),
            min_reader: 1,
        },
        Migration {
            version: 3,
            what: "stand-ins, and the halt",
            sql: include_str!("../../migrations/postgres/0003_stand_ins_and_halt.sql"),
            // An older build would judge checks while everything is halted.
            min_reader: 3,
        },
        Migration {
            version: 4,
            what: "which servers there are",
            sql: include_str!("../../migrations/postgres/0004_presence.sql"),
            min_reader: 3,
        },
        Migration {
            version: 5,
            what: "who people are in Slack",
            sql: include_str!("../../migrations/postgres/0005_slack_users.sql"),
            min_reader: 3,
        },
    ],
};

/// Keeps what the gateways know in the database that they share.
#[derive(Clone, Debug)]
pub struct PgGatewayStore {
    pool: PgPool,
}

impl PgGatewayStore {
    /// Works on a database that has the tables of [`COMPONENT`].
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Begins a durable change, and waits for its turn.
    async fn change(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut tx = self.pool.begin().await?;
        let turn = "select set_config('synchronous_commit', 'on', true)
                    from gateway_history_end for update";
        sqlx::query(turn).fetch_one(&mut *tx).await?;
        Ok(tx)
    }

    /// Begins reads that all see one state.
    async fn look(&self) -> Result<Transaction<'static, Postgres>, StoreError> {
        Ok(self.pool.begin_with("begin isolation level repeatable read, read only").await?)
    }
}

#[async_trait]
impl GatewayStore for PgGatewayStore {
    async fn contents(&self) -> Result<Contents, StoreError> {
        let mut tx = self.look().await?;
        let contents = Contents {
            identities: Identities {
                tokens: identities::tokens(&mut tx).await?,
                agents: identities::agents(&mut tx).await?,
                people: people::people(&mut tx).await?,
                stand_ins: stand_ins::all(&mut tx).await?,
                halt: halt::last(&mut tx).await?,
            },
            policy: policies::active(&mut tx).await?,
            generation: history::last(&mut tx).await?,
        };
        tx.rollback().await?;
        Ok(contents)
    }

    async fn generation(&self) -> Result<u64, StoreError> {
        history::last(&mut *self.pool.acquire().await?).await
    }

    async fn found(&self, founding: Founding) -> Result<FoundingOutcome, StoreError> {
        let mut tx = self.change().await?;
        let found = Found {
            active: policies::active(&mut tx).await?,
            had_policy: history::tells_of_a_policy(&mut tx).await?,
            next_version: policies::next_version(&mut tx).await?,
            tokens: identities::tokens(&mut tx).await?,
        };
        let (edits, outcome) = founding.decide(found).map_err(StoreError::unavailable)?;
        for edit in &edits {
            apply(&mut tx, edit).await?;
        }
        tx.commit().await?;
        Ok(outcome)
    }

    async fn apply(&self, edit: Edit) -> Result<Option<u64>, StoreError> {
        let mut tx = self.change().await?;
        let position = apply(&mut tx, &edit).await?;
        tx.commit().await?;
        Ok(position)
    }

    async fn active_policy(&self) -> Result<Option<StoredPolicy>, StoreError> {
        policies::active(&mut *self.pool.acquire().await?).await
    }

    async fn policy_before(&self, version: u64) -> Result<Option<StoredPolicy>, StoreError> {
        policies::before(&mut *self.pool.acquire().await?, version).await
    }

    async fn policy_versions(&self) -> Result<Vec<PolicyVersion>, StoreError> {
        policies::versions(&mut *self.pool.acquire().await?).await
    }

    async fn next_policy_version(&self) -> Result<u64, StoreError> {
        policies::next_version(&mut *self.pool.acquire().await?).await
    }

    async fn last_run(&self, node: &str) -> Result<Option<Run>, StoreError> {
        runs::last(&mut *self.pool.acquire().await?, node).await
    }

    async fn put_run(&self, node: &str, run: Run, gap: Option<Change>) -> Result<(), StoreError> {
        let mut tx = self.change().await?;
        runs::put(&mut tx, node, &run).await?;
        if let Some(gap) = &gap {
            history::insert(&mut tx, gap).await?;
        }
        Ok(tx.commit().await?)
    }

    async fn put_presence(&self, presence: Presence) -> Result<(), StoreError> {
        presences::put(&mut *self.pool.acquire().await?, &presence).await
    }

    async fn leave(&self, node: &str) -> Result<(), StoreError> {
        presences::remove(&mut *self.pool.acquire().await?, node).await
    }

    async fn presences(&self) -> Result<Vec<Presence>, StoreError> {
        presences::all(&mut *self.pool.acquire().await?).await
    }

    async fn history_after(
        &self,
        position: u64,
        limit: u32,
    ) -> Result<Vec<HistoryRow>, StoreError> {
        history::after(&mut *self.pool.acquire().await?, position, limit).await
    }

    async fn feed_cursor(&self) -> Result<u64, StoreError> {
        history::cursor(&mut *self.pool.acquire().await?).await
    }

    async fn set_feed_cursor(&self, position: u64) -> Result<(), StoreError> {
        history::set_cursor(&mut *self.pool.acquire().await?, position).await
    }
}

/// One change with its row, in the transaction of the caller, whose turn it is.
async fn apply(tx: &mut PgConnection, edit: &Edit) -> Result<Option<u64>, StoreError> {
    let Edit { effect, change } = edit;
    let fits = match effect {
        Effect::AddToken(token) => {
            identities::insert_token(tx, token).await?;
            true
        }
        Effect::RevokeToken(token) => identities::revoke_token(tx, token.id, change.at).await?,
        Effect::RegisterAgent(id) => identities::register_agent(tx, id, change.at).await?,
        Effect::OwnAgent { id, owners } => people::set_owners(tx, id, owners).await?,
        Effect::AddPerson(person) => people::insert(tx, person).await?,
        Effect::ChangePerson { id, roles, disabled } => {
            let disabled = disabled.map(|it| (it, change.at));
            people::change(tx, *id, roles.as_deref(), disabled).await?
        }
        Effect::TieSlack { id, user } => people::tie_slack(tx, *id, user.as_ref()).await?,
        Effect::NameStandIn(it) => stand_ins::insert(tx, it).await?,
        Effect::EndStandIns(id) => stand_ins::end(tx, *id, change.at).await?,
        Effect::Halt(it) => halt::put(tx, it).await?,
        Effect::Resume { .. } => halt::end(tx, change.at).await?,
        // What changes is kept elsewhere.
        Effect::EnableTarget { .. } => true,
        Effect::ActivatePolicy { policy, .. } => {
            let next = policies::next_version(tx).await? == policy.version;
            if next {
                policies::insert(tx, policy).await?;
            }
            next
        }
    };
    if fits { history::insert(tx, change).await.map(Some) } else { Ok(None) }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        Self::Unavailable(Box::new(error))
    }
}

fn stamp(time: Timestamp) -> DateTime<Utc> {
    time.into()
}

/// Where a value was read.
#[derive(Clone, Copy)]
struct Place(&'static str);

impl Place {
    fn corrupt(self, column: &'static str) -> StoreError {
        StoreError::Corrupt { table: self.0, column }
    }

    fn time(self, row: &PgRow, column: &'static str) -> Result<Timestamp, StoreError> {
        self.some_time(row, column)?.ok_or_else(|| self.corrupt(column))
    }

    fn some_time(self, row: &PgRow, column: &'static str) -> Result<Option<Timestamp>, StoreError> {
        let time: Option<DateTime<Utc>> = row.try_get(column)?;
        let read = |it: DateTime<Utc>| Timestamp::from_micros(it.timestamp_micros());
        time.map(|it| read(it).ok_or_else(|| self.corrupt(column))).transpose()
    }

    /// A version or a position: never negative.
    fn natural(self, row: &PgRow, column: &'static str) -> Result<u64, StoreError> {
        let number: i64 = row.try_get(column)?;
        u64::try_from(number).map_err(|_| self.corrupt(column))
    }

    fn bytes<const N: usize>(
        self,
        row: &PgRow,
        column: &'static str,
    ) -> Result<[u8; N], StoreError> {
        let bytes: Vec<u8> = row.try_get(column)?;
        bytes.try_into().map_err(|_| self.corrupt(column))
    }

    fn agent(self, row: &PgRow, column: &'static str) -> Result<Option<AgentId>, StoreError> {
        let text: Option<String> = row.try_get(column)?;
        text.map(|it| it.parse().map_err(|_| self.corrupt(column))).transpose()
    }
}

#[cfg(test)]
mod tests;
