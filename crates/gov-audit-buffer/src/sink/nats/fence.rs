//! Each event once and in order, whatever the network does: the protocol, apart from the server.
//!
//! A batch is published *behind* a message that the fence knows to be the last of its subject. If
//! another is last by then, the stream refuses; the fence reads which, and goes on behind that one.
//! A publish that is repeated, late or lost can so neither double nor overtake nor leave out an
//! event, however long it took: nothing rests on the stream's memory of message ids.
//!
//! In an atomic batch only the first message needs that guard. Where there are no such batches,
//! each message of a window has its own.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_core::Clock;
use parking_lot::Mutex;

use super::{
    pass::{Pass, Tail},
    stream::{JetStream, StreamError},
    window::Window,
};
use crate::{AuditSink, BufferId, Emitted, LastKept, Outgoing, SinkError};

/// So often in a row a batch meets another last message before it is given back.
const MAX_CONFLICTS: u32 = 16;
/// Of so many buffers the fence remembers where they are; of more, it reads it again.
const MAX_KNOWN: usize = 64;

/// How a fence works.
#[derive(Clone, Debug)]
pub struct FenceConfig {
    /// What subjects begin with, up to the dot before the buffer's id: `gov.audit.<node>`.
    pub subject: String,
    /// So long one call to the stream may take.
    pub timeout: Duration,
    /// So long the stream may yet lose what it acknowledged.
    pub resend_horizon: Duration,
}

/// Publishes the events of buffers to a stream: a sink over anything that is a [`JetStream`].
#[derive(Debug)]
pub struct Fence<J> {
    stream: J,
    clock: Arc<dyn Clock>,
    config: FenceConfig,
    known: Mutex<HashMap<BufferId, Known>>,
    window: Window,
}

/// What is known about one buffer's subject.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    /// Up to here, the caller was told, the stream has everything.
    told: u64,
    /// `None` while a publish is under way, and when its outcome is unknown.
    tail: Option<Tail>,
}

impl<J: JetStream> Fence<J> {
    /// A fence before `stream` that knows nothing yet.
    pub fn new(stream: J, config: FenceConfig, clock: Arc<dyn Clock>) -> Self {
        Self { stream, clock, config, known: Mutex::default(), window: Window::default() }
    }

    /// The stream behind it.
    pub fn stream(&self) -> &J {
        &self.stream
    }

    /// Where events of `buffer` are published.
    #[must_use]
    pub fn subject(&self, buffer: BufferId) -> String {
        format!("{}.{buffer}", self.config.subject)
    }

    /// Publishes what the stream has not got of `run`, which is all of `buffer`.
    async fn emit_run(&self, buffer: BufferId, run: &[Outgoing]) -> Emitted {
        let known = self.take(buffer);
        let mut pass = Pass::new(buffer, run, known.told, known.tail);
        let stopped = self.push(&self.subject(buffer), &mut pass).await.err();
        if matches!(stopped, Some(SinkError::Retry { .. } | SinkError::Closed)) {
            pass.tail = None;
        }
        let told = known.told.max(pass.last_accepted());
        self.known.lock().insert(buffer, Known { told, tail: pass.tail });
        Emitted { accepted: pass.accepted, stopped }
    }

    async fn push(&self, subject: &str, pass: &mut Pass<'_>) -> Result<(), SinkError> {
        let (mut conflicts, mut until) = (0, pass.run.len());
        loop {
            let tail = match pass.tail {
                Some(tail) => tail,
                None => self.read(subject).await?,
            };
            pass.stand_at(tail).map_err(SinkError::retry)?;
            if pass.accepted >= until {
                until = pass.run.len();
            }
            let rest = pass.run.get(pass.accepted..until).unwrap_or_default();
            if rest.is_empty() {
                return Ok(());
            }
            let before = pass.accepted;
            let (tail, stopped) = self.publish(subject, tail, rest).await;
            pass.stand_at(tail).map_err(SinkError::retry)?;
            if pass.accepted > before {
                conflicts = 0;
            }
            match stopped {
                None => (),
                Some(StreamError::Conflict) if conflicts < MAX_CONFLICTS => {
                    conflicts += 1;
                    pass.tail = None;
                }
                Some(StreamError::Refused { index: 0, reason }) => {
                    return Err(SinkError::Poison { reason });
                }
                // What stands before the refused one is published first, and that one then alone.
                Some(StreamError::Refused { index, .. }) => until = pass.accepted + index,
                Some(error) => return Err(self.give_up(error)),
            }
        }
    }

