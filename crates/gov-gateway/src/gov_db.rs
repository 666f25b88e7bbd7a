//! `gov.db`, open: its schema, what it holds at start, and its first contents.

use std::{collections::BTreeMap, path::Path};

use gov_core::{AuditEventKind, Timestamp, TokenId};
use gov_store::{
    migrations::{Component, Migration},
    sqlite::{Database, DatabaseOptions, OpenError, ReadError, Sync, WriteError},
};
use rusqlite::Connection;
use serde_json::json;

mod founding;

pub use self::founding::IfLost;
use self::founding::{Applied, Founding};
use crate::{
    identity::{Identities, TokenSecret},
    policy::Starter,
    registry::{self, RegistryError},
    store::{Run, StoreError, StoredPolicy, sqlite},
};

/// The gateway's own tables.
pub static COMPONENT: Component = Component {
    name: "gateway",
    migrations: &[
        Migration {
            version: 1,
            what: "tokens, agents, policies, history, runs",
            sql: include_str!("../migrations/sqlite/0001_gateway.sql"),
            min_reader: 1,
        },
        Migration {
            version: 2,
            what: "people, their roles and tokens, owners of agents",
            sql: include_str!("../migrations/sqlite/0002_people.sql"),
            min_reader: 1,
        },
    ],
};

/// The tables of approvals, which share the file and its writer.
static ESCALATION: Component = gov_escalation::store::sqlite::COMPONENT;

/// The open file.
#[derive(Debug)]
pub struct GovDb {
    /// Its doors.
    pub database: Database,
}

/// What the file holds at start.
#[derive(Debug)]
pub struct Contents {
    /// Tokens, agents and people.
    pub identities: Identities,
    /// The active policy.
    pub policy: Option<StoredPolicy>,
}

/// `gov.db` does not do its work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GovDbError {
    /// It cannot be opened; the schema may be newer.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It cannot be read.
    #[error("cannot read gov.db")]
    Read(#[from] ReadError<StoreError>),
    /// It cannot be written.
    #[error("cannot write gov.db")]
    Write(#[from] WriteError<StoreError>),
    /// A first content could not be made.
    #[error(transparent)]
    Content(#[from] RegistryError),
}

/// What [`GovDb::found`] found.
#[derive(Debug)]
pub enum Founded {
    /// There was no policy, and now there is.
    New {
        /// The first admin token, unless there was one.
        admin_token: Option<TokenSecret>,
    },
    /// There is one already; nothing was changed.
    HasPolicy {
        /// Which version.
        version: u64,
        /// Which starter it came from.
        name: String,
    },
    /// There was one, and it is gone; nothing was changed.
    PolicyLost,
}

impl GovDb {
    /// Opens the file, makes it where it is missing, and brings it up to this build's schema.
    ///
    /// Does blocking I/O.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn open(path: &Path, now: Timestamp) -> Result<Self, OpenError> {
        let options = DatabaseOptions::new("gov");
        Ok(Self { database: Database::open(path, &options, &[&COMPONENT, &ESCALATION], now)? })
    }

    /// What it holds.
    ///
    /// # Errors
    ///
    /// [`GovDbError::Read`].
    pub async fn contents(&self) -> Result<Contents, GovDbError> {
        let read = |db: &Connection| {
            Ok(Contents { identities: sqlite::identities(db)?, policy: sqlite::active_policy(db)? })
        };
        Ok(self.database.readers.read(read).await?)
    }

    /// Puts in the first policy, and the first admin token if there is none; its text is shown
    /// once.
    ///
    /// # Errors
    ///
    /// [`GovDbError`], and nothing is changed.
    pub async fn found(
        &self,
        starter: Starter,
        now: Timestamp,
        if_lost: IfLost,
    ) -> Result<Founded, GovDbError> {
        let secret = TokenSecret::generate(TokenId::at(now)).map_err(RegistryError::from)?;
        let founding = Founding::new(starter, &secret, now, if_lost)?;
        let applied = self.database.writer.write(Sync::Full, move |tx| founding.apply(tx)).await?;
        Ok(match applied {
            Applied::New { with_token } => {
                Founded::New { admin_token: with_token.then_some(secret) }
            }
            Applied::HasPolicy { version, name } => Founded::HasPolicy { version, name },
            Applied::PolicyLost => Founded::PolicyLost,
        })
    }

    /// Notes that a run begins; where the machine went down in the last one, a row in the history
    /// says so, with a bound on what may be missing. True: it did.
    ///
    /// # Errors
    ///
    /// [`GovDbError::Write`].
    pub async fn begin_run(
        &self,
        boot_id: String,
        now: Timestamp,
        bound: BTreeMap<&'static str, u64>,
    ) -> Result<bool, GovDbError> {
        let last = self.database.readers.read(sqlite::last_run).await?;
        let lost_power = last.filter(|last| last.ended_at.is_none() && last.boot_id != boot_id);
        let gap = lost_power.map(|last| {
            let payload = json!({
                "cause": "power_loss",
                "run_started_at": last.started_at,
                "boot_id": last.boot_id,
                "next_boot_id": boot_id,
                "missing_at_most": bound,
            });
            registry::change(AuditEventKind::AuditGap, now, None, None, &payload)
        });
        let gap = gap.transpose()?;
        let found = gap.is_some();
        let run = Run { boot_id, started_at: now, ended_at: None };
        let job = move |db: &Connection| {
            if let Some(change) = &gap {
                sqlite::insert_change(db, change)?;
            }
            sqlite::put_run(db, &run)
        };
        self.database.writer.write(Sync::Full, move |tx| job(tx)).await?;
        Ok(found)
    }

    /// How many rows the history has: the position of its last one.
    ///
    /// # Errors
    ///
    /// [`GovDbError::Read`].
    pub async fn history_end(&self) -> Result<u64, GovDbError> {
        let last = self.database.readers.read(sqlite::last_change).await?;
        Ok(u64::try_from(last).unwrap_or(0))
    }

    /// Notes that the run ended in order.
    ///
    /// # Errors
    ///
    /// [`GovDbError`]: the next start takes this run for one that was cut off.
    pub async fn end_run(&self, now: Timestamp) -> Result<(), GovDbError> {
        let job = move |db: &Connection| match sqlite::last_run(db)? {
            Some(run) => sqlite::put_run(db, &Run { ended_at: Some(now), ..run }),
            None => Ok(()),
        };
        Ok(self.database.writer.write(Sync::Full, move |tx| job(tx)).await?)
    }
}
