//! An event store in memory that fails as a test tells it to.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use async_trait::async_trait;
use gov_core::{AuditEvent, EventId, Timestamp, clock::ManualClock};
use gov_retention::event_store::{
    Appended, AuditEventStore, Durability, EventFilter, Order, Page, PageCursor, PageRequest,
    StoreError,
};
use parking_lot::Mutex;
use tokio::sync::watch;

/// What the store does with an append.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Mood {
    /// Keeps it.
    #[default]
    Works,
    /// Says that it cannot.
    Fails,
    /// Never answers.
    Hangs,
    /// Keeps the events of a source and dies before it moves the cursor.
    Forgets,
}

/// Keeps what a test wants to see.
#[derive(Debug, Default)]
pub(crate) struct Double {
    /// Refused for ever as too large.
    pub(crate) never: Mutex<Option<EventId>>,
    mood: Mutex<Mood>,
    kept: Mutex<Kept>,
    appends: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Kept {
    events: BTreeMap<(Timestamp, EventId), AuditEvent>,
    cursors: BTreeMap<String, u64>,
    durabilities: Vec<Durability>,
    largest_batch: usize,
}

impl Double {
    pub(crate) fn is(&self, mood: Mood) {
        *self.mood.lock() = mood;
    }

    /// Everything that is kept, the oldest first.
    pub(crate) fn events(&self) -> Vec<AuditEvent> {
        self.kept.lock().events.values().cloned().collect()
    }

    pub(crate) fn kinds(&self) -> Vec<String> {
        self.events().iter().map(|it| it.kind.to_string()).collect()
    }

    /// How each append was acknowledged.
    pub(crate) fn durabilities(&self) -> Vec<Durability> {
        self.kept.lock().durabilities.clone()
    }

    pub(crate) fn largest_batch(&self) -> usize {
        self.kept.lock().largest_batch
    }

    /// Waits until the store was asked to append `count` times, in whatever mood.
    pub(crate) async fn asked(&self, count: u64) {
        self.appends.subscribe().wait_for(|it| *it >= count).await.unwrap();
    }

    /// As [`Double::asked`], while the clock moves on by a second at a time.
    pub(crate) async fn asked_in_time(&self, count: u64, clock: &ManualClock) {
        let mut asked = std::pin::pin!(self.asked(count));
        for _ in 0..10_000 {
            tokio::select! {
                biased;
                () = &mut asked => return,
                () = tokio::task::yield_now() => clock.advance(Duration::from_secs(1)),
            }
        }
        panic!("the store was not asked {count} times");
    }

    async fn answer(&self) -> Result<(), StoreError> {
        self.appends.send_modify(|it| *it += 1);
        let mood = *self.mood.lock();
        match mood {
            Mood::Works | Mood::Forgets => Ok(()),
            Mood::Fails => Err(broken()),
            Mood::Hangs => std::future::pending().await,
        }
    }
}

fn broken() -> StoreError {
    StoreError::Unavailable("no space left on device".into())
}

impl Kept {
    fn insert(&mut self, event: AuditEvent) -> Appended {
        let entry = self.events.entry((event.at, event.id));
        let known = matches!(entry, Entry::Occupied(_));
        entry.or_insert(event);
        Appended { new: u64::from(!known), known: u64::from(known) }
    }
}

fn sum(all: impl Iterator<Item = Appended>) -> Appended {
    all.fold(Appended::default(), |a, b| Appended { new: a.new + b.new, known: a.known + b.known })
}

#[async_trait]
impl AuditEventStore for Double {
    async fn append(
        &self,
        events: Vec<AuditEvent>,
        durability: Durability,
    ) -> Result<Appended, StoreError> {
        self.answer().await?;
        let mut kept = self.kept.lock();
        kept.durabilities.push(durability);
        Ok(sum(events.into_iter().map(|it| kept.insert(it))))
    }

    async fn append_from(
        &self,
        source: &str,
        events: Vec<(u64, AuditEvent)>,
    ) -> Result<Appended, StoreError> {
        self.answer().await?;
        if let Some(id) = *self.never.lock()
            && events.iter().any(|(_, it)| it.id == id)
        {
            return Err(StoreError::TooLarge { id, limit: 1, got: 2 });
        }
        let mut kept = self.kept.lock();
        kept.largest_batch = kept.largest_batch.max(events.len());
        let cursor = kept.cursors.get(source).copied().unwrap_or(0);
        let last = events.last().map_or(cursor, |(seq, _)| *seq);
        let fresh = events.into_iter().filter(|(seq, _)| *seq > cursor);
        let appended = sum(fresh.map(|(_, event)| kept.insert(event)));
        if *self.mood.lock() == Mood::Forgets {
            return Err(broken());
        }
        kept.cursors.insert(source.to_owned(), last.max(cursor));
        Ok(appended)
    }

    async fn cursor(&self, source: &str) -> Result<u64, StoreError> {
        Ok(self.kept.lock().cursors.get(source).copied().unwrap_or(0))
    }

    async fn query(&self, filter: &EventFilter, page: &PageRequest) -> Result<Page, StoreError> {
        if *self.mood.lock() == Mood::Fails {
            return Err(broken());
        }
        let mut events = self.events();
        events.retain(|it| fits(filter, it));
        if page.order == Order::NewestFirst {
            events.reverse();
        }
        let place = |it: &AuditEvent| PageCursor { at: it.at, id: it.id };
        if let Some(after) = page.after {
            events.retain(|it| match page.order {
                Order::NewestFirst => place(it) < after,
                Order::OldestFirst => place(it) > after,
            });
        }
        let limit = page.limit as usize;
        let more = events.len() > limit;
        events.truncate(limit);
        let next = events.last().filter(|_| more).map(place);
        Ok(Page { events, next })
    }

    async fn count(&self, filter: &EventFilter) -> Result<u64, StoreError> {
        Ok(self.events().iter().filter(|it| fits(filter, it)).count() as u64)
    }
}

fn fits(filter: &EventFilter, event: &AuditEvent) -> bool {
    let EventFilter { from, to, kinds, agent_id, session_id, team_id } = filter;
    from.is_none_or(|it| event.at >= it)
        && to.is_none_or(|it| event.at < it)
        && (kinds.is_empty() || kinds.contains(&event.kind))
        && (agent_id.is_none() || *agent_id == event.agent_id)
        && (session_id.is_none() || *session_id == event.session_id)
        && (team_id.is_none() || *team_id == event.team_id)
}
