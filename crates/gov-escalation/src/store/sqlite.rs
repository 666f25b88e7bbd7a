//! Keeps approvals in one SQLite file, tables `escalation_*`.
//!
//! Times are whole microseconds since 1970, ids 16-byte blobs. Everything that is written is
//! *durable*: its fsync has returned. Other processes may write the same file.

use std::sync::Arc;

use async_trait::async_trait;
use gov_core::{ActionDigest, ApprovalId, Timestamp};
use gov_store::{
    crash,
    migrations::{Component, Migration},
    sqlite::{ReadError, Readers, Sync, WriteError, Writer},
};
use rusqlite::{Connection, OptionalExtension as _, Transaction};

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
#[cfg(feature = "test-util")]
mod damage;
mod edits;
mod fire;
mod grants;
mod halt;
mod history;
mod outbox;
mod steps;
mod targets;

/// The tables of approvals.
pub const COMPONENT: Component = Component {
    name: "escalation",
    migrations: &[
        Migration {
            version: 1,
            what: "escalation",
            sql: include_str!("../../migrations/sqlite/0001_escalation.sql"),
            min_reader: 1,
        },
        Migration {
            version: 2,
            what: "auditor",
            sql: include_str!("../../migrations/sqlite/0002_auditor.sql"),
            min_reader: 1,
        },
        Migration {
            version: 3,
            what: "targets",
            sql: include_str!("../../migrations/sqlite/0003_targets.sql"),
            min_reader: 1,
        },
        // An older program would take one vote for the answer.
        Migration {
            version: 4,
            what: "votes",
            sql: include_str!("../../migrations/sqlite/0004_votes.sql"),
            min_reader: 4,
        },
        // An older program would fire during a halt, and read every deadline too early after it.
        Migration {
            version: 5,
            what: "halts",
            sql: include_str!("../../migrations/sqlite/0005_halts.sql"),
            min_reader: 5,
        },
        // An older program would take a grant for the answer about one action.
        Migration {
            version: 6,
            what: "grants_and_edits",
            sql: include_str!("../../migrations/sqlite/0006_grants_and_edits.sql"),
            min_reader: 6,
        },
    ],
};

/// A store for one host. Clones share the file.
#[derive(Clone, Debug)]
pub struct SqliteApprovalStore {
    writer: Writer,
    readers: Readers,
    directory: Option<Arc<dyn Directory>>,
}

impl SqliteApprovalStore {
    /// Uses the doors of a file that has the tables of [`COMPONENT`].
    #[must_use]
    pub fn new(writer: Writer, readers: Readers) -> Self {
        Self { writer, readers, directory: None }
    }

    /// Knows from now on who is there to answer: without, no rung counts as empty.
    #[must_use]
    pub fn with_directory(self, directory: Arc<dyn Directory>) -> Self {
        Self { directory: Some(directory), ..self }
    }

    fn roster(&self) -> Option<Arc<Roster>> {
        self.directory.as_ref().map(|it| it.roster())
    }

    async fn write<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.write(Sync::Full, job).await.map_err(|error| match error {
            WriteError::Job(error) => error,
            WriteError::Commit(source) => StoreError::Unknown(Box::new(source)),
            other => unavailable(other),
        })
    }

    /// Like `write`, for what changes approvals: a test can let the process die around it.
    async fn change<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let done = self
            .write(|tx| {
                let done = job(tx)?;
                crash::point("escalation-before-commit");
                Ok(done)
            })
            .await?;
        crash::point("escalation-after-commit");
        Ok(done)
    }

    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.readers.read(job).await.map_err(|error| match error {
            ReadError::Job(error) => error,
            other => unavailable(other),
        })
    }
}

#[async_trait]
impl ApprovalStore for SqliteApprovalStore {
    async fn submit(
        &self,
        request: ApprovalRequest,
        now: Timestamp,
    ) -> Result<Submitted, StoreError> {
        let roster = self.roster();
        self.change(move |tx| {
            // One writer at a time: nobody can open another between this look and the insert.
            if let Some(approval) = approvals::find_open(tx, &request.digest)? {
                return Ok(Submitted { approval, position: None });
            }
            let (id, clock) = (ApprovalId::at(now), halt::read(tx)?.clock);
            let step = transition::open(id, request, roster.as_deref(), clock, now);
            let step = SealedStep::of(step, None).map_err(unavailable)?;
            let position = steps::open(tx, &step)?;
            Ok(Submitted { approval: step.approval, position: Some(position) })
        })
        .await
    }

    async fn apply(
        &self,
        id: ApprovalId,
        change: Change,
        now: Timestamp,
    ) -> Result<Applied, StoreError> {
        self.change(move |tx| {
            let before = approvals::get(tx, id)?;
            if grants::is_repeat(tx, &change)? {
                let (approval, refusal) = (Box::new(before), Refusal::Replayed);
                return Ok(Applied::Refused { approval, refusal });
            }
            let step = match transition::apply(&before, &change, now) {
                Ok(it) => SealedStep::of(it, Some(&before)).map_err(unavailable)?,
                Err(refusal) => {
                    return Ok(Applied::Refused { approval: Box::new(before), refusal });
                }
            };
            if let Some(used) = &step.used {
                grants::insert(tx, used)?;
            }
            let position = steps::Steps::of(tx)?.take(&step)?;
            Ok(Applied::Done { approval: Box::new(step.approval), position })
        })
        .await
    }

    async fn fire(&self, now: Timestamp, limit: u32) -> Result<Firing, StoreError> {
        // Read and judged before the transaction: the rules hold up no other writer of the file,
        // and as long as nothing is due nobody takes the write lock. The generation decides below.
        let roster = self.roster();
        let planned = self
            .read(move |connection| fire::plan_due(connection, roster.as_deref(), now, limit))
            .await?;
        if planned.is_empty() {
            return Ok(Firing::default());
        }
        self.change(move |tx| fire::write(tx, planned)).await
    }

    async fn pulse(&self) -> Result<Pulse, StoreError> {
        self.read(fire::pulse).await
    }

    async fn next_deadline(&self) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.pulse().await?.next_deadline)
    }

    async fn get(&self, id: ApprovalId) -> Result<Approval, StoreError> {
        self.read(move |connection| approvals::get(connection, id)).await
    }

    async fn find_open(&self, digest: &ActionDigest) -> Result<Option<Approval>, StoreError> {
        let digest = *digest;
        self.read(move |connection| approvals::find_open(connection, &digest)).await
    }

    async fn list(
        &self,
        filter: &ApprovalFilter,
        before: Option<ApprovalId>,
        limit: u32,
    ) -> Result<Vec<Approval>, StoreError> {
        let filter = filter.clone();
        self.read(move |connection| approvals::list(connection, &filter, before, limit)).await
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        unavailable(error)
    }
}

/// One number, if there is a row and it is not null.
fn number(connection: &Connection, sql: &str) -> Result<Option<i64>, StoreError> {
    let row = connection.prepare_cached(sql)?.query_row([], |row| row.get(0)).optional()?;
    Ok(row.flatten())
}
