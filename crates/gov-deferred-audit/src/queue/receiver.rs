//! The drainer's end of the queue: takes batches from the line and settles them.

use std::{io, sync::Arc};

use gov_store::crash;

use crate::{
    queue::{
        SubmitError,
        shared::{Entry, Held, Run, Shared, Ticket},
    },
    record::LogRecord,
    sink::AppendOutcome,
    spool::Position,
};

/// The one end that takes records out of the queue. It outlives every panic of a sink.
#[derive(Debug)]
pub struct DeferredAuditReceiver {
    shared: Arc<Shared>,
}

/// Records in the order of the line, with what settling each needs.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    pub(crate) records: Vec<LogRecord>,
    pub(crate) tickets: Vec<Ticket>,
}

/// What the front of the line gave.
enum Front {
    Batch(Batch),
    /// The next records are in the spool only.
    OnDisk(Run),
    Empty,
    Closed,
}

impl DeferredAuditReceiver {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// How many records wait.
    pub(crate) fn waiting(&self) -> usize {
        let line = self.shared.line.lock();
        usize::try_from(line.pending()).unwrap_or(usize::MAX)
    }

    /// What queued up, at most a batch; `None` when the queue is closed and empty.
    ///
    /// Cancel safe: what was taken is only gone from the line once it is returned.
    ///
    /// # Errors
    ///
    /// An I/O error of the spool, in which the next records are: try again.
    pub(crate) async fn next_batch(&mut self) -> io::Result<Option<Batch>> {
        loop {
            match self.take_front() {
                Front::Batch(batch) => return Ok(Some(batch)),
                Front::Closed => return Ok(None),
                Front::Empty => self.shared.wake_drainer.notified().await,
                Front::OnDisk(run) => {
                    let shared = self.shared.clone();
                    let read = tokio::task::spawn_blocking(move || shared.read_run(&run)).await;
                    read.map_err(io::Error::other)??;
                }
            }
        }
    }

    fn take_front(&mut self) -> Front {
        let mut line = self.shared.line.lock();
        let (mut batch, mut bytes) = (Batch::default(), 0);
        while batch.records.len() < self.shared.config.max_batch_records
            && bytes < self.shared.config.max_batch_bytes
        {
            match line.entries.pop_front() {
                Some(Entry::Held(Held { record, ticket })) => {
                    bytes += ticket.bytes;
                    line.usage(&ticket).remove(ticket.bytes);
                    line.in_flight += 1;
                    batch.records.push(record);
                    batch.tickets.push(ticket);
                }
                Some(Entry::OnDisk(run)) => {
                    line.entries.push_front(Entry::OnDisk(run.clone()));
                    if batch.records.is_empty() {
                        return Front::OnDisk(run);
                    }
                    break;
                }
                None if batch.records.is_empty() && !line.open => return Front::Closed,
                None if batch.records.is_empty() => return Front::Empty,
                None => break,
            }
        }
        Front::Batch(batch)
    }

    /// Puts what was not settled back to the front of the line, in its order.
    pub(crate) fn put_back(&mut self, records: &[LogRecord], tickets: Vec<Ticket>) {
        let mut line = self.shared.line.lock();
        for (record, ticket) in records.iter().zip(tickets).rev() {
            line.in_flight = line.in_flight.saturating_sub(1);
            let bytes = ticket.bytes;
            line.usage(&ticket).add(bytes);
            line.entries.push_front(Entry::Held(Held { record: record.clone(), ticket }));
        }
    }

    /// Acknowledges: counts, lets the spool go, and tells who waits.
    pub(crate) fn settle(&mut self, records: &[LogRecord], settled: Vec<(Ticket, AppendOutcome)>) {
        crash::point("queue-before-settle");
        let mut line = self.shared.line.lock();
        let mut acked: Option<Position> = None;
        let (mut appended, mut landed) = (0, 0);
        for (ticket, outcome) in &settled {
            acked = acked.max(ticket.frame_end);
            match outcome {
                AppendOutcome::Appended { .. } => appended += 1,
                AppendOutcome::DlqLanded => landed += 1,
            }
        }
        line.in_flight = line.in_flight.saturating_sub(appended + landed);
        self.shared.metrics.add_appended(appended);
        self.shared.metrics.add_dlq_landed(landed);
        self.shared.metrics.add_append_failures(landed);
        if !line.gaps.is_empty() {
            line.gaps.retain(|(id, _)| !records.iter().any(|record| record.id == *id));
        }
        let wake_flusher = acked.is_some_and(|to| line.spool.ack(to));
        self.shared.publish(&line);
        drop(line);
        if wake_flusher {
            self.shared.wake_flusher.notify_one();
        }
        for (record, (ticket, outcome)) in records.iter().zip(settled) {
            let Some(waiter) = ticket.waiter else { continue };
            let verdict = match outcome {
                AppendOutcome::Appended { seq } => Ok(seq),
                AppendOutcome::DlqLanded => Err(SubmitError::DeadLettered { id: record.id }),
            };
            // Who dropped the future does not want to know.
            let _ = waiter.send(verdict);
        }
    }
}
