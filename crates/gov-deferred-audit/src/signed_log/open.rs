//! Opens the log, after everything that must agree agrees.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use gov_core::{Clock, hex::Hex};
use gov_store::sqlite::{Database, DatabaseOptions, ReadError, Sync, WriteError};
use parking_lot::Mutex;
use tokio::{sync::watch, task};

use super::{
    Committed, Inner, OpenError, Place, SignedLog, Trouble,
    append::{Tail, checked_edge, signed},
};
use crate::{
    entry::Entry,
    epoch::{self, Handover},
    outside_copy::{Copied, Found, OutsideCopy},
    signer::{KeyDir, SignError, Signer},
    store::sqlite::{self as store, Head, StoreError},
    tlog::{checkpoint::Checkpoint, edge::Edge, empty_root, key::PrivateKey, proof},
};

/// Where the parts of a log lie.
#[derive(Clone, Debug)]
pub struct LogConfig {
    /// The SQLite file; made if it is missing and nothing outside says that it was there.
    pub database: PathBuf,
    /// The directory of the signing keys.
    pub keys: PathBuf,
    /// The file of the outside copy; best on another disk.
    pub outside_copy: PathBuf,
    /// The part of the log's name before `/gov/e<n>`, fixed when the log is created. `None` keeps
    /// what it is, or makes `localhost.invalid/<16 hex digits>`.
    pub domain: Option<String>,
}

impl LogConfig {
    /// Everything in its usual place below a data directory.
    #[must_use]
    pub fn in_dir(dir: &Path) -> Self {
        Self {
            database: dir.join("audit-log.db"),
            keys: dir.join("keys"),
            outside_copy: dir.join("checkpoints").join("checkpoints.log"),
            domain: None,
        }
    }
}

impl SignedLog {
    /// Opens the log, or creates it with its first key.
    ///
    /// The caller holds the lock of the data directory: of two processes on one log each would see
    /// the other as a forger.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; nothing was signed. [`OpenError::Rollback`] needs a person.
    pub async fn open(config: LogConfig, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let opened = Opened::open(&config, clock.as_ref()).await?;
        let Opened { database, mut outside, found, head } = opened;
        let (head, key) = match head {
            Some(head) => {
                let key = key_of(&config, &head)?;
                (head, key)
            }
            None if found.last.is_none() => create(&database, &config).await?,
            None => return Err(rollback(None, found.last.as_ref(), false)),
        };
        let (head, edge) = checked(&database, head, &found).await?;
        let note = head.note.clone().unwrap_or_default();
        if found.last.is_none() {
            if head.size > 0 {
                tracing::warn!(
                    path = %config.outside_copy.display(),
                    "the outside copy is missing beside a log with records; it begins anew, and \
                     an earlier rollback cannot be told"
                );
            }
            outside = first_copy(outside, clock.as_ref(), note.clone()).await?;
        }
        let committed = Committed { epoch: head.epoch, size: head.size, checkpoint: note };
        Ok(Self {
            inner: Arc::new(Inner {
                database,
                clock,
                epoch: head.epoch,
                key: key.verifier(),
                signer: Arc::new(key) as Arc<dyn Signer>,
                tail: Arc::new(Mutex::new(Some(Tail { root: head.root, edge }))),
                committed: watch::Sender::new(committed),
                outside: Mutex::new(outside),
                trouble: Mutex::new(Trouble::default()),
            }),
        })
    }
}

/// The parts, opened but not yet compared.
pub(super) struct Opened {
    pub(super) database: Database,
    pub(super) outside: OutsideCopy,
    pub(super) found: Found,
    pub(super) head: Option<Head>,
}

impl Opened {
    async fn open(config: &LogConfig, clock: &dyn Clock) -> Result<Self, OpenError> {
        Self::open_with(config, clock, false).await
    }

    /// Opens both parts; a missing database beside a copy is only made if `even_if_lost`.
    pub(super) async fn open_with(
        config: &LogConfig,
        clock: &dyn Clock,
        even_if_lost: bool,
    ) -> Result<Self, OpenError> {
        if let Some(domain) = &config.domain {
            epoch::check_domain(domain).map_err(OpenError::Domain)?;
        }
        let (config, now) = (config.clone(), clock.now());
        let (database, outside, found) = blocking(move || {
            let (outside, found) = OutsideCopy::open(&config.outside_copy)?;
            if let Some(offset) = found.cut_at {
                let path = config.outside_copy.display();
                tracing::warn!(%path, offset, "the outside copy ended in a torn line, which is cut");
            }
            if found.last.is_some() && !config.database.exists() && !even_if_lost {
                return Err(rollback(None, found.last.as_ref(), false));
            }
            // Short: the sink tries again by itself, and says meanwhile that it waits.
            let busy_timeout = Duration::from_millis(500);
            let options = DatabaseOptions { busy_timeout, ..DatabaseOptions::new("log") };
            let database = Database::open(&config.database, &options, &[&store::COMPONENT], now)?;
            Ok((database, outside, found))
        })
        .await?;
        let head = read(&database, store::head).await?;
        Ok(Self { database, outside, found, head })
    }
}

/// The key of the head's epoch, if it is the one that signed it and the domain is the log's.
fn key_of(config: &LogConfig, head: &Head) -> Result<PrivateKey, OpenError> {
    let corrupt = || OpenError::Corrupt("its public key is no key".to_owned());
    let stored: crate::tlog::key::VerifierKey = head.vkey.parse().map_err(|_| corrupt())?;
    let domain = epoch::domain(stored.name()).ok_or_else(corrupt)?;
    if let Some(configured) = config.domain.as_deref().filter(|it| *it != domain) {
        let (stored, configured) = (domain.to_owned(), configured.to_owned());
        return Err(OpenError::OtherDomain { stored, configured });
    }
    let key = KeyDir::new(&config.keys).require(head.epoch, stored.name())?;
    if key.verifier() == stored {
        return Ok(key);
    }
    Err(OpenError::Key(crate::signer::KeyFileError::OtherLog {
        path: KeyDir::new(&config.keys).private_key_path(head.epoch),
        wanted: stored.to_string(),
        got: key.verifier().to_string(),
    }))
}

