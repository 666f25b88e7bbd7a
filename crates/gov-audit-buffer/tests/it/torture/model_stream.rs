//! A stream in memory that has all the bad luck of a real one.
//!
//! Requests are lost, and so are answers; what was lost on the way may arrive much later, when
//! everybody has given it up; connections break in the middle; other nodes write in between; power
//! fails, and what was not synced is gone.

use std::{collections::HashMap, sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_audit_buffer::{
    Outgoing,
    sink::nats::stream::{Guarded, JetStream, LastMessage, Mark, Offers, Stored, StreamError},
};
use gov_core::{Clock, EventId, Timestamp, clock::ManualClock, dice::Dice};
use parking_lot::Mutex;

/// Clones are the same stream, each client with a connection of its own.
#[derive(Clone, Debug)]
pub(crate) struct ModelStream {
    server: Arc<Mutex<Server>>,
    clock: ManualClock,
}

#[derive(Debug)]
struct Server {
    dice: Dice,
    /// Whether it takes atomic batches.
    atomic: bool,
    /// It remembers message ids for so long.
    window: Duration,
    messages: Vec<Message>,
    /// So many from the front outlive a loss of power.
    synced: usize,
    ids: HashMap<EventId, (u64, Timestamp)>,
    /// Left the client and not yet here.
    late: Vec<Late>,
    trouble: Trouble,
}

#[derive(Clone, Debug)]
struct Message {
    subject: String,
    /// `None` for another node's.
    mark: Option<Mark>,
    /// The id that it was published under.
    id: Option<EventId>,
}

/// How much goes wrong, in percent of the calls.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Trouble {
    pub(crate) unreachable: u64,
    pub(crate) lost_request: u64,
    pub(crate) lost_answer: u64,
    /// Another node's message comes before one of ours.
    pub(crate) strangers: u64,
}

/// One publish, with the guards it was sent with.
#[derive(Clone, Debug)]
struct Late {
    subject: String,
    events: Vec<(Mark, u64, Option<EventId>, bool)>,
    /// All or nothing.
    atomic: bool,
}

enum Fate {
    Goes,
    RequestLost,
    AnswerLost,
}

impl ModelStream {
    pub(crate) fn new(mut dice: Dice, clock: ManualClock) -> Self {
        let server = Server {
            atomic: dice.roll(2) == 0,
            window: Duration::from_mins(2),
            dice,
            messages: Vec::new(),
            synced: 0,
            ids: HashMap::new(),
            late: Vec::new(),
            trouble: Trouble::default(),
        };
        Self { server: Arc::new(Mutex::new(server)), clock }
    }

    pub(crate) fn trouble(&self, trouble: Trouble) {
        self.server.lock().trouble = trouble;
    }

    pub(crate) fn sync(&self) {
        let mut server = self.server.lock();
        server.synced = server.messages.len();
    }

    /// What was not synced is gone; what is on its way stays there.
    pub(crate) fn lose_power(&self) {
        let mut server = self.server.lock();
        let synced = server.synced;
        server.messages.truncate(synced);
        server.ids.retain(|_, (sequence, _)| usize::try_from(*sequence).unwrap() <= synced);
    }

    /// The other kind of server takes over: an upgrade, or the way back.
    pub(crate) fn change_kind(&self) {
        let mut server = self.server.lock();
        server.atomic = !server.atomic;
    }

    /// Another node's message.
    pub(crate) fn stranger(&self) {
        self.server.lock().stranger();
    }

    /// Everything that was on its way arrives.
    pub(crate) fn deliver_late(&self) {
        let now = self.clock.now();
        let mut server = self.server.lock();
        while !server.late.is_empty() {
            server.deliver_one(now);
        }
    }

    /// The events that are there, in their order.
    pub(crate) fn events(&self) -> Vec<EventId> {
        let server = self.server.lock();
        server.messages.iter().filter_map(|it| Some(it.mark?.event_id)).collect()
    }
}

impl Server {
    fn fate(&mut self) -> Result<Fate, StreamError> {
        let Trouble { unreachable, lost_request, lost_answer, .. } = self.trouble;
        let roll = self.dice.roll(100);
        if roll < unreachable {
            return Err(StreamError::Unavailable("nobody is there".into()));
        }
        Ok(match roll - unreachable {
            it if it < lost_request => Fate::RequestLost,
            it if it < lost_request + lost_answer => Fate::AnswerLost,
            _ => Fate::Goes,
        })
    }

    fn maybe_deliver(&mut self, now: Timestamp) {
        while !self.late.is_empty() && self.dice.roll(3) == 0 {
            self.deliver_one(now);
        }
    }

    /// In any order: they came over different connections.
    fn deliver_one(&mut self, now: Timestamp) {
        let at = usize::try_from(self.dice.roll(self.late.len() as u64)).unwrap();
        let late = self.late.swap_remove(at);
        let _ = self.publish(&late, now);
    }

    fn stranger(&mut self) {
        let subject = "gov.audit.other.buf".to_owned();
        self.messages.push(Message { subject, mark: None, id: None });
    }

