//! The event store as a sink, against the contract of sinks.

use std::sync::Arc;

use async_trait::async_trait;
use gov_audit_buffer::{
    AuditSink, for_each_closing_rule, for_each_memory_rule, for_each_outage_rule,
    for_each_refusal_rule, for_each_sink_rule,
    sink::conformance::{self, Fault, Receiver},
};
use gov_core::{AuditEvent, SystemClock};
use gov_gateway::sinks::EventStoreSink;
use gov_retention::event_store::{
    Appended, AuditEventStore, Durability, EventFilter, Order, Page, PageRequest, StoreError,
    sqlite::SqliteEventStore,
};
use parking_lot::Mutex;

/// A real store behind a fault.
#[derive(Debug)]
struct Faulty {
    store: SqliteEventStore,
    fault: Mutex<Option<Fault>>,
}

fn unavailable() -> StoreError {
    StoreError::Unavailable("away".into())
}

#[async_trait]
impl AuditEventStore for Faulty {
    async fn append(
        &self,
        events: Vec<AuditEvent>,
        durability: Durability,
    ) -> Result<Appended, StoreError> {
        self.store.append(events, durability).await
    }

    async fn append_from(
        &self,
        source: &str,
        mut events: Vec<(u64, AuditEvent)>,
    ) -> Result<Appended, StoreError> {
        let fault = self.fault.lock().clone();
        match fault {
            None => self.store.append_from(source, events).await,
            Some(Fault::Down) => Err(unavailable()),
            Some(Fault::DownAfter(room)) => {
                let fits = events.len() <= room;
                // As when it fails half-way: a prefix is kept.
                events.truncate(room);
                *self.fault.lock() = Some(Fault::DownAfter(room - events.len()));
                let appended = self.store.append_from(source, events).await?;
                if fits { Ok(appended) } else { Err(unavailable()) }
            }
            Some(Fault::LosesAnswers) => {
                self.store.append_from(source, events).await?;
                Err(unavailable())
            }
            Some(Fault::Refuses(these)) => {
                match events.iter().find(|it| these.contains(&it.1.id)) {
                    Some((_, event)) => {
                        Err(StoreError::TooLarge { id: event.id, limit: 1, got: 2 })
                    }
                    None => self.store.append_from(source, events).await,
                }
            }
        }
    }

    async fn cursor(&self, source: &str) -> Result<u64, StoreError> {
        if *self.fault.lock() == Some(Fault::Down) {
            return Err(unavailable());
        }
        self.store.cursor(source).await
    }

    async fn query(&self, filter: &EventFilter, page: &PageRequest) -> Result<Page, StoreError> {
        self.store.query(filter, page).await
    }

    async fn count(&self, filter: &EventFilter) -> Result<u64, StoreError> {
        self.store.count(filter).await
    }
}

/// A store in a directory of its own.
#[derive(Debug)]
struct It {
    store: Arc<Faulty>,
    _folder: tempfile::TempDir,
}

async fn start() -> It {
    let folder = tempfile::tempdir().unwrap();
    let store = SqliteEventStore::open(folder.path(), Arc::new(SystemClock)).await.unwrap();
    It { store: Arc::new(Faulty { store, fault: Mutex::new(None) }), _folder: folder }
}

#[async_trait]
impl Receiver for It {
    async fn open(&self) -> Arc<dyn AuditSink> {
        Arc::new(EventStoreSink::new(Arc::clone(&self.store) as _))
    }

    async fn kept(&self) -> Vec<AuditEvent> {
        let page = PageRequest { order: Order::OldestFirst, after: None, limit: 1000 };
        let page = self.store.query(&EventFilter::default(), &page).await.unwrap();
        assert_eq!(page.next, None, "more than one page");
        page.events
    }

    async fn stage(&self, fault: Option<Fault>) {
        *self.store.fault.lock() = fault;
    }

    async fn closed(&self) -> Arc<dyn AuditSink> {
        let sink = EventStoreSink::new(Arc::clone(&self.store) as _);
        sink.close();
        Arc::new(sink)
    }
}

macro_rules! rule {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            conformance::$name(&start().await).await;
        }
    };
}

for_each_sink_rule!(rule);
for_each_memory_rule!(rule);
for_each_outage_rule!(rule);
for_each_refusal_rule!(rule);
for_each_closing_rule!(rule);