/// Begins epoch 1: a key, and a checkpoint of nothing.
async fn create(database: &Database, config: &LogConfig) -> Result<(Head, PrivateKey), OpenError> {
    let keys = KeyDir::new(&config.keys);
    // A key that is there was made by a start that ended before its first commit.
    let domain = match (&config.domain, keys.read(1)?) {
        (Some(domain), _) => domain.clone(),
        (None, Some(key)) => epoch::domain(key.verifier().name()).unwrap_or_default().to_owned(),
        (None, None) => random_domain()?,
    };
    let key = keys.require_or_create(1, &epoch::origin(&domain, 1))?;
    let (size, root) = (0, empty_root());
    let sign = |message: &[u8]| Ok::<_, SignError>(PrivateKey::sign(&key, message));
    let note = signed(&key.verifier(), &sign, size, &root)
        .map_err(|error| OpenError::Unavailable(Box::new(error)))?;
    let vkey = key.verifier().to_string();
    let head = Head { epoch: 1, vkey, size, root, note: Some(note), first_note: None };
    let row = head.clone();
    write(database, move |tx| store::insert_head(tx, &row)).await?;
    Ok((head, key))
}

fn random_domain() -> Result<String, OpenError> {
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(|error| OpenError::Unavailable(Box::new(error)))?;
    Ok(format!("localhost.invalid/{}", Hex(&id)))
}

/// Compares what is stored with itself and with the outside copy.
async fn checked(
    database: &Database,
    head: Head,
    found: &Found,
) -> Result<(Head, Edge), OpenError> {
    let last = found.last.clone();
    let (head, edge, agrees) = read(database, move |connection| {
        let edge = checked_edge(connection, &head)?;
        let key = head.vkey.parse().map_err(|_| StoreError::Corrupt("its key".into()))?;
        let signed = Checkpoint::open(head.note.clone().unwrap_or_default().as_bytes(), &[key]);
        if !signed.is_ok_and(|it| it.size == head.size && it.root == head.root) {
            return Err(StoreError::Corrupt("its checkpoint does not fit its head".to_owned()));
        }
        let agrees = match &last {
            Some(last) => agrees(connection, &head, last)?,
            None => true,
        };
        Ok((head, edge, agrees))
    })
    .await?;
    if agrees { Ok((head, edge)) } else { Err(rollback(Some(&head), found.last.as_ref(), true)) }
}

/// Whether the database has all that the outside copy knows.
pub(super) fn agrees(
    connection: &rusqlite::Connection,
    head: &Head,
    last: &Copied,
) -> Result<bool, StoreError> {
    let known = epoch::of(&last.checkpoint.origin).unwrap_or(0);
    if known == head.epoch {
        let mut nodes = store::Nodes { connection, epoch: known };
        return Ok(last.checkpoint.size <= head.size
            && head.vkey.starts_with(&format!("{}+", last.checkpoint.origin))
            && proof::root(&mut nodes, last.checkpoint.size)? == last.checkpoint.root);
    }
    if known + 1 != head.epoch {
        return Ok(false);
    }
    // The rollback was accepted, and the process ended before it could say so outside.
    let first = store::entries_after(connection, (head.epoch, 0), 1)?;
    let handover = first.first().and_then(|(_, entry)| {
        let reason = Entry::from_bytes(entry).ok()?.reason?;
        serde_json::from_str::<Handover>(&reason).ok()
    });
    Ok(handover.is_some_and(|it| it.checkpoint == last.note))
}

/// The alarm, with both states.
pub(super) fn rollback(head: Option<&Head>, last: Option<&Copied>, compared: bool) -> OpenError {
    let database =
        head.map_or(Place { epoch: 0, size: 0 }, |it| Place { epoch: it.epoch, size: it.size });
    let outside = last.map_or(Place { epoch: 0, size: 0 }, |it| Place {
        epoch: epoch::of(&it.checkpoint.origin).unwrap_or(0),
        size: it.checkpoint.size,
    });
    let differs = compared && database.epoch == outside.epoch && database.size >= outside.size;
    OpenError::Rollback { database, outside, differs }
}

async fn first_copy(
    mut outside: OutsideCopy,
    clock: &dyn Clock,
    note: String,
) -> Result<OutsideCopy, OpenError> {
    let now = clock.now();
    blocking(move || {
        outside.append(now, &note)?;
        Ok(outside)
    })
    .await
}

pub(super) async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, OpenError> + Send + 'static,
) -> Result<T, OpenError> {
    let done = task::spawn_blocking(job).await;
    done.unwrap_or_else(|error| Err(OpenError::Unavailable(Box::new(error))))
}

pub(super) async fn read<T: Send + 'static>(
    database: &Database,
    job: impl FnOnce(&rusqlite::Connection) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, OpenError> {
    database.readers.read(job).await.map_err(|error| match error {
        ReadError::Job(StoreError::Corrupt(what)) => OpenError::Corrupt(what),
        other => OpenError::Unavailable(Box::new(other)),
    })
}

pub(super) async fn write<T: Send + 'static>(
    database: &Database,
    job: impl FnOnce(&rusqlite::Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, OpenError> {
    database.writer.write(Sync::Full, job).await.map_err(|error| match error {
        WriteError::Job(StoreError::Corrupt(what)) => OpenError::Corrupt(what),
        other => OpenError::Unavailable(Box::new(other)),
    })
}
