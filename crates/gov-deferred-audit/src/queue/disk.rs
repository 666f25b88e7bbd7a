//! Between memory and spool: reading back what is only on disk, and saving what is only in memory.

use std::{io, ops::Range};

use tokio::sync::oneshot;
use tracing::error;

use crate::{
    queue::{
        SubmitError,
        intake::held_bytes,
        shared::{Entry, Held, Line, Run, Shared, Ticket, Verdict},
    },
    record::LogRecord,
    spool::{AppendError, Position, body, frame, recover, segment::Segment},
};

/// What [`Shared::spill`] made of the records that were in memory only.
#[derive(Debug, Default)]
struct Spilled {
    waiters: Vec<(oneshot::Sender<Verdict>, SubmitError)>,
    lost: u64,
}

impl Shared {
    /// Reads the beginning of the run that stands first in the line into memory. Blocks.
    pub(crate) fn read_run(&self, run: &Run) -> io::Result<()> {
        let segment = self.line.lock().spool.segment(run.segment);
        let Some(segment) = segment else {
            return Err(io::Error::other(format!("segment {} is gone", run.segment)));
        };
        let found = segment.read_back(run.bytes.clone(), self.config.max_batch_records)?;
        if let Some(damaged) = found.damaged {
            return self.skip_damaged(run, &segment, damaged);
        }
        let mut line = self.line.lock();
        let Some((run, rest)) = line.take_run(run).zip(found.records.last().map(|(_, end)| *end))
        else {
            return Ok(());
        };
        let frames = u64::try_from(found.records.len()).unwrap_or(u64::MAX);
        self.shorten(&mut line, run, rest, frames);
        for (record, offset) in found.records.into_iter().rev() {
            let frame_end = Some(Position { segment: segment.number, offset });
            let ticket = Ticket { bytes: held_bytes(&record), frame_end, waiter: None };
            line.cache.add(ticket.bytes);
            line.entries.push_front(Entry::Held(Held { record, ticket }));
        }
        Ok(())
    }

    fn skip_damaged(&self, run: &Run, segment: &Segment, damaged: Range<u64>) -> io::Result<()> {
        let dir = &self.config.quarantine;
        let gap = recover::quarantine(dir, segment, segment.mark, damaged.clone())?;
        self.report(&gap).map_err(io::Error::other)?;
        let mut line = self.line.lock();
        if let Some(run) = line.take_run(run) {
            self.shorten(&mut line, run, damaged.end, 0);
        }
        Ok(())
    }

    /// Puts a run back without its beginning: `frames` whole frames, or a damaged range.
    fn shorten(&self, line: &mut Line, mut run: Run, start: u64, frames: u64) {
        run.bytes.start = start;
        run.frames = run.frames.saturating_sub(frames);
        line.on_disk = line.on_disk.saturating_sub(frames);
        if !run.bytes.is_empty() {
            line.entries.push_front(Entry::OnDisk(run));
            return;
        }
        // How many frames a damaged range held shows at the end of its run: they are the rest.
        line.on_disk = line.on_disk.saturating_sub(run.frames);
        self.metrics.add_dlq_landed(run.frames);
    }

    /// Writes what is in memory only into the spool, fsyncs it and tells who waits for it. Blocks.
    ///
    /// How many could not be kept: they die with this process.
    pub(crate) fn spill(&self) -> u64 {
        let mut spilled = self.write_held();
        let synced = self.sync_all();
        for (waiter, verdict) in spilled.waiters.drain(..) {
            let verdict = match &synced {
                Err(error) => SubmitError::Spool(io::Error::new(error.kind(), error.to_string())),
                Ok(()) => verdict,
            };
            // Who dropped the future does not want to know.
            let _ = waiter.send(Err(verdict));
        }
        if spilled.lost > 0 {
            error!(records = spilled.lost, "could not be saved into the spool");
        }
        spilled.lost
    }

    fn write_held(&self) -> Spilled {
        let mut line = self.line.lock();
        let mut spilled = Spilled::default();
        // What was promised to be kept must not fail on a bound that protects running ones.
        line.spool.lift_bound();
        let waiting = std::mem::take(&mut line.entries);
        for entry in waiting {
            let entry = match entry {
                Entry::Held(held) if held.ticket.frame_end.is_none() => {
                    Entry::Held(self.write_one(&mut line, held, &mut spilled))
                }
                other => other,
            };
            line.entries.push_back(entry);
        }
        self.publish(&line);
        spilled
    }

    fn write_one(&self, line: &mut Line, held: Held, spilled: &mut Spilled) -> Held {
        let Held { record, mut ticket } = held;
        let verdict = match self.append_frame(line, &record) {
            Ok(end) => {
                line.memory.remove(ticket.bytes);
                line.cache.add(ticket.bytes);
                ticket.frame_end = Some(end);
                SubmitError::Deferred { id: record.id }
            }
            Err(error) => {
                spilled.lost += 1;
                error
            }
        };
        spilled.waiters.extend(ticket.waiter.take().map(|waiter| (waiter, verdict)));
        Held { record, ticket }
    }

    fn append_frame(&self, line: &mut Line, record: &LogRecord) -> Result<Position, SubmitError> {
        let bytes = frame::encode(self.mark, &body::encode(record));
        match line.spool.append(&bytes, self.clock.now()) {
            Ok((end, _)) => Ok(end),
            Err(AppendError::Full { limit }) => {
                Err(SubmitError::Full { what: "bytes in the spool", limit })
            }
            Err(AppendError::Io(error)) => Err(SubmitError::Spool(error)),
        }
    }

    /// Fsyncs whatever is not yet. Blocks.
    pub(crate) fn sync_all(&self) -> io::Result<()> {
        loop {
            let (file, to) = {
                let line = self.line.lock();
                if !line.spool.has_unsynced() {
                    return Ok(());
                }
                line.spool.sync_target()
            };
            self.sync(&file, to)?;
        }
    }

    /// Fsyncs one segment and notes the outcome. Blocks.
    pub(crate) fn sync(&self, file: &std::fs::File, to: Position) -> io::Result<()> {
        let outcome = file.sync_data();
        let mut line = self.line.lock();
        match &outcome {
            Ok(()) => {
                line.spool.synced(to);
                self.metrics.add_syncs(1);
            }
            Err(error) => {
                error!(error = error as &dyn std::error::Error, "fsync of the spool failed");
                line.spool.sync_failed(to, error);
                self.metrics.add_sync_failures(1);
            }
        }
        outcome
    }
}

impl Line {
    /// Takes the run from the front if it is still `wanted`, which may have grown at its end.
    fn take_run(&mut self, wanted: &Run) -> Option<Run> {
        match self.entries.front() {
            Some(Entry::OnDisk(run))
                if run.segment == wanted.segment && run.bytes.start == wanted.bytes.start => {}
            _ => return None,
        }
        match self.entries.pop_front() {
            Some(Entry::OnDisk(run)) => Some(run),
            _ => None,
        }
    }
}
