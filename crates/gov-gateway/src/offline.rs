//! Work on the files of a data directory while no server runs.

use std::path::PathBuf;

use gov_core::{Clock as _, SystemClock, Timestamp};
use gov_store::lock::DataDirLock;
use rusqlite::Connection;

use crate::{
    cli::{Exit, Failure, Places},
    data_dir::{DataDir, key_file},
    gov_db::GovDb,
    server::StartError,
    store::StoreError,
};

/// The locked directory with `gov.db` open.
#[derive(Debug)]
pub struct Offline {
    /// The directory.
    pub dir: DataDir,
    /// Its database.
    pub db: GovDb,
    lock: DataDirLock,
}

impl Offline {
    /// Locks the directory and opens what is in it; makes the keys and the database where they
    /// are missing. Does blocking I/O.
    ///
    /// # Errors
    ///
    /// [`StartError::InUse`] while a server runs; as from a start else.
    pub fn open(dir: DataDir, now: Timestamp) -> Result<Self, StartError> {
        let lock = DataDirLock::acquire(dir.path())?;
        key_file::load_or_create(&dir.redaction_key())?;
        let db = GovDb::open(&dir.gov_db(), now)?;
        Ok(Self { dir, db, lock })
    }

    /// Closes the database, gives back the lock, and says where it was.
    pub async fn close(self) -> PathBuf {
        self.db.database.close().await;
        drop(self.lock);
        self.dir.path().to_owned()
    }
}

/// Changes the files under the directory's lock. A row in the history reaches the signed log when
/// a server runs again.
///
/// # Errors
///
/// [`Failure`]: a server runs, the files cannot be used, or `change` failed.
pub fn change<T>(
    dir: DataDir,
    change: impl AsyncFnOnce(&GovDb) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let files = Offline::open(dir, SystemClock.now())?;
    block_on(async {
        let changed = change(&files.db).await;
        files.close().await;
        changed
    })?
}

/// Reads `gov.db` without the lock: also beside a running server.
///
/// # Errors
///
/// [`Failure`]: the files cannot be used.
pub fn read<T>(
    places: &Places,
    job: impl FnOnce(&Connection) -> Result<T, StoreError>,
) -> Result<T, Failure> {
    let dir = DataDir::open(&places.data_dir()?)?;
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        Failure::because(Exit::NotJudged, "cannot read gov.db; `gov init` makes one", error)
    };
    let db = gov_store::sqlite::open_read_only(&dir.gov_db()).map_err(|it| failed(it.into()))?;
    job(&db).map_err(|it| failed(it.into()))
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