    fn last_of(&self, subject: &str) -> u64 {
        let at = self.messages.iter().rposition(|it| it.subject == subject);
        at.map_or(0, |at| at as u64 + 1)
    }

    /// As the server does it: first the memory of ids, then the guards.
    fn publish(&mut self, what: &Late, now: Timestamp) -> Vec<Result<Stored, StreamError>> {
        if what.atomic && what.events.first().is_some_and(|it| it.1 != self.last_of(&what.subject))
        {
            return vec![Err(StreamError::Conflict)];
        }
        let mut answers = Vec::new();
        for (mark, after, after_id, under_id) in what.events.iter().copied() {
            if !what.atomic {
                if self.dice.roll(100) < self.trouble.strangers {
                    self.stranger();
                }
                let known = self.ids.get(&mark.event_id).copied();
                let known = known.filter(|(_, at)| now.since(*at) < self.window);
                if let Some((sequence, _)) = known.filter(|_| under_id) {
                    answers.push(Ok(Stored { sequence, duplicate: true }));
                    continue;
                }
                let last_id = self.messages.last().and_then(|it| it.id);
                let id_holds = after_id.is_none_or(|it| Some(it) == last_id);
                if after != self.last_of(&what.subject) || !id_holds {
                    answers.push(Err(StreamError::Conflict));
                    continue;
                }
            }
            let id = under_id.then_some(mark.event_id);
            let subject = what.subject.clone();
            self.messages.push(Message { subject, mark: Some(mark), id });
            let sequence = self.messages.len() as u64;
            if let Some(id) = id {
                self.ids.insert(id, (sequence, now));
            }
            answers.push(Ok(Stored { sequence, duplicate: false }));
        }
        answers
    }

    /// What is lost on the way arrives later, or never.
    fn send(
        &mut self,
        what: Late,
        now: Timestamp,
    ) -> Result<Vec<Result<Stored, StreamError>>, StreamError> {
        self.maybe_deliver(now);
        let answers = match self.fate()? {
            Fate::Goes => Ok(self.publish(&what, now)),
            Fate::AnswerLost => {
                self.publish(&what, now);
                Err(StreamError::Unknown("the answer was lost".into()))
            }
            Fate::RequestLost => {
                if self.dice.roll(2) == 0 {
                    self.late.push(what);
                }
                Err(StreamError::Unknown("the request was lost".into()))
            }
        };
        self.maybe_deliver(now);
        answers
    }
}

#[async_trait]
impl JetStream for ModelStream {
    async fn offers(&self) -> Result<Offers, StreamError> {
        Ok(Offers { atomic_batches: self.server.lock().atomic })
    }

    async fn last_of(&self, subject: &str) -> Result<Option<LastMessage>, StreamError> {
        let now = self.clock.now();
        let mut server = self.server.lock();
        server.maybe_deliver(now);
        match server.fate()? {
            Fate::Goes => (),
            _ => return Err(StreamError::Unknown("no answer".into())),
        }
        let sequence = server.last_of(subject);
        let last = usize::try_from(sequence).unwrap().checked_sub(1);
        let last = last.and_then(|at| server.messages.get(at));
        Ok(last.map(|it| LastMessage { sequence, mark: it.mark }))
    }

    async fn publish_atomic(
        &self,
        subject: &str,
        after: u64,
        batch: &[Outgoing],
    ) -> Result<u64, StreamError> {
        let now = self.clock.now();
        let mut server = self.server.lock();
        if !server.atomic {
            return Err(StreamError::NoBatches);
        }
        let events = batch.iter().map(|it| (Mark::from(it), after, None, false)).collect();
        let what = Late { subject: subject.to_owned(), events, atomic: true };
        let answers = server.send(what, now)?;
        answers.into_iter().last().unwrap().map(|it| it.sequence)
    }

    async fn publish_each(
        &self,
        subject: &str,
        batch: &[Guarded<'_>],
    ) -> Vec<Result<Stored, StreamError>> {
        let now = self.clock.now();
        let mut server = self.server.lock();
        let all: Vec<_> = batch
            .iter()
            .map(|it| (Mark::from(it.outgoing), it.after, it.after_id, it.under_id))
            .collect();
        // The connection may break in the middle: two halves with fates of their own.
        let cut = usize::try_from(server.dice.roll(2 * all.len() as u64)).unwrap().min(all.len());
        let mut answers = Vec::new();
        let (one, other) = all.split_at(cut);
        for half in [one, other] {
            if half.is_empty() {
                continue;
            }
            let what = Late { subject: subject.to_owned(), events: half.to_vec(), atomic: false };
            match server.send(what, now) {
                Ok(of_half) => answers.extend(of_half),
                Err(error) => {
                    let why = error.to_string();
                    let unknown = |_| Err(StreamError::Unknown(why.clone().into()));
                    answers.extend(half.iter().map(unknown));
                }
            }
        }
        answers
    }

    /// What has left cannot be called back.
    fn abandon(&self) {}
}
