//! The log's dead letters: read, handed in again, given up.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use gov_core::{AuditEventKind, Payload, RecordId, Timestamp, hex::Hex};
use gov_store::crash;
use serde_json::json;

use super::{
    APPEND_UNIQUE_RACE_MAX_RETRIES, ReadLogError, SignedLog, backend::NotAppended, batch::encode,
};
use crate::{
    dead_letter::{
        DeadLetter, DeadLetterError, Discarded, LetterPlace, MAX_DISCARD_TEXT_BYTES, Replayed,
    },
    record::{LogRecord, MAX_KIND_BYTES, TooLarge},
    sink::AppendOutcome,
};

/// What became of letters that were to leave the table together.
enum Released {
    Appended(Vec<AppendOutcome>),
    /// One of them has left it meanwhile, so nothing happened.
    Gone,
    Refused(String),
}

impl SignedLog {
    /// At most `limit` dead letters behind `after`, in order of death, with all that they hold; a
    /// page of large ones is shorter, and only an empty page is the end.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn dead_letters(
        &self,
        after: Option<LetterPlace>,
        limit: u64,
    ) -> Result<Vec<DeadLetter>, ReadLogError> {
        self.inner.backend.dead_letters_after(after, limit).await
    }

    /// The dead letter of this record; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn dead_letter(&self, id: RecordId) -> Result<Option<DeadLetter>, ReadLogError> {
        self.inner.backend.dead_letter(id).await
    }

    /// How many records could not enter the log and lie in the dead-letter table.
    ///
    /// # Errors
    ///
    /// [`ReadLogError`]; reading can be tried again.
    pub async fn dlq_size(&self) -> Result<u64, ReadLogError> {
        let lying = self.inner.backend.dead_letters().await?;
        self.inner.letters.found(lying);
        Ok(lying)
    }

    /// Hands in again at most `limit` dead letters behind `after`, in order of death.
    ///
    /// A letter leaves the table in the transaction in which its record enters the log, under the
    /// same checks as every append; what the log refuses again stays, with the reason of now.
    /// [`Replayed::next`] is where the next call goes on: each letter is looked at once, however
    /// many stay.
    ///
    /// # Errors
    ///
    /// [`DeadLetterError::Log`]; what is not in the log is in the table: call it again.
    pub async fn replay_dead_letters(
        &self,
        after: Option<LetterPlace>,
        limit: u64,
    ) -> Result<Replayed, DeadLetterError> {
        let letters = self.dead_letters(after, limit).await?;
        self.replay(letters).await
    }

    /// Hands in one dead letter again. One that is in the log already is told with its place there.
    ///
    /// # Errors
    ///
    /// [`DeadLetterError::NotFound`], [`DeadLetterError::Log`].
    pub async fn replay_dead_letter(&self, id: RecordId) -> Result<Replayed, DeadLetterError> {
        if let Some(letter) = self.dead_letter(id).await? {
            return self.replay(vec![letter]).await;
        }
        match self.find(id).await? {
            Some((_, seq)) => Ok(Replayed { appended: vec![(id, seq)], ..Replayed::default() }),
            None => Err(DeadLetterError::NotFound { id }),
        }
    }

    /// Gives up a dead letter. In one transaction the log takes a record of kind
    /// `audit.dead_letter_discarded` and the letter leaves the table; called again, it answers with
    /// that same record.
    ///
    /// The record's payload says which record was given up (`id`, `kind`), who gave it up (`by`) and
    /// for what `reason`, `why` it was dead and since when, and the
    /// [digest](DeadLetter::content_digest) of all it held.
    ///
    /// # Errors
    ///
    /// [`DeadLetterError`]; the letter is as it was.
    pub async fn discard_dead_letter(
        &self,
        id: RecordId,
        by: &str,
        reason: &str,
    ) -> Result<Discarded, DeadLetterError> {
        check_texts(by, reason)?;
        let record = DeadLetter::discarded_as(id);
        while let Some(letter) = self.dead_letter(id).await? {
            let says = says_so(&letter, by, reason, self.inner.clock.now())
                .and_then(|record| self.check(&record).map(|()| record))
                .map_err(|why| DeadLetterError::Refused { why })?;
            match self.release(Arc::new([id]), Arc::new([says])).await? {
                Released::Refused(why) => return Err(DeadLetterError::Refused { why }),
                Released::Gone => (),
                Released::Appended(_) => {
                    tracing::warn!(%id, by, reason, %record, "dead letter discarded");
                    self.inner.letters.discarded.increment(1);
                    self.recount().await;
                }
            }
        }
        if let Some((_, seq)) = self.find(record).await? {
            return Ok(Discarded { record, seq });
        }
        Err(match self.find(id).await? {
            Some((epoch, seq)) => DeadLetterError::InTheLog { id, epoch, seq },
            None => DeadLetterError::NotFound { id },
        })
    }

    /// Keeps in the table what lay elsewhere, unless the log holds it.
    pub(crate) async fn take_in(
        &self,
        record: LogRecord,
        why: &str,
        dead_at: Timestamp,
    ) -> Result<(), ReadLogError> {
        self.inner.backend.keep_dead(&Arc::from([record]), why, dead_at).await?;
        self.recount().await;
        Ok(())
    }

    /// Counts what lies in the table, for health and gauge; what cannot be counted now is counted
    /// the next time.
    pub(super) async fn recount(&self) {
        if let Err(error) = self.dlq_size().await {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot count dead letters");
        }
    }

    async fn replay(&self, letters: Vec<DeadLetter>) -> Result<Replayed, DeadLetterError> {
        let mut replayed =
            Replayed { next: letters.last().map(DeadLetter::place), ..Replayed::default() };
        let done = self.replay_into(&mut replayed, letters).await;
        let appended = u64::try_from(replayed.appended.len()).unwrap_or(u64::MAX);
        self.inner.letters.replayed.increment(appended);
        self.recount().await;
        done.map(|()| replayed)
    }

    async fn replay_into(
        &self,
        replayed: &mut Replayed,
        letters: Vec<DeadLetter>,
    ) -> Result<(), DeadLetterError> {
        let mut good = Vec::with_capacity(letters.len());
        for letter in letters {
            let record = letter.record().map_err(|error| error.to_string());
            match record.and_then(|record| self.check(&record).map(|()| record)) {
                Ok(record) => good.push(record),
                Err(why) => self.stays(replayed, letter.id, why).await?,
            }
        }
        // A part that is refused is halved, so that one record's fault costs only that record.
        let mut parts = vec![good];
        while let Some(mut part) = parts.pop() {
            let Some(first) = part.first().map(|it| it.id) else { continue };
            let ids: Arc<[_]> = part.iter().map(|it| it.id).collect();
            match self.release(Arc::clone(&ids), part.clone().into()).await? {
                Released::Appended(outcomes) => {
                    for (id, outcome) in ids.iter().zip(outcomes) {
                        if let AppendOutcome::Appended { seq } = outcome {
                            tracing::info!(%id, seq, "dead letter appended");
                            replayed.appended.push((*id, seq));
                        }
                    }
                }
                Released::Gone => parts.push(self.still_there(part).await?),
                Released::Refused(why) if part.len() == 1 => {
                    self.stays(replayed, first, why).await?;
                }
                Released::Refused(_) => {
                    let right = part.split_off(part.len() / 2);
                    parts.extend([right, part]);
                }
            }
        }
        Ok(())
    }

    /// Whether an append would find fault with the record itself.
    fn check(&self, record: &LogRecord) -> Result<(), String> {
        // The place in the log is no part of what can be wrong. A panic must not keep the letters
        // behind this one from their turn.
        let commit = record.payload.commit();
        let encode = || encode(record, commit, 1, self.key().name()).map(|_| ());
        let panicked = |_| Err("the log panics on this record".to_owned());
        catch_unwind(AssertUnwindSafe(encode)).unwrap_or_else(panicked)
    }

    async fn stays(
        &self,
        replayed: &mut Replayed,
        id: RecordId,
        why: String,
    ) -> Result<(), DeadLetterError> {
        tracing::warn!(%id, why, "a dead letter is refused again");
        self.inner.backend.set_why(id, &why).await?;
        replayed.still_dead.push((id, why));
        Ok(())
    }

    async fn still_there(&self, part: Vec<LogRecord>) -> Result<Vec<LogRecord>, DeadLetterError> {
        let mut left = Vec::with_capacity(part.len());
        for record in part {
            if self.dead_letter(record.id).await?.is_some() {
                left.push(record);
            }
        }
        Ok(left)
    }

    /// In one transaction: `batch` enters the log, `ids` leave the dead letters.
    async fn release(
        &self,
        ids: Arc<[RecordId]>,
        batch: Arc<[LogRecord]>,
    ) -> Result<Released, DeadLetterError> {
        let (inner, mut races) = (&self.inner, 0);
        loop {
            let now = inner.clock.now();
            match inner.backend.release(&inner.writing, &ids, &batch, now).await {
                Ok(None) => return Ok(Released::Gone),
                Ok(Some((outcomes, head))) => {
                    crash::point("dlq-after-commit");
                    self.settled(head);
                    return Ok(Released::Appended(outcomes));
                }
                Err(NotAppended::Race(_)) if races < APPEND_UNIQUE_RACE_MAX_RETRIES => races += 1,
                Err(NotAppended::Race(why) | NotAppended::GiveUp(why)) => {
                    return Ok(Released::Refused(why));
                }
                Err(NotAppended::Wait(why)) => {
                    return Err(ReadLogError::Unavailable(why.into()).into());
                }
            }
        }
    }
}

