//! Keeps approvals in PostgreSQL, tables `escalation_*`.
//!
//! Whoever changes an approval locks its timer first, and moves the history's counter last: the one
//! lock orders the changes of an approval, the other the commits of all.

use std::sync::Arc;

use async_trait::async_trait;
use gov_core::{ActionDigest, ApprovalId, Timestamp};
use gov_store::{
    crash,
    migrations::{Component, Migration},
};
use sqlx::{PgPool, Postgres, Transaction};

use super::{
    Applied, ApprovalFilter, ApprovalStore, Firing, Pulse, StoreError, Submitted,
    rows::{SealedStep, unavailable},
};
use crate::{
    approval::{Approval, ApprovalRequest},
    directory::Directory,
    roster::Roster,
    transition::{self, Change, Refusal},
};

mod approvals;
mod audit;
mod batch;
mod bell;
#[cfg(feature = "test-util")]
mod damage;
mod edits;
mod fire;
mod grants;
mod halt;
mod history;
mod outbox;
mod targets;

use self::batch::Batch;
pub use self::bell::PgBell;

/// The tables of approvals.
pub const COMPONENT: Component = Component {
    name: "escalation",
    migrations: &[
        Migration {
            version: 1,
            what: "escalation",
            sql: include_str!("../../migrations/postgres/0001_escalation.sql"),
            min_reader: 1,
        },
        Migration {
            version: 2,
            what: "auditor",
            sql: include_str!("../../migrations/postgres/0002_auditor.sql"),
            min_reader: 1,
        },
        Migration {
            version: 3,
            what: "targets",
            sql: include_str!("../../migrations/postgres/0003_targets.sql"),
            min_reader: 1,
        },
        // An older program would take one vote for the answer.
        Migration {
            version: 4,
            what: "votes",
            sql: include_str!("../../migrations/postgres/0004_votes.sql"),
            min_reader: 4,
        },
        // An older program would fire during a halt, and read every deadline too early after it.
        Migration {
            version: 5,
            what: "halts",
            sql: include_str!("../../migrations/postgres/0005_halts.sql"),
            min_reader: 5,
        },
        // An older program would take a grant for the answer about one action.
        Migration {
            version: 6,
            what: "grants_and_edits",
            sql: include_str!("../../migrations/postgres/0006_grants_and_edits.sql"),
            min_reader: 6,
        },
    ],
};

/// How often a request may find its action closed while it tries to join it.
const TRIES: u32 = 8;

/// A store shared by every process that reaches the database. Clones share the pool.
///
/// What changes approvals is *durable*, whatever the server's own setting is. Leases and cursors
/// are as durable as the database's `synchronous_commit` says; losing one repeats work.
#[derive(Clone, Debug)]
pub struct PgApprovalStore {
    pool: PgPool,
    directory: Option<Arc<dyn Directory>>,
}

impl PgApprovalStore {
    /// Uses `pool`, whose database has the tables of [`COMPONENT`].
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, directory: None }
    }

    /// Knows from now on who is there to answer: without, no rung counts as empty.
    #[must_use]
    pub fn with_directory(self, directory: Arc<dyn Directory>) -> Self {
        Self { directory: Some(directory), ..self }
    }

    fn roster(&self) -> Option<Arc<Roster>> {
        self.directory.as_ref().map(|it| it.roster())
    }

    /// Opens the approval of `step`; `None` if there is an open one for its action.
    async fn open(&self, step: &SealedStep) -> Result<Option<u64>, StoreError> {
        let mut tx = self.pool.begin().await?;
        if !approvals::insert(&mut tx, &step.approval).await? {
            tx.rollback().await?;
            return Ok(None);
        }
        let mut batch = Batch::default();
        batch.tell(step)?;
        let position = batch.write(&mut tx).await?;
        commit(tx).await?;
        Ok(Some(position))
    }
}

