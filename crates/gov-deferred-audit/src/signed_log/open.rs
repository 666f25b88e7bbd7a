//! Opens the log, after everything that must agree agrees.

#[cfg(feature = "sqlite")]
use std::path::Path;
use std::{path::PathBuf, sync::Arc};

use gov_core::{Clock, hex::Hex};
use parking_lot::Mutex;
use tokio::{sync::watch, task};

use super::{
    Inner, LogHead, OpenError, Place, SignedLog, Trouble,
    backend::{Backend, MakeFirst, Tail, Writing},
    checkpoint::{unsigned, with_signature},
};
use crate::{
    entry::Entry,
    epoch::{self, Handover},
    outside_copy::{Copied, Found, OutsideCopy},
    signer::{KeyDir, KeyFileError, Signer},
    store::{
        Head, StoreError, TreeRows,
        tree::{Nodes, checked_edge},
    },
    tlog::{
        checkpoint::Checkpoint,
        empty_root,
        key::{PrivateKey, VerifierKey},
        note::Note,
        proof,
    },
};

/// Where the parts of a log lie.
#[cfg(feature = "sqlite")]
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

#[cfg(feature = "sqlite")]
impl LogConfig {
    /// Everything in its usual place below a data directory.
    #[must_use]
    pub fn in_dir(dir: &Path) -> Self {
        let LogPlaces { keys, outside_copy, domain } = LogPlaces::in_dir(dir);
        Self { database: dir.join("audit-log.db"), keys, outside_copy, domain }
    }

    /// The parts beside the database.
    #[must_use]
    pub fn places(&self) -> LogPlaces {
        let Self { keys, outside_copy, domain, .. } = self.clone();
        LogPlaces { keys, outside_copy, domain }
    }
}

/// Where the parts of a log lie that each node has for itself.
#[derive(Clone, Debug)]
pub struct LogPlaces {
    /// The directory of the signing keys: the same keys on all nodes of a deployment.
    pub keys: PathBuf,
    /// The file of this node's outside copy; best on another disk.
    pub outside_copy: PathBuf,
    /// The part of the log's name before `/gov/e<n>`, fixed when the log is created. `None` keeps
    /// what it is, or makes `localhost.invalid/<16 hex digits>`.
    pub domain: Option<String>,
}

impl LogPlaces {
    /// Everything in its usual place below a data directory.
    #[must_use]
    pub fn in_dir(dir: &std::path::Path) -> Self {
        Self {
            keys: dir.join("keys"),
            outside_copy: dir.join("checkpoints").join("checkpoints.log"),
            domain: None,
        }
    }
}

impl SignedLog {
    /// Opens the log in a SQLite file, or creates it with its first key.
    ///
    /// The caller holds the lock of the data directory: of two processes on one log each would see
    /// the other as a forger.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; nothing was signed. [`OpenError::Rollback`] needs a person.
    #[cfg(feature = "sqlite")]
    pub async fn open(config: LogConfig, clock: Arc<dyn Clock>) -> Result<Self, OpenError> {
        let opened = Opened::sqlite(&config, clock.as_ref(), false).await?;
        opened.compare(&config.places(), clock).await
    }

    /// Opens the log of a deployment in the database of `pool`, or creates its tables and its
    /// first key. Many processes may have it open: each batch locks the head.
    ///
    /// All nodes sign with one key. The node that creates the log makes it; the others need a copy
    /// of its key directory. Each node compares the database with its own outside copy.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; nothing was signed. [`OpenError::KeyElsewhere`] says what to copy,
    /// [`OpenError::Rollback`] needs a person.
    #[cfg(feature = "postgres")]
    pub async fn open_postgres(
        pool: sqlx::PgPool,
        places: LogPlaces,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, OpenError> {
        let opened = Opened::postgres(pool, &places, clock.as_ref()).await?;
        opened.compare(&places, clock).await
    }
}

/// The parts, opened but not yet compared.
pub(super) struct Opened {
    pub(super) backend: Backend,
    pub(super) outside: OutsideCopy,
    pub(super) found: Found,
    pub(super) head: Option<Head>,
}

impl Opened {
    /// Opens copy and file; a missing file beside a copy is only made if `even_if_lost`.
    #[cfg(feature = "sqlite")]
    pub(super) async fn sqlite(
        config: &LogConfig,
        clock: &dyn Clock,
        even_if_lost: bool,
    ) -> Result<Self, OpenError> {
        let (config, now) = (config.clone(), clock.now());
        let (backend, outside, found) = blocking(move || {
            let (outside, found) = open_copy(&config.places())?;
            if found.last.is_some() && !config.database.exists() && !even_if_lost {
                return Err(rollback(None, found.last.as_ref(), false));
            }
            let log = super::sqlite::SqliteLog::open(&config.database, now)?;
            Ok((Backend::Sqlite(log), outside, found))
        })
        .await?;
        let head = backend.head().await?;
        Ok(Self { backend, outside, found, head })
    }

