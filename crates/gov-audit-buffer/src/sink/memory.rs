//! A sink that keeps events in memory and fails as a test wants it to.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_core::{AuditEventKind, EventId};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::{AuditSink, Emitted, LastKept, Outgoing, SinkError};
use crate::BufferId;

/// A sink with a script. Clones are the same sink.
///
/// It keeps what it has once, as [`AuditSink`] says, and writes down what it was brought again and
/// what came out of order.
#[derive(Clone, Debug)]
pub struct MemorySink {
    script: Arc<Mutex<Script>>,
    /// Whether calls go through; one that came while it was false waits.
    moving: Arc<watch::Sender<bool>>,
}

#[derive(Debug, Default)]
struct Script {
    kept: Vec<Outgoing>,
    /// So many from the front outlive a loss of power.
    synced: usize,
    door: Door,
    /// The next batch finds no connection, and its sender asks what is there.
    broken: bool,
    recall: Recall,
    lost_acks: u32,
    longest_batch: Option<usize>,
    retry_after: Option<Duration>,
    horizon: Duration,
    poison: BTreeSet<EventId>,
    poisonous: Option<AuditEventKind>,
    seen: Seen,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Door {
    #[default]
    Open,
    Down,
    Closed,
}

/// What a [`MemorySink`] can say about what it has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recall {
    /// Its last event, by place and id.
    #[default]
    Whole,
    /// Its last event, by place alone.
    Places,
    /// Nothing; then it also keeps a second time what it has.
    Nothing,
}

/// What a [`MemorySink`] went through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Batches that came, whatever became of them.
    pub batches: u64,
    /// How often it was asked what it has.
    pub asked: u64,
    /// The largest batch.
    pub largest: usize,
    /// Events that it was brought although it had them.
    pub repeats: u64,
    /// What a caller did that the contract forbids.
    pub offences: Vec<String>,
    /// Calls at this moment.
    inside: u32,
}

impl Default for MemorySink {
    fn default() -> Self {
        Self::new()
    }
}

impl MemorySink {
    /// Up, empty, and able to say what it has.
    #[must_use]
    pub fn new() -> Self {
        Self { script: Arc::default(), moving: Arc::new(watch::Sender::new(true)) }
    }

    /// From now on it cannot be reached, until [`MemorySink::come_up`].
    pub fn go_down(&self) {
        self.script.lock().door = Door::Down;
    }

    /// It can be reached again.
    pub fn come_up(&self) {
        self.script.lock().door = Door::Open;
    }

    /// From now on calls wait, until [`MemorySink::move_on`]: a server that was stopped.
    pub fn hang(&self) {
        self.moving.send_replace(false);
    }

    /// Calls that wait go through, and later ones do not wait.
    pub fn move_on(&self) {
        self.moving.send_replace(true);
    }

    /// The next `batches` are kept, but whoever sent them is told to try again.
    pub fn lose_acks(&self, batches: u32) {
        self.script.lock().lost_acks = batches;
    }

    /// Takes at most so many events of a batch, and asks to try the rest again; `None` for all.
    pub fn take_at_most(&self, events: Option<usize>) {
        self.script.lock().longest_batch = events;
    }

    /// With each [`SinkError::Retry`], how long it wants to be left alone.
    pub fn ask_for_a_pause(&self, pause: Option<Duration>) {
        self.script.lock().retry_after = pause;
    }

    /// Refuses this event for good.
    pub fn refuse(&self, event: EventId) {
        self.script.lock().poison.insert(event);
    }

    /// Refuses events of this kind for good.
    pub fn refuse_all_of_kind(&self, kind: AuditEventKind) {
        self.script.lock().poisonous = Some(kind);
    }

    /// Refuses none any more.
    pub fn refuse_nothing(&self) {
        let mut script = self.script.lock();
        script.poison.clear();
        script.poisonous = None;
    }

    /// Takes nothing any more and says so.
    pub fn close(&self) {
        self.script.lock().door = Door::Closed;
    }

    /// What it can say about what it has.
    pub fn recall(&self, recall: Recall) {
        self.script.lock().recall = recall;
    }

    /// What [`AuditSink::resend_horizon`] answers.
    pub fn set_horizon(&self, horizon: Duration) {
        self.script.lock().horizon = horizon;
    }

    /// What it has by now outlives [`MemorySink::lose_power`].
    pub fn sync(&self) {
        let mut script = self.script.lock();
        script.synced = script.kept.len();
    }

    /// Forgets what it kept since [`MemorySink::sync`]; the next batch finds the connection broken.
    pub fn lose_power(&self) {
        let mut script = self.script.lock();
        let synced = script.synced;
        script.kept.truncate(synced);
        script.broken = true;
    }

