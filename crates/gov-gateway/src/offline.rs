//! Work without a server: on the files of a data directory, or on the database that gateways share.

use std::{path::Path, sync::Arc};

use gov_core::{Clock, SystemClock};
use gov_store::{lock::DataDirLock, migrations::MigrateError, sqlite::OpenError};
use rusqlite::Connection;

use crate::{
    cli::{Exit, Failure, Places},
    data_dir::{DataDir, DataDirError, key_file},
    server::StartError,
    storage::{self, Storage},
    store::{GatewayStore, StoreError},
};

/// The open storage of a command.
#[derive(Debug)]
pub struct Offline {
    /// Its store.
    pub storage: Storage,
    /// Where it is, for people.
    pub place: String,
    files: Option<(DataDir, DataDirLock)>,
}

/// How a command takes its data directory: as it is, or made where it is missing.
pub type OpenDir = fn(&Path) -> Result<DataDir, DataDirError>;

impl Offline {
    /// Opens the database that is shared; without one, locks the directory and opens what is in
    /// it. Makes the keys and the tables where they are missing. Does blocking I/O.
    ///
    /// # Errors
    ///
    /// [`StartError::InUse`] while a server runs on the files; as from a start else.
    pub async fn open(places: &Places, open_dir: OpenDir) -> Result<Self, Failure> {
        let config = places.load(&[])?.config.database;
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        if let Some(storage) = Storage::shared(&config, &clock).await.map_err(StartError::from)? {
            return Ok(Self { storage, place: config.url.to_string(), files: None });
        }
        let dir = open_dir(&places.data_dir()?)?;
        let lock = DataDirLock::acquire(dir.path()).map_err(StartError::from)?;
        key_file::load_or_create(&dir.redaction_key()).map_err(StartError::from)?;
        let storage = Storage::open(&config, &dir, &clock).await.map_err(StartError::from)?;
        let place = dir.path().display().to_string();
        Ok(Self { storage, place, files: Some((dir, lock)) })
    }

    /// What kind of place it is, for people.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        if self.files.is_some() { "data directory" } else { "database" }
    }

    /// Closes the database, and then gives back the lock.
    pub async fn close(self) {
        self.storage.close().await;
        drop(self.files);
    }
}

/// Changes what no server holds, or what servers share. A row in the history reaches the signed log
/// when a server runs.
///
/// # Errors
///
/// [`Failure`]: a server runs on the files, they cannot be used, or `change` failed.
pub fn change<T>(
    places: &Places,
    open_dir: OpenDir,
    change: impl AsyncFnOnce(Arc<dyn GatewayStore>) -> Result<T, Failure>,
) -> Result<T, Failure> {
    change_in(places, open_dir, async |it| change(Arc::clone(&it.store)).await)
}

/// The same, with everything else that is stored there.
///
/// # Errors
///
/// As from [`change`].
pub fn change_in<T>(
    places: &Places,
    open_dir: OpenDir,
    change: impl AsyncFnOnce(&Storage) -> Result<T, Failure>,
) -> Result<T, Failure> {
    block_on(async {
        let it = Offline::open(places, open_dir).await?;
        let changed = change(&it.storage).await;
        it.close().await;
        changed
    })?
}

/// Reads without the lock, also beside a running server: `gov.db`, or the database that is shared.
///
/// # Errors
///
/// [`Failure`]: neither can be used.
pub fn read<T>(
    places: &Places,
    embedded: impl FnOnce(&Connection) -> Result<T, StoreError>,
    shared: impl AsyncFnOnce(&dyn GatewayStore) -> Result<T, StoreError>,
) -> Result<T, Failure> {
    let config = places.load(&[])?.config.database;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let from_shared = block_on(async {
        let opened = Storage::shared(&config, &clock).await.map_err(StartError::from)?;
        let Some(storage) = opened else { return Ok::<_, Failure>(None) };
        let read = shared(&*storage.store).await;
        storage.close().await;
        read.map(Some).map_err(|it| Failure::of(Exit::NotJudged, it))
    })??;
    match from_shared {
        Some(read) => Ok(read),
        None => read_file(&DataDir::open(&places.data_dir()?)?.gov_db(), embedded),
    }
}

fn read_file<T>(
    path: &Path,
    job: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, Failure> {
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        Failure::because(Exit::NotJudged, "cannot read gov.db; `gov init` makes one", error)
    };
    let db = gov_store::sqlite::open_read_only(path, storage::EMBEDDED).map_err(
        |error| match error {
            OpenError::Migrate(error) => schema(error),
            other => failed(other.into()),
        },
    )?;
    job(&db).map_err(|it| failed(it.into()))
}

/// A schema that a command does not read: the error says the way out.
#[must_use]
pub fn schema(error: MigrateError) -> Failure {
    let newer = matches!(error, MigrateError::NewerSchema { .. });
    Failure::of(if newer { Exit::NewerSchema } else { Exit::NotJudged }, error)
}

/// Runs a command's work on the calling thread.
///
/// # Errors
///
/// [`Failure`] where the operating system gives no event loop.
pub fn block_on<F: Future>(work: F) -> Result<F::Output, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::because(Exit::NotJudged, "no event loop to run on", error))?;
    Ok(runtime.block_on(work))
}