    /// Opens this node's copy, and makes the tables if they are missing.
    #[cfg(feature = "postgres")]
    pub(super) async fn postgres(
        pool: sqlx::PgPool,
        places: &LogPlaces,
        clock: &dyn Clock,
    ) -> Result<Self, OpenError> {
        let places = places.clone();
        let (outside, found) = blocking(move || open_copy(&places)).await?;
        let component = &crate::store::postgres::COMPONENT;
        gov_store::postgres::migrate(&pool, component, clock.now()).await?;
        let backend = Backend::Postgres(super::postgres::PgLog::new(pool));
        let head = backend.head().await?;
        Ok(Self { backend, outside, found, head })
    }

    /// The log, once key, rows, checkpoint, name and copy belong together.
    async fn compare(
        self,
        places: &LogPlaces,
        clock: Arc<dyn Clock>,
    ) -> Result<SignedLog, OpenError> {
        let Self { backend, mut outside, found, head } = self;
        let head = match head {
            Some(head) => head,
            None if found.last.is_none() => backend.begin(first_head(places)).await?,
            None => return Err(rollback(None, found.last.as_ref(), false)),
        };
        let key = key_of(&backend, places, &head)?;
        let head = checked(&backend, head, &found).await?;
        let note = head.note.clone().unwrap_or_default();
        if found.last.is_none() {
            if head.size > 0 {
                tracing::warn!(
                    path = %places.outside_copy.display(),
                    "the outside copy is missing beside a log with records; it begins anew, and \
                     an earlier rollback cannot be told"
                );
            }
            outside = first_copy(outside, clock.as_ref(), note.clone()).await?;
        }
        let committed = LogHead { epoch: head.epoch, size: head.size, checkpoint: note };
        let (epoch, verifier) = (head.epoch, key.verifier());
        Ok(SignedLog {
            inner: Arc::new(Inner {
                backend,
                clock,
                writing: Writing { epoch, key: verifier, signer: Arc::new(key) as Arc<dyn Signer> },
                committed: watch::Sender::new(committed),
                outside: Mutex::new(outside),
                trouble: Mutex::new(Trouble::default()),
            }),
        })
    }
}

/// Reads the outside copy; blocks.
fn open_copy(places: &LogPlaces) -> Result<(OutsideCopy, Found), OpenError> {
    if let Some(domain) = &places.domain {
        epoch::check_domain(domain).map_err(OpenError::Domain)?;
    }
    let (outside, found) = OutsideCopy::open(&places.outside_copy)?;
    if let Some(offset) = found.cut_at {
        let path = places.outside_copy.display();
        tracing::warn!(%path, offset, "the outside copy ended in a torn line, which is cut");
    }
    Ok((outside, found))
}

/// The key of the head's epoch, if it is the one that signed it and the domain is the log's.
fn key_of(backend: &Backend, places: &LogPlaces, head: &Head) -> Result<PrivateKey, OpenError> {
    let corrupt = || OpenError::Corrupt("its public key is no key".to_owned());
    let stored: VerifierKey = head.vkey.parse().map_err(|_| corrupt())?;
    let domain = epoch::domain(stored.name()).ok_or_else(corrupt)?;
    if let Some(configured) = places.domain.as_deref().filter(|it| *it != domain) {
        let (stored, configured) = (domain.to_owned(), configured.to_owned());
        return Err(OpenError::OtherDomain { stored, configured });
    }
    let keys = KeyDir::new(&places.keys);
    let key = match keys.require(head.epoch, stored.name()) {
        Err(KeyFileError::Missing(path)) if backend.is_shared() => {
            return Err(OpenError::KeyElsewhere { path });
        }
        other => other?,
    };
    if key.verifier() == stored {
        return Ok(key);
    }
    Err(OpenError::Key(KeyFileError::OtherLog {
        path: keys.private_key_path(head.epoch),
        wanted: stored.to_string(),
        got: key.verifier().to_string(),
    }))
}

/// Makes epoch 1: a key, and a checkpoint of nothing.
fn first_head(places: &LogPlaces) -> MakeFirst {
    let places = places.clone();
    Box::new(move || {
        let keys = KeyDir::new(&places.keys);
        // A key that is there was made by a start that ended before its first commit.
        let domain = match (&places.domain, keys.read(1)?) {
            (Some(domain), _) => domain.clone(),
            (None, Some(key)) => {
                epoch::domain(key.verifier().name()).unwrap_or_default().to_owned()
            }
            (None, None) => random_domain()?,
        };
        let key = keys.require_or_create(1, &epoch::origin(&domain, 1))?;
        let (size, root, verifier) = (0, empty_root(), key.verifier());
        let text = unsigned(&verifier, size, &root);
        let signature = key.sign(text.as_bytes());
        let note = Some(with_signature(text, &verifier, signature));
        Ok(Head { epoch: 1, vkey: verifier.to_string(), size, root, note, first_note: None })
    })
}

fn random_domain() -> Result<String, OpenError> {
    let mut id = [0; 8];
    getrandom::fill(&mut id).map_err(|error| OpenError::Unavailable(Box::new(error)))?;
    Ok(format!("localhost.invalid/{}", Hex(&id)))
}

/// Compares what is stored with itself and with the outside copy.
async fn checked(backend: &Backend, head: Head, found: &Found) -> Result<Head, OpenError> {
    let last = found.last.clone();
    let read = backend.read(move |rows| {
        let edge = checked_edge(rows, &head)?;
        let agrees = match &last {
            Some(last) => agrees(rows, &head, last)?,
            None => true,
        };
        Ok((head, edge, agrees))
    });
    let (head, edge, agrees) = read.await?;
    if !agrees {
        return Err(rollback(Some(&head), found.last.as_ref(), true));
    }
    backend.set_tail(Tail { root: head.root, edge });
    Ok(head)
}

/// Whether the database has all that the outside copy knows, or says what of it was given up.
pub(super) fn agrees(
    rows: &mut dyn TreeRows,
    head: &Head,
    last: &Copied,
) -> Result<bool, StoreError> {
    let Copied { note, checkpoint: known, .. } = last;
    let epoch = epoch::of(&known.origin).unwrap_or(0);
    if epoch == head.epoch {
        let mut nodes = Nodes { rows, epoch };
        return Ok(known.size <= head.size
            && head.vkey.starts_with(&format!("{}+", known.origin))
            && proof::root(&mut nodes, known.size)? == known.root);
    }
    if epoch == 0 || epoch > head.epoch {
        return Ok(false);
    }
    // A rollback was accepted: by a process that ended before it could say so outside, or by
    // another node, which knew at least as much.
    let first = rows.entries_after((epoch + 1, 0), 1)?;
    let handover = first.first().and_then(|(_, entry)| {
        let reason = Entry::from_bytes(entry).ok()?.reason?;
        serde_json::from_str::<Handover>(&reason).ok()
    });
    let Some(handover) = handover else { return Ok(false) };
    if handover.checkpoint == *note {
        return Ok(true);
    }
    let Some(admitted) = checkpoint_of(&handover.checkpoint) else { return Ok(false) };
    if admitted.origin != known.origin || admitted.size <= known.size {
        return Ok(false);
    }
    let is_given_up = known.size > handover.surviving_size;
    Ok(is_given_up || proof::root(&mut Nodes { rows, epoch }, known.size)? == known.root)
}

fn checkpoint_of(note: &str) -> Option<Checkpoint> {
    let note = Note::parse(note.as_bytes()).ok()?;
    Checkpoint::parse(note.text()).ok()
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
