//! The way in: one record, checked, written into the spool if it shall be, and lined up.

use gov_core::{AuditEventKind, Payload, RecordId};
use gov_store::crash;
use serde::Serialize;
use tokio::sync::oneshot;

use crate::{
    queue::{
        Durability, SubmitError,
        shared::{Held, Line, Shared, Ticket, Verdict},
    },
    record::LogRecord,
    spool::{AppendError, body, frame, recover::Gap},
};

/// What the `audit.gap` record of a damaged spool says.
#[derive(Serialize)]
struct GapPayload<'a> {
    what: &'static str,
    segment: u64,
    offset: u64,
    bytes: u64,
    quarantine: Option<&'a str>,
}

impl Shared {
    pub(crate) fn hand_over(
        &self,
        record: LogRecord,
        durability: Durability,
        waiter: Option<oneshot::Sender<Verdict>>,
    ) -> Result<RecordId, SubmitError> {
        let id = record.id;
        let size = record.check_size();
        // Encoded before the lock is taken; what is too large is not even encoded.
        let frame =
            (durability == Durability::Spooled && size.is_ok()).then(|| self.encode(&record));
        let mut line = self.line.lock();
        let taken = match size {
            Ok(()) if line.open => self.take(&mut line, record, frame, waiter),
            Ok(()) => Err(SubmitError::Closed),
            Err(too_large) => Err(too_large.into()),
        };
        self.count_submit(taken.is_ok());
        drop(line);
        let wake_flusher = taken?;
        self.wake(wake_flusher);
        Ok(id)
    }

    /// Lines up the record that says which frames are damaged, also while the queue closes.
    pub(crate) fn report(&self, gap: &Gap) -> Result<(), SubmitError> {
        let record = LogRecord {
            id: RecordId::derived("deferred-audit/spool", &gap.key),
            at: self.clock.now(),
            kind: AuditEventKind::AuditGap,
            agent_id: None,
            session_id: None,
            policy_version: None,
            verdict: None,
            payload: Payload::seal(&GapPayload {
                what: "spool-frames-damaged",
                segment: gap.segment,
                offset: gap.offset,
                bytes: gap.bytes,
                quarantine: gap.file.file_name().and_then(|it| it.to_str()),
            })?,
        };
        let (id, frame) = (record.id, self.encode(&record));
        let mut line = self.line.lock();
        self.metrics.add_quarantined(1);
        line.gaps.push((id, gap.file.clone()));
        let taken = self.take(&mut line, record, Some(frame), None);
        self.count_submit(taken.is_ok());
        drop(line);
        self.wake(taken?);
        Ok(())
    }

    /// Counts a submit. Called under the lock, so that the law holds whenever it is read there.
    pub(crate) fn count_submit(&self, taken: bool) {
        self.metrics.add_submitted(1);
        if !taken {
            self.metrics.add_send_failures(1);
        }
    }

    /// Writes the frame, if there is one, and lines the record up. True: wake the flusher.
    fn take(
        &self,
        line: &mut Line,
        record: LogRecord,
        frame: Option<Vec<u8>>,
        waiter: Option<oneshot::Sender<Verdict>>,
    ) -> Result<bool, SubmitError> {
        let bytes = held_bytes(&record);
        let Some(frame) = frame else {
            self.check_memory(line, bytes)?;
            line.push_held(Held { record, ticket: Ticket { bytes, frame_end: None, waiter } });
            return Ok(false);
        };
        let (end, wake) = match line.spool.append(&frame, self.clock.now()) {
            Ok(appended) => appended,
            Err(AppendError::Full { limit }) => {
                return Err(SubmitError::Full { what: "bytes in the spool", limit });
            }
            Err(AppendError::Io(error)) => {
                self.wake_flusher.notify_one();
                return Err(SubmitError::Spool(error));
            }
        };
        crash::point("queue-after-spool-write");
        if line.cache.records < self.config.max_cached_records
            && line.cache.bytes.saturating_add(bytes) <= self.config.max_cached_bytes
        {
            let ticket = Ticket { bytes, frame_end: Some(end), waiter };
            line.push_held(Held { record, ticket });
        } else {
            let frame_bytes = u64::try_from(frame.len()).unwrap_or(u64::MAX);
            line.push_on_disk(end.segment, end.offset.saturating_sub(frame_bytes)..end.offset);
        }
        Ok(wake)
    }

    fn check_memory(&self, line: &Line, bytes: u64) -> Result<(), SubmitError> {
        let (records, most) = (self.config.max_memory_records, self.config.max_memory_bytes);
        if line.memory.records >= records {
            return Err(SubmitError::Full { what: "records in memory", limit: records });
        }
        if line.memory.bytes.saturating_add(bytes) > most {
            return Err(SubmitError::Full { what: "bytes in memory", limit: most });
        }
        Ok(())
    }

    fn encode(&self, record: &LogRecord) -> Vec<u8> {
        frame::encode(self.mark, &body::encode(record))
    }

    fn wake(&self, flusher: bool) {
        self.wake_drainer.notify_one();
        if flusher {
            self.wake_flusher.notify_one();
        }
    }
}

/// About what a record takes in memory.
pub(crate) fn held_bytes(record: &LogRecord) -> u64 {
    u64::try_from(record.payload.as_bytes().len()).unwrap_or(u64::MAX).saturating_add(512)
}
