//! Where the log of a data directory lies, or the one that its gateway shares with others.

use std::{path::Path, sync::Arc};

use clap::Args;
use gov_core::SystemClock;
use gov_deferred_audit::{LogConfig, SignedLog};
use gov_retention::event_store::{
    AuditEventStore, StoreError, postgres::PgEventStore, sqlite::SqliteEventStore,
};
use gov_store::lock::DataDirLock;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    cli::{
        Exit, Failure,
        places::{LogPlaces, Places},
        target,
    },
    client::Client,
    config,
    data_dir::DataDir,
    offline,
    server::{StartError, log_config},
    storage,
};

/// The log of a data directory, as `gov serve` with the same flags keeps it.
#[derive(Clone, Debug, Args)]
pub(super) struct LogPlace {
    #[command(flatten)]
    places: Places,
    #[command(flatten)]
    log: LogPlaces,
}

/// A log that commands work on.
#[derive(Debug)]
pub(super) struct Found {
    /// The data directory.
    pub(super) dir: DataDir,
    /// Where its parts lie; without the file of the database where that is shared.
    pub(super) log: LogConfig,
    database: config::Database,
}

impl LogPlace {
    /// The directory, which must exist, and where the parts of its log lie.
    pub(super) fn find(&self) -> Result<Found, Failure> {
        let config = self.places.load(&self.log.settings()?)?.config;
        let dir = DataDir::open(&self.places.data_dir()?)?;
        let log = log_config(&config, &dir);
        Ok(Found { dir, log, database: config.database })
    }

    /// The server to ask; `None` where flags name files, or the environment no server.
    pub(super) fn server(&self) -> Result<Option<Client>, Failure> {
        let named = self.log.checkpoint_log.is_some() || self.log.audit_key.is_some();
        if named { Ok(None) } else { target::server(&self.places) }
    }
}

impl Found {
    /// Whether gateways share the log's database.
    pub(super) fn is_shared(&self) -> bool {
        !matches!(self.database.url, config::Backend::Sqlite)
    }

    /// The file of the log, which is there.
    ///
    /// # Errors
    ///
    /// [`Failure`] with [`Exit::Unreachable`]: no server ever ran here.
    pub(super) fn log_at_rest(&self) -> Result<&Path, Failure> {
        if self.log.database.exists() {
            return Ok(&self.log.database);
        }
        let what = "the data directory holds no log yet; start the server once";
        Err(Failure::new(Exit::Unreachable, what))
    }

    /// The right to change the files; who asks has no door at a server that runs.
    ///
    /// # Errors
    ///
    /// [`Failure`] with [`Exit::Unreachable`], which names who has it.
    pub(super) fn lock(&self) -> Result<DataDirLock, Failure> {
        DataDirLock::acquire(self.dir.path()).map_err(|it| Failure::of(Exit::Unreachable, it))
    }

    /// Runs `work` on the log under the directory's `lock`, and gives the lock back. What it
    /// appends is known outside when this returns.
    ///
    /// # Errors
    ///
    /// [`Failure`]: there is no log yet, it does not open, or `work` failed.
    pub(super) fn on_log<T>(
        &self,
        lock: DataDirLock,
        work: impl AsyncFnOnce(&SignedLog) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let done = offline::block_on(async {
            let pool = storage::connect_shared(&self.database).await.map_err(StartError::from)?;
            let clock = Arc::new(SystemClock);
            let log = if let Some(pool) = &pool {
                SignedLog::open_postgres(pool.clone(), self.log.places(), clock).await
            } else {
                self.log_at_rest()?;
                SignedLog::open(self.log.clone(), clock).await
            };
            let log = log.map_err(StartError::from)?;
            let done = work(&log).await;
            let stop = CancellationToken::new();
            stop.cancel();
            log.clone().copy_outside(stop).await;
            log.close().await;
            if let Some(pool) = pool {
                pool.close().await;
            }
            done
        })?;
        drop(lock);
        done
    }

    /// How many records of each epoch the event store has, by the names of the epochs.
    ///
    /// # Errors
    ///
    /// [`Failure`]: it cannot be opened, reached or read.
    pub(super) async fn carried(&self, origins: &[String]) -> Result<Vec<u64>, Failure> {
        let pool = storage::connect_shared(&self.database).await.map_err(StartError::from)?;
        let carried = if let Some(pool) = pool {
            let store = PgEventStore::new(pool.clone());
            let carried = cursors(&store, origins).await;
            store.close().await;
            pool.close().await;
            carried
        } else {
            let store = SqliteEventStore::open(&self.dir.events(), Arc::new(SystemClock)).await;
            let store = store.map_err(StartError::from)?;
            let carried = cursors(&store, origins).await;
            store.close().await;
            carried
        };
        carried.map_err(|error| Failure::of(Exit::NotJudged, error))
    }

    /// Runs `work` on the database that gateways share; `None` where the log lies in the directory.
    pub(super) fn on_shared<T>(
        &self,
        work: impl AsyncFnOnce(&PgPool) -> T,
    ) -> Result<Option<T>, Failure> {
        offline::block_on(async {
            let connected = storage::connect_shared(&self.database).await;
            let Some(pool) = connected.map_err(StartError::from)? else { return Ok(None) };
            let done = work(&pool).await;
            pool.close().await;
            Ok(Some(done))
        })?
    }
}

async fn cursors(store: &dyn AuditEventStore, origins: &[String]) -> Result<Vec<u64>, StoreError> {
    let mut cursors = Vec::with_capacity(origins.len());
    for origin in origins {
        cursors.push(store.cursor(origin).await?);
    }
    Ok(cursors)
}