#[async_trait]
impl ApprovalStore for PgApprovalStore {
    async fn submit(
        &self,
        request: ApprovalRequest,
        now: Timestamp,
    ) -> Result<Submitted, StoreError> {
        let digest = request.digest;
        // A halt that comes between this look and the insert is as if it came after.
        let (id, clock) = (ApprovalId::at(now), halt::read(&self.pool).await?);
        let step = transition::open(id, request, self.roster().as_deref(), clock, now);
        let step = SealedStep::of(step, None).map_err(unavailable)?;
        for _ in 0..TRIES {
            if let Some(position) = self.open(&step).await? {
                return Ok(Submitted { approval: step.approval, position: Some(position) });
            }
            if let Some(approval) = self.find_open(&digest).await? {
                return Ok(Submitted { approval, position: None });
            }
            // It was closed between the two looks.
        }
        Err(StoreError::Unavailable("the action opens and closes all the time".into()))
    }

    async fn apply(
        &self,
        id: ApprovalId,
        change: Change,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        let mut tx = self.pool.begin().await?;
        let before = approvals::lock(&mut tx, id).await?;
        if grants::is_repeat(&mut tx, &change).await? {
            tx.rollback().await?;
            let (approval, refusal) = (Box::new(before), Refusal::Replayed);
            return Ok(Applied::Refused { approval, refusal });
        }
        let step = match transition::apply(&before, &change, now) {
            Ok(it) => SealedStep::of(it, Some(&before)).map_err(unavailable)?,
            Err(refusal) => {
                tx.rollback().await?;
                return Ok(Applied::Refused { approval: Box::new(before), refusal });
            }
        };
        if let Some(used) = &step.used {
            grants::insert(&mut tx, used).await?;
        }
        let mut batch = Batch::default();
        batch.take(&step)?;
        let position = batch.write(&mut tx).await?;
        commit(tx).await?;
        Ok(Applied::Done { approval: Box::new(step.approval), position })
    }

    async fn fire(&self, now: Timestamp, limit: u32) -> Result<Firing, StoreError> {
        let mut tx = self.pool.begin().await?;
        let due = fire::lock_due(&mut tx, now, limit).await?;
        if due.is_empty() {
            tx.rollback().await?;
            return Ok(Firing::default());
        }
        let firing = match fire::write(&mut tx, &due, self.roster().as_deref(), now).await {
            Ok(firing) => firing,
            Err(error) => {
                // Waited for: the next pass would skip what this one still has locked.
                if let Err(error) = tx.rollback().await {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "a pass that failed could not be undone by word");
                }
                return Err(error);
            }
        };
        commit(tx).await?;
        Ok(firing)
    }

    async fn pulse(&self) -> Result<Pulse, StoreError> {
        fire::pulse(&self.pool).await
    }

    async fn next_deadline(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.pulse().await?.next_deadline)
    }

    async fn get(&self, id: ApprovalId) -> Result<Approval, StoreError> {
        approvals::get(&self.pool, id).await
    }

    async fn find_open(&self, digest: &ActionDigest) -> Result<Option<Approval>, StoreError> {
        approvals::find_open(&self.pool, digest).await
    }

    async fn list(
        &self,
        filter: &ApprovalFilter,
        before: Option<ApprovalId>,
        limit: u32,
    ) -> Result<Vec<Approval>, StoreError> {
        approvals::list(&self.pool, filter, before, limit).await
    }
}

/// Before the commit every failure undoes everything.
impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        unavailable(error)
    }
}

async fn commit(tx: Transaction<'_, Postgres>) -> Result<(), StoreError> {
    crash::point("escalation-before-commit");
    tx.commit().await.map_err(|error| StoreError::Unknown(Box::new(error)))?;
    crash::point("escalation-after-commit");
    Ok(())
}

/// What became of a statement that is its own transaction: if the server refused it, nothing.
fn fate(error: sqlx::Error) -> StoreError {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::Tls(_) => {
            StoreError::Unknown(Box::new(error))
        }
        other => unavailable(other),
    }
}
