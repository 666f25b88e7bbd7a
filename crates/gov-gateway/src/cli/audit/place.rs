//! Where the log of a data directory lies, or the one that its gateway shares with others.

use clap::Args;
use gov_deferred_audit::LogConfig;
use sqlx::PgPool;

use crate::{
    cli::{
        Failure,
        places::{LogPlaces, Places},
    },
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
}

impl Found {
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