    /// Publishes some of `rest` behind `tail`, and gives the new tail with what stands in the way.
    async fn publish(
        &self,
        subject: &str,
        tail: Tail,
        rest: &[Outgoing],
    ) -> (Tail, Option<StreamError>) {
        let offers = match self.within(self.stream.offers()).await {
            Ok(offers) => offers,
            Err(error) => return (tail, Some(error)),
        };
        if offers.atomic_batches && rest.len() > 1 {
            let batch = self.stream.publish_atomic(subject, tail.sequence, rest);
            match self.within(batch).await {
                Ok(sequence) => return (tail.moved(sequence, rest.last()), None),
                Err(StreamError::NoBatches) => (),
                Err(error) => return (tail, Some(error)),
            }
        }
        let (window, under_id) = self.window.next(rest);
        let guarded = tail.guard(window, under_id);
        let answers = async { Ok(self.stream.publish_each(subject, &guarded).await) };
        match self.within(answers).await {
            Ok(answers) => self.window.follow(tail, window, answers),
            Err(error) => (tail, Some(error)),
        }
    }

    async fn read(&self, subject: &str) -> Result<Tail, SinkError> {
        let last = self.within(self.stream.last_of(subject)).await;
        Ok(last.map_err(|error| self.give_up(error))?.map_or_else(Tail::default, Tail::from))
    }

    /// One call to the stream, given up when it takes too long.
    async fn within<T>(
        &self,
        call: impl Future<Output = Result<T, StreamError>>,
    ) -> Result<T, StreamError> {
        let timeout = self.config.timeout;
        tokio::select! {
            biased;
            answer = call => answer,
            () = self.clock.sleep_until(self.clock.now() + timeout) => {
                Err(StreamError::Unknown(format!("no answer within {timeout:?}").into()))
            }
        }
    }

    fn give_up(&self, error: StreamError) -> SinkError {
        match error {
            StreamError::Closed => SinkError::Closed,
            StreamError::Unknown(_) => {
                self.stream.abandon();
                SinkError::retry(error)
            }
            _ => SinkError::retry(error),
        }
    }

    /// What is known of `buffer`; its tail is taken out, for whoever is cancelled leaves it unknown.
    fn take(&self, buffer: BufferId) -> Known {
        let mut all = self.known.lock();
        if all.len() >= MAX_KNOWN && !all.contains_key(&buffer) {
            all.clear();
        }
        let known = all.entry(buffer).or_default();
        Known { told: known.told, tail: known.tail.take() }
    }
}

#[async_trait]
impl<J: JetStream> AuditSink for Fence<J> {
    fn name(&self) -> &'static str {
        "nats"
    }

    async fn emit_batch(&self, batch: &[Outgoing]) -> Emitted {
        let mut emitted = Emitted::default();
        for run in batch.chunk_by(|one, next| one.buffer_id == next.buffer_id) {
            let Some(first) = run.first() else { continue };
            let of_run = self.emit_run(first.buffer_id, run).await;
            emitted.accepted += of_run.accepted;
            emitted.stopped = of_run.stopped;
            if emitted.stopped.is_some() {
                break;
            }
        }
        emitted
    }

    /// Reads the last message of the buffer's subject. One that is not of this buffer is given as
    /// an event beyond all others: nothing can be put behind it under the buffer's name.
    async fn last_kept(&self, buffer: BufferId) -> Result<LastKept, SinkError> {
        self.take(buffer);
        let tail = self.read(&self.subject(buffer)).await?;
        self.known.lock().insert(buffer, Known { told: tail.place(), tail: Some(tail) });
        Ok(match tail.mark {
            None if tail.sequence == 0 => LastKept::Nothing,
            Some(mark) if mark.buffer_id == buffer => {
                LastKept::At { seq: mark.buffer_seq, event_id: Some(mark.event_id) }
            }
            _ => LastKept::At { seq: u64::MAX, event_id: None },
        })
    }

    fn resend_horizon(&self) -> Duration {
        self.config.resend_horizon
    }
}
