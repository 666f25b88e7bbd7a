//! Where dead letters are asked for and disposed of, wherever they lie.

use std::{error::Error, path::PathBuf, time::Duration};

use gov_core::RecordId;
use gov_store::crash;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{
    DeadLetter, DeadLetterError, Discarded, LetterPlace, Replayed,
    quarantine::{self, Aside, FileError, WHY},
};
use crate::signed_log::{ReadLogError, SignedLog};

/// How many letters one step of the replay at start looks at.
const BATCH: u64 = 256;

/// The waits of the replay at start: doubled from the first to the longest.
const FIRST_WAIT: Duration = Duration::from_millis(5);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

/// The dead letters of one log: its table, and the quarantine directory beside this node's queue.
///
/// What lies in the quarantine is taken into the table by whatever would change it, and shares its
/// ways from there.
#[derive(Clone, Debug)]
pub struct DeadLetters {
    log: SignedLog,
    quarantine: PathBuf,
}

/// What a start did with what earlier ones had left.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AtStart {
    /// So many records entered the log.
    pub appended: u64,
    /// So many are refused as before.
    pub still_dead: u64,
}

impl DeadLetters {
    /// The dead letters of `log`, and the records in the directory `quarantine`
    /// ([`QueueConfig::quarantine`](crate::QueueConfig)).
    #[must_use]
    pub fn new(log: SignedLog, quarantine: impl Into<PathBuf>) -> Self {
        Self { log, quarantine: quarantine.into() }
    }

    /// At most `limit` letters behind `after`, in order of death, with all that they hold; a page of
    /// large ones is shorter, and only an empty page is the end.
    ///
    /// # Errors
    ///
    /// [`DeadLetterError::Log`], [`DeadLetterError::Quarantine`].
    pub async fn list(
        &self,
        after: Option<LetterPlace>,
        limit: u64,
    ) -> Result<Vec<DeadLetter>, DeadLetterError> {
        let table = self.log.dead_letters(after, limit).await?;
        let dir = self.quarantine.clone();
        blocking(move || quarantine::merge(table, &dir, after, limit)).await
    }

    /// One letter; `None` if there is none with this id.
    ///
    /// # Errors
    ///
    /// [`DeadLetterError::Log`], [`DeadLetterError::Quarantine`].
    pub async fn get(&self, id: RecordId) -> Result<Option<DeadLetter>, DeadLetterError> {
        if let Some(letter) = self.log.dead_letter(id).await? {
            return Ok(Some(letter));
        }
        let dir = self.quarantine.clone();
        blocking(move || quarantine::get(&dir, id)).await
    }

    /// Hands in again at most `limit` letters behind `after`, as
    /// [`SignedLog::replay_dead_letters`]; with no `after`, the quarantine is taken in first.
    ///
    /// # Errors
    ///
    /// [`DeadLetterError::Log`], [`DeadLetterError::Quarantine`]; call it again.
    pub async fn replay(
        &self,
        after: Option<LetterPlace>,
        limit: u64,
    ) -> Result<Replayed, DeadLetterError> {
        if after.is_none() {
            self.take_in_all().await?;
        }
        self.log.replay_dead_letters(after, limit).await
    }

    /// Hands in one letter again, as [`SignedLog::replay_dead_letter`].
    ///
    /// # Errors
    ///
    /// [`DeadLetterError::NotFound`], [`DeadLetterError::Log`], [`DeadLetterError::Quarantine`].
    pub async fn replay_one(&self, id: RecordId) -> Result<Replayed, DeadLetterError> {
        self.take_in_one(id).await?;
        self.log.replay_dead_letter(id).await
    }

    /// Gives up one letter, as [`SignedLog::discard_dead_letter`]: `by` says who, `reason` why.
    ///
    /// # Errors
    ///
    /// [`DeadLetterError`]; the letter is as it was.
    pub async fn discard(
        &self,
        id: RecordId,
        by: &str,
        reason: &str,
    ) -> Result<Discarded, DeadLetterError> {
        self.take_in_one(id).await?;
        self.log.discard_dead_letter(id, by, reason).await
    }

    /// Hands in everything once, in bounded batches, so that what an older limit or a passed fault
    /// refused enters the log. The caller runs it after opening, beside everything else.
    ///
    /// A log that cannot be written now is waited for, until `shutdown`; what is refused again is
    /// looked at no second time.
    pub async fn replay_at_start(self, shutdown: CancellationToken) -> AtStart {
        let (mut done, mut wait, mut after) = (AtStart::default(), FIRST_WAIT, None);
        if let Err(error) = self.take_in_all().await {
            // Its letters stay where they are, for the next start or a command.
            error!(error = &error as &dyn Error, "cannot take in the quarantine");
        }
        while !shutdown.is_cancelled() {
            match self.log.replay_dead_letters(after, BATCH).await {
                Ok(Replayed { next: None, .. }) => break,
                Ok(replayed) => {
                    done.appended += count(replayed.appended.len());
                    done.still_dead += count(replayed.still_dead.len());
                    (after, wait) = (replayed.next, FIRST_WAIT);
                }
                Err(DeadLetterError::Log(error @ ReadLogError::Unavailable(_))) => {
                    warn!(error = &error as &dyn Error, "cannot replay the dead letters yet");
                    let clock = self.log.clock();
                    tokio::select! {
                        () = shutdown.cancelled() => (),
                        () = clock.sleep_until(clock.now() + wait) => (),
                    }
                    wait = (wait * 2).min(LONGEST_WAIT);
                }
                Err(error) => {
                    error!(error = &error as &dyn Error, "cannot replay the dead letters");
                    break;
                }
            }
        }
        match done {
            AtStart { appended: 0, still_dead: 0 } => (),
            AtStart { appended, still_dead: 0 } => info!(appended, "dead letters replayed"),
            AtStart { appended, still_dead } => {
                warn!(appended, still_dead, "dead letters remain: see `gov audit dlq list`");
            }
        }
        done
    }

    async fn take_in_all(&self) -> Result<(), DeadLetterError> {
        let dir = self.quarantine.clone();
        for aside in blocking(move || quarantine::entries(&dir)).await? {
            self.take_in(aside).await?;
        }
        Ok(())
    }

    async fn take_in_one(&self, id: RecordId) -> Result<(), DeadLetterError> {
        let dir = self.quarantine.clone();
        match blocking(move || quarantine::find(&dir, id)).await? {
            Some(aside) => self.take_in(aside).await,
            None => Ok(()),
        }
    }

    /// Moves one record from its file into the table. Ended anywhere, it can be done again.
    async fn take_in(&self, aside: Aside) -> Result<(), DeadLetterError> {
        let file = aside.clone();
        let read = blocking(move || quarantine::read_record(&file)).await?;
        let Some(record) = read else { return Ok(()) };
        info!(id = %record.id, "quarantined record taken into the dead letters");
        self.log.take_in(record, WHY, aside.place.dead_at).await?;
        crash::point("dlq-before-file-removed");
        blocking(move || quarantine::remove(&aside)).await
    }
}

async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, FileError> + Send + 'static,
) -> Result<T, DeadLetterError> {
    let done = tokio::task::spawn_blocking(job).await;
    let done = done.map_err(|error| ReadLogError::Unavailable(Box::new(error)))?;
    done.map_err(|(path, source)| DeadLetterError::Quarantine { path, source })
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
