//! Who is asked about dead letters: a server, or the files.

use gov_core::RecordId;
use gov_deferred_audit::{
    DeadLetterError, DeadLetters, QueueConfig,
    dead_letter::{
        LetterPlace, find_dead_letter, find_dead_letter_postgres, list_dead_letters,
        list_dead_letters_postgres,
    },
};
use gov_store::lock::DataDirLock;
use serde_json::json;

use super::super::{
    place::{Found, LogPlace},
    verify,
};
use crate::{
    cli::{Exit, Failure, target},
    client::Client,
    dead_letters::{DeadLetterRow, DeadLetterView, DiscardView, ReplayView},
    server::StartError,
};

/// Who gave a letter up, as the record names it.
const ACTOR: &str = "gov audit dlq";

/// How many letters are asked for at once.
const PAGE: u64 = 200;

/// A server or the files.
pub(super) enum Desk {
    Server(Client),
    Files(Box<Found>),
}

impl Desk {
    /// The server that the environment names, unless flags name files.
    pub(super) fn of(place: &LogPlace) -> Result<Self, Failure> {
        match place.server()? {
            Some(server) => Ok(Self::Server(server)),
            None => Ok(Self::Files(Box::new(place.find()?))),
        }
    }

    /// At most `limit` letters, in order of death.
    pub(super) fn list(&self, limit: u64) -> Result<Vec<DeadLetterRow>, Failure> {
        match self {
            Self::Server(server) => list_of(server, limit),
            Self::Files(found) => list_in(found, limit),
        }
    }

    /// One letter, whole.
    pub(super) fn show(&self, id: RecordId) -> Result<DeadLetterView, Failure> {
        let found = match self {
            Self::Server(server) => {
                return target::ask(server.get(&format!("/v1/audit/dlq/{id}")));
            }
            Self::Files(found) => found,
        };
        let quarantine = QueueConfig::in_dir(found.dir.path()).quarantine;
        let shared =
            async |pool: &sqlx::PgPool| find_dead_letter_postgres(pool, &quarantine, id).await;
        let letter = match found.on_shared(shared)? {
            Some(letter) => letter,
            None => find_dead_letter(found.log_at_rest()?, &quarantine, id),
        };
        let letter = letter.map_err(verify::failure)?;
        let none = || Failure::new(Exit::Usage, format!("`{id}` is no dead letter"));
        Ok(DeadLetterView::from(&letter.ok_or_else(none)?))
    }

    /// Hands in `ids`, or all that there are, and tells of each what became of it, and how many
    /// there were.
    pub(super) fn replay(
        &self,
        ids: Option<&[RecordId]>,
        mut tell: impl FnMut(ReplayView) -> Result<(), Failure>,
    ) -> Result<usize, Failure> {
        let found = match self {
            Self::Files(found) => found,
            Self::Server(server) => {
                let all = ids.is_none().then(|| list_of(server, u64::MAX)).transpose()?;
                let all = all.map(|it| it.iter().map(|row| row.id).collect::<Vec<_>>());
                let ids = all.as_deref().or(ids).unwrap_or_default();
                for id in ids {
                    let path = format!("/v1/audit/dlq/{id}/replay");
                    tell(target::ask(server.post(&path, Vec::new()))?)?;
                }
                return Ok(ids.len());
            }
        };
        found.on_log(lock(found)?, async |log| {
            let letters = letters(found, log);
            let Some(ids) = ids else { return replay_all(&letters, tell).await };
            for id in ids {
                let replayed = letters.replay_one(*id).await.map_err(failure)?;
                tell(ReplayView::of(*id, &replayed))?;
            }
            Ok(ids.len())
        })
    }

    /// Gives one up.
    pub(super) fn discard(&self, id: RecordId, reason: &str) -> Result<DiscardView, Failure> {
        match self {
            Self::Server(server) => {
                let body = json!({ "reason": reason }).to_string().into_bytes();
                target::ask(server.post(&format!("/v1/audit/dlq/{id}/discard"), body))
            }
            Self::Files(found) => found.on_log(lock(found)?, async |log| {
                let discarded = letters(found, log).discard(id, ACTOR, reason).await;
                Ok(DiscardView::of(id, discarded.map_err(failure)?))
            }),
        }
    }
}

/// A server that has it can be asked instead.
fn lock(found: &Found) -> Result<DataDirLock, Failure> {
    Ok(DataDirLock::acquire(found.dir.path()).map_err(StartError::from)?)
}

fn letters(found: &Found, log: &gov_deferred_audit::SignedLog) -> DeadLetters {
    DeadLetters::new(log.clone(), QueueConfig::in_dir(found.dir.path()).quarantine)
}

async fn replay_all(
    letters: &DeadLetters,
    mut tell: impl FnMut(ReplayView) -> Result<(), Failure>,
) -> Result<usize, Failure> {
    let (mut after, mut done) = (None, 0);
    loop {
        let replayed = letters.replay(after, PAGE).await.map_err(failure)?;
        let appended = replayed.appended.iter().map(|(id, _)| *id);
        let ids: Vec<_> = appended.chain(replayed.still_dead.iter().map(|(id, _)| *id)).collect();
        done += ids.len();
        ids.into_iter().try_for_each(|id| tell(ReplayView::of(id, &replayed)))?;
        let Some(next) = replayed.next else { return Ok(done) };
        after = Some(next);
    }
}

fn list_of(server: &Client, limit: u64) -> Result<Vec<DeadLetterRow>, Failure> {
    target::pages(server, "/v1/audit/dlq", limit, PAGE)
}

fn list_in(found: &Found, limit: u64) -> Result<Vec<DeadLetterRow>, Failure> {
    let quarantine = QueueConfig::in_dir(found.dir.path()).quarantine;
    let mut rows: Vec<DeadLetterRow> = Vec::new();
    let mut after: Option<LetterPlace> = None;
    loop {
        let left = limit.saturating_sub(rows.len() as u64).min(PAGE);
        if left == 0 {
            return Ok(rows);
        }
        let shared = async |pool: &sqlx::PgPool| {
            list_dead_letters_postgres(pool, &quarantine, after, left).await
        };
        let page = match found.on_shared(shared)? {
            Some(page) => page,
            None => list_dead_letters(found.log_at_rest()?, &quarantine, after, left),
        };
        let page = page.map_err(verify::failure)?;
        let Some(last) = page.last() else { return Ok(rows) };
        after = Some(last.place());
        rows.extend(page.iter().map(DeadLetterRow::from));
    }
}

/// As a server's answers are read: what the caller can correct is a usage error.
fn failure(error: DeadLetterError) -> Failure {
    let exit = match error {
        DeadLetterError::NotFound { .. }
        | DeadLetterError::InTheLog { .. }
        | DeadLetterError::NoReason
        | DeadLetterError::TooLarge(_) => Exit::Usage,
        DeadLetterError::Quarantine { .. } => Exit::Unreachable,
        _ => Exit::NotJudged,
    };
    Failure::of(exit, error)
}