    /// What it has, in the order in which it came.
    #[must_use]
    pub fn kept(&self) -> Vec<Outgoing> {
        self.script.lock().kept.clone()
    }

    /// The ids of what it has, in that order.
    #[must_use]
    pub fn kept_ids(&self) -> Vec<EventId> {
        self.script.lock().kept.iter().map(|it| it.event.id).collect()
    }

    /// What it went through.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.script.lock().seen.clone()
    }
}

impl Script {
    fn retry(&self, why: &'static str) -> SinkError {
        SinkError::Retry { after: self.retry_after, source: why.into() }
    }

    /// Whether it can be reached at all.
    fn door(&self) -> Result<(), SinkError> {
        match self.door {
            Door::Open => Ok(()),
            Door::Down => Err(self.retry("the sink is down")),
            Door::Closed => Err(SinkError::Closed),
        }
    }

    fn last_of(&self, buffer: BufferId) -> Option<&Outgoing> {
        self.kept.iter().rev().find(|it| it.buffer_id == buffer)
    }

    /// Keeps one event, once.
    fn take(&mut self, event: &Outgoing) -> Result<(), SinkError> {
        if self.poison.contains(&event.event.id)
            || self.poisonous.as_ref() == Some(&event.event.kind)
        {
            return Err(SinkError::Poison { reason: "scripted".to_owned() });
        }
        let last = self.last_of(event.buffer_id).map_or(0, |it| it.buffer_seq);
        if event.buffer_seq <= last {
            self.seen.repeats += 1;
            if self.recall != Recall::Nothing {
                if !self.kept.contains(event) {
                    let (seq, id) = (event.buffer_seq, event.event.id);
                    self.seen.offences.push(format!("`{id}` came as {seq} behind {last}"));
                }
                return Ok(());
            }
        }
        self.kept.push(event.clone());
        Ok(())
    }

    fn emit(&mut self, batch: &[Outgoing]) -> Emitted {
        self.seen.batches += 1;
        self.seen.largest = self.seen.largest.max(batch.len());
        if std::mem::take(&mut self.broken) {
            let error = self.retry("the connection is broken");
            return Emitted { accepted: 0, stopped: Some(error) };
        }
        if let Err(error) = self.door() {
            return Emitted { accepted: 0, stopped: Some(error) };
        }
        if !batch.is_sorted_by(|a, b| a.buffer_seq < b.buffer_seq) {
            self.seen.offences.push("a batch was out of order".to_owned());
        }
        let room = self.longest_batch.unwrap_or(usize::MAX);
        let mut accepted = 0;
        let mut stopped = None;
        for event in batch {
            let taken = if accepted < room { self.take(event) } else { Err(self.retry("enough")) };
            if let Err(error) = taken {
                stopped = Some(error);
                break;
            }
            accepted += 1;
        }
        if self.lost_acks > 0 {
            self.lost_acks -= 1;
            return Emitted { accepted: 0, stopped: Some(self.retry("the answer was lost")) };
        }
        Emitted { accepted, stopped }
    }
}

#[async_trait]
impl AuditSink for MemorySink {
    fn name(&self) -> &'static str {
        "memory"
    }

    async fn emit_batch(&self, batch: &[Outgoing]) -> Emitted {
        let _inside = Inside::enter(&self.script);
        self.pass().await;
        self.script.lock().emit(batch)
    }

    async fn last_kept(&self, buffer: BufferId) -> Result<LastKept, SinkError> {
        self.pass().await;
        let mut script = self.script.lock();
        script.seen.asked += 1;
        script.door()?;
        script.broken = false;
        if script.recall == Recall::Nothing {
            return Ok(LastKept::Unknown);
        }
        let named = script.recall == Recall::Whole;
        Ok(script.last_of(buffer).map_or(LastKept::Nothing, |it| LastKept::At {
            seq: it.buffer_seq,
            event_id: named.then_some(it.event.id),
        }))
    }

    fn resend_horizon(&self) -> Duration {
        self.script.lock().horizon
    }
}

impl MemorySink {
    async fn pass(&self) {
        let mut moving = self.moving.subscribe();
        // The sender lives in `self`, so the channel cannot close while we wait.
        let _ = moving.wait_for(|it| *it).await;
    }
}

/// A call that has not returned; dropped with it.
struct Inside<'a>(&'a Mutex<Script>);

impl<'a> Inside<'a> {
    fn enter(script: &'a Mutex<Script>) -> Self {
        let mut it = script.lock();
        it.seen.inside += 1;
        if it.seen.inside > 1 {
            it.seen.offences.push("two batches at once".to_owned());
        }
        Self(script)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.lock().seen.inside -= 1;
    }
}