fn check_texts(by: &str, reason: &str) -> Result<(), DeadLetterError> {
    let size = |bytes| u64::try_from(bytes).unwrap_or(u64::MAX);
    for (what, text) in [("by", by), ("reason", reason)] {
        if text.len() > MAX_DISCARD_TEXT_BYTES {
            let (limit, got) = (size(MAX_DISCARD_TEXT_BYTES), size(text.len()));
            return Err(TooLarge { what, limit, got }.into());
        }
    }
    if reason.trim().is_empty() { Err(DeadLetterError::NoReason) } else { Ok(()) }
}

/// The record of a discarding.
fn says_so(
    letter: &DeadLetter,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<LogRecord, String> {
    // What is too long to be logged may be the very reason why the letter is dead.
    let beginning =
        |text: &str| text.get(..text.floor_char_boundary(MAX_KIND_BYTES)).map(str::to_owned);
    let digest = letter.content_digest().map_err(|error| error.to_string())?;
    let payload = Payload::seal(&json!({
        "by": by,
        "dead_at": letter.dead_at,
        "digest": Hex(&digest).to_string(),
        "id": letter.id,
        "kind": beginning(&letter.kind),
        "reason": reason,
        "why": beginning(&letter.why),
    }))
    .map_err(|error| error.to_string())?;
    Ok(LogRecord {
        id: DeadLetter::discarded_as(letter.id),
        at: now,
        kind: AuditEventKind::AuditDeadLetterDiscarded,
        agent_id: None,
        session_id: None,
        policy_version: None,
        verdict: None,
        payload,
    })
}
