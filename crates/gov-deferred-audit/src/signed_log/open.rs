//! Opens the log, after everything that must agree agrees.

use std::sync::Arc;

use gov_core::{Clock, hex::Hex};
use parking_lot::Mutex;
use tokio::{sync::watch, task};

#[cfg(feature = "sqlite")]
use super::LogConfig;
use super::{
    Inner, LogHead, LogPlaces, OpenError, SignedLog, Trouble,
    agreement::{agrees, rollback},
    backend::{Backend, MakeFirst, Tail, Writing},
    checkpoint::{unsigned, with_signature},
    tally::Tally,
};
use crate::{
    epoch,
    outside_copy::{Found, OutsideCopy},
    signer::{KeyDir, KeyFileError, Signer},
    store::{Head, tree::checked_edge},
    tlog::{
        empty_root,
        key::{PrivateKey, VerifierKey},
    },
};

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
        let opened = Opened::sqlite(&config, clock.as_ref(), Missing::Begins).await?;
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

/// What a missing file stands for; beside a copy that knows of a log it is a rollback.
#[cfg(feature = "sqlite")]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Missing {
    /// A log that begins now.
    Begins,
    /// No log: nothing is made.
    IsNoLog,
    /// A log that is lost, whatever the copy knows: an empty file is made.
    IsLost,
}

/// The parts, once they belong together.
pub(super) struct Agreed {
    pub(super) backend: Backend,
    pub(super) outside: OutsideCopy,
    /// The latest, signed and checked.
    pub(super) head: Head,
    pub(super) key: PrivateKey,
}

impl Opened {
    /// Opens copy and file.
    #[cfg(feature = "sqlite")]
    pub(super) async fn sqlite(
        config: &LogConfig,
        clock: &dyn Clock,
        missing: Missing,
    ) -> Result<Self, OpenError> {
        let (config, now) = (config.clone(), clock.now());
        let (backend, outside, found) = blocking(move || {
            let (outside, found) = open_copy(&config.places())?;
            if missing != Missing::IsLost && !config.database.exists() {
                match &found.last {
                    Some(last) => return Err(rollback(None, Some(last), false)),
                    None if missing == Missing::IsNoLog => return Err(OpenError::NoLog),
                    None => (),
                }
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

    /// The parts, once key, rows, checkpoint, name and copy belong together; begins a log where
    /// none was.
    pub(super) async fn agreed(
        self,
        places: &LogPlaces,
        clock: &dyn Clock,
    ) -> Result<Agreed, OpenError> {
        let Self { backend, mut outside, found, head } = self;
        let head = match head {
            Some(head) => head,
            None if found.last.is_none() => backend.begin(first_head(places)).await?,
            None => return Err(rollback(None, found.last.as_ref(), false)),
        };
        let key = key_of(&backend, places, &head)?;
        let head = checked(&backend, head, &found).await?;
        if found.last.is_none() {
            let note = head.note.clone().unwrap_or_default();
            if head.size > 0 {
                tracing::warn!(
                    path = %places.outside_copy.display(),
                    "the outside copy is missing beside a log with records; it begins anew, and \
                     an earlier rollback cannot be told"
                );
            }
            outside = copy(outside, clock, note).await?;
        }
        Ok(Agreed { backend, outside, head, key })
    }

    async fn compare(
        self,
        places: &LogPlaces,
        clock: Arc<dyn Clock>,
    ) -> Result<SignedLog, OpenError> {
        let Agreed { backend, outside, head, key } = self.agreed(places, clock.as_ref()).await?;
        let note = head.note.unwrap_or_default();
        let committed = LogHead { epoch: head.epoch, size: head.size, checkpoint: note };
        let (epoch, verifier) = (head.epoch, key.verifier());
        let letters = Tally::new(backend.dead_letters().await?);
        Ok(SignedLog {
            inner: Arc::new(Inner {
                backend,
                clock,
                writing: Writing { epoch, key: verifier, signer: Arc::new(key) as Arc<dyn Signer> },
                committed: watch::Sender::new(committed),
                outside: Mutex::new(outside),
                failing: watch::Sender::new(None),
                trouble: Mutex::new(Trouble::default()),
                letters,
                upper: Arc::default(),
            }),
        })
    }
}

/// Reads the outside copy; blocks.
pub(super) fn open_copy(places: &LogPlaces) -> Result<(OutsideCopy, Found), OpenError> {
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

/// Brings a checkpoint to the outside copy, if it is not its last one already.
pub(super) async fn copy(
    mut outside: OutsideCopy,
    clock: &dyn Clock,
    note: String,
) -> Result<OutsideCopy, OpenError> {
    let now = clock.now();
    blocking(move || {
        if outside.last_note() != Some(note.as_str()) {
            outside.append(now, &note)?;
        }
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
