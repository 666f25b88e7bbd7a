//! Where the state is kept: one embedded database, or one that gateways share.

use std::{fs, io, path::PathBuf, sync::Arc, time::Duration};

use gov_core::{Clock, SystemClock};
use gov_store::{
    migrations::{Component, MigrateError},
    postgres::{self, DatabaseClock},
    sqlite::{Database, DatabaseOptions, OpenError},
};
use sqlx::{
    ConnectOptions as _, Connection as _, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use crate::{
    config::{self, Backend, PostgresUrl},
    data_dir::DataDir,
    store::{GatewayStore, postgres::PgGatewayStore, sqlite, sqlite::SqliteGatewayStore},
};

/// Whose tables lie in `gov.db`.
pub static EMBEDDED: &[&Component] =
    &[&sqlite::COMPONENT, &gov_escalation::store::sqlite::COMPONENT];

/// Whose tables lie in the PostgreSQL that gateways share.
static SHARED: &[&Component] = &[
    &crate::store::postgres::COMPONENT,
    &gov_escalation::store::postgres::COMPONENT,
    &gov_retention::event_store::postgres::COMPONENT,
    &gov_deferred_audit::store::postgres::COMPONENT,
];

/// How long to wait for a connection: to the server, or to be free.
const PATIENCE: Duration = Duration::from_secs(5);

/// What every connection to PostgreSQL is told: a server that hangs in a transaction must not hold
/// up the others.
const SESSION: [(&str, &str); 2] =
    [("statement_timeout", "30s"), ("idle_in_transaction_session_timeout", "10s")];

/// The open storage.
#[derive(Debug)]
pub struct Storage {
    /// What the gateway knows.
    pub store: Arc<dyn GatewayStore>,
    /// The database behind it, for the stores of others.
    pub kind: Kind,
    /// What time it is for everyone who uses it.
    pub clock: Arc<dyn Clock>,
}

/// The database.
#[derive(Debug)]
pub enum Kind {
    /// One file, owned by whoever holds the data directory's lock.
    Embedded {
        /// `gov.db`.
        database: Database,
    },
    /// A server that others use too.
    Shared {
        /// Connections to it.
        pool: PgPool,
        /// Its time; somebody must run it.
        clock: Arc<DatabaseClock>,
    },
}

/// The state cannot be reached.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// `gov.db` does not open; its schema may be newer.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The file that should hold the URL cannot be read.
    #[error("cannot read the database's URL from `{}`", path.display())]
    UrlFile {
        /// Which file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The text is no URL of PostgreSQL. It is not repeated, since it may hold a password.
    #[error("the database's URL must be `postgres://user@host/database`; received something else")]
    Url,
    /// PostgreSQL does not answer, or lets us not in.
    #[error("cannot reach the database `{url}`")]
    Unreachable {
        /// Which one, without its password.
        url: PostgresUrl,
        /// What it says.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// It does not say what time it is.
    #[error("cannot read the time of the database")]
    Time(#[source] sqlx::Error),
    /// Its schema cannot be brought up to this build's.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The work of opening panicked: a mistake of the program.
    #[error("opening the database panicked")]
    Panicked(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Storage {
    /// Opens what `config` names, makes it where it is missing, and brings it up to this build's
    /// schema.
    ///
    /// # Errors
    ///
    /// [`StorageError`]: nothing is open, and the state is as it was.
    pub async fn open(
        config: &config::Database,
        data_dir: &DataDir,
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, StorageError> {
        if let Some(shared) = Self::shared(config, clock).await? {
            return Ok(shared);
        }
        let (path, now) = (data_dir.gov_db(), clock.now());
        let options = DatabaseOptions::new("gov");
        let opening = move || Database::open(&path, &options, EMBEDDED, now);
        let database = blocking(opening).await??;
        let store = Arc::new(SqliteGatewayStore::new(&database));
        Ok(Self { store, kind: Kind::Embedded { database }, clock: Arc::clone(clock) })
    }

    /// As [`Storage::open`], where `config` names a database that is shared; `None` where it does
    /// not.
    ///
    /// # Errors
    ///
    /// As from [`Storage::open`].
    pub async fn shared(
        config: &config::Database,
        clock: &Arc<dyn Clock>,
    ) -> Result<Option<Self>, StorageError> {
        let Some(pool) = connect_shared(config).await? else { return Ok(None) };
        for component in SHARED {
            postgres::migrate(&pool, component, clock.now()).await?;
        }
        let server_time = Arc::new(pool.clone());
        let measured = DatabaseClock::start(Arc::clone(clock), server_time).await;
        let clock = Arc::new(measured.map_err(StorageError::Time)?);
        let store = Arc::new(PgGatewayStore::new(pool.clone()));
        let time = Arc::clone(&clock) as _;
        Ok(Some(Self { store, kind: Kind::Shared { pool, clock }, clock: time }))
    }

    /// Ends the work on it: what was handed over is written.
    pub async fn close(self) {
        match self.kind {
            Kind::Embedded { database } => database.close().await,
            Kind::Shared { pool, .. } => pool.close().await,
        }
    }
}

/// Connects to the database that gateways share, and leaves its schema as it is; `None` where
/// `config` names the embedded one.
///
/// # Errors
///
/// [`StorageError`]: it cannot be reached, or its URL cannot be read.
pub async fn connect_shared(config: &config::Database) -> Result<Option<PgPool>, StorageError> {
    match shared_url(&config.url).await? {
        Some(url) => connect(&url, config.max_connections).await.map(Some),
        None => Ok(None),
    }
}

/// Brings the tables of the components that are `wanted` up to this build's schema, in the database
/// that gateways share; `false` where `config` names the embedded one.
///
/// # Errors
///
/// [`StorageError`]: it cannot be reached, or a step failed and was undone.
pub async fn migrate_shared(
    config: &config::Database,
    wanted: impl Fn(&Component) -> bool,
) -> Result<bool, StorageError> {
    let Some(pool) = connect_shared(config).await? else { return Ok(false) };
    for component in SHARED.iter().filter(|it| wanted(it)) {
        postgres::migrate(&pool, component, SystemClock.now()).await?;
    }
    pool.close().await;
    Ok(true)
}

/// Brings the tables in one file up to this build's schema. Nobody else may have it open.
///
/// # Errors
///
/// [`StorageError`]: it cannot be opened, or a step failed and was undone.
pub async fn migrate_file(
    path: PathBuf,
    components: Vec<&'static Component>,
) -> Result<(), StorageError> {
    let now = SystemClock.now();
    let opening = move || Database::open(&path, &DatabaseOptions::new("migrate"), &components, now);
    blocking(opening).await??.close().await;
    Ok(())
}

/// The URL of PostgreSQL; `None` for the embedded database.
async fn shared_url(backend: &Backend) -> Result<Option<PostgresUrl>, StorageError> {
    match backend {
        Backend::Sqlite => Ok(None),
        Backend::Postgres(url) => Ok(Some(url.clone())),
        Backend::PostgresIn(path) => {
            let named = path.clone();
            let text = blocking(move || fs::read_to_string(named)).await?;
            let text =
                text.map_err(|source| StorageError::UrlFile { path: path.clone(), source })?;
            PostgresUrl::parse(text.trim()).map(Some).ok_or(StorageError::Url)
        }
    }
}

/// Connects once to learn why it fails where it does: a pool only says that it took too long.
async fn connect(url: &PostgresUrl, max_connections: u64) -> Result<PgPool, StorageError> {
    let options: PgConnectOptions = url.expose().parse().map_err(|_| StorageError::Url)?;
    let options = options.application_name("gov").options(SESSION);
    let unreachable = |source| StorageError::Unreachable { url: url.clone(), source };
    let first = tokio::time::timeout(PATIENCE, options.connect())
        .await
        .map_err(|elapsed| unreachable(elapsed.into()))?
        .map_err(|error| unreachable(error.into()))?;
    first.close().await.map_err(|error| unreachable(error.into()))?;
    Ok(PgPoolOptions::new()
        .max_connections(u32::try_from(max_connections).unwrap_or(u32::MAX))
        .acquire_timeout(PATIENCE)
        .connect_lazy_with(options))
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, StorageError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| StorageError::Panicked(Box::new(error)))
}
