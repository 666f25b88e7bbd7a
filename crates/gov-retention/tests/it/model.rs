//! Each backend against a model: whatever is appended, in whatever order and however often, over
//! reopens, queries find what the model holds.

use std::{collections::BTreeMap, path::Path, time::Duration};

use async_trait::async_trait;
use gov_core::{AuditEvent, AuditEventKind, EventId, Payload, Timestamp};
use gov_retention::event_store::{
    AuditEventStore, Durability, EventFilter, Order,
    conformance::{
        fits,
        sample::{all_in_pages, event, start},
    },
    postgres::{COMPONENT, PgEventStore},
    sqlite::SqliteEventStore,
};
use gov_store::fresh_database;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    /// Events by number, in a version of their content.
    Append {
        numbers: Vec<u64>,
        version: u8,
        durable: bool,
    },
    /// Numbers `from..from + count` of a source, which is always there in that order.
    AppendFrom {
        source: bool,
        from: u64,
        count: u64,
        version: u8,
    },
    Reopen,
    Query {
        filter: EventFilter,
        newest: bool,
        limit: u32,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let version = 0..3_u8;
    let append = (prop::collection::vec(0..60_u64, 0..8), version.clone(), any::<bool>())
        .prop_map(|(numbers, version, durable)| Step::Append { numbers, version, durable });
    let append_from = (any::<bool>(), 1..40_u64, 0..12_u64, version).prop_map(
        |(source, from, count, version)| Step::AppendFrom { source, from, count, version },
    );
    let query = (filter(), any::<bool>(), 1..9_u32)
        .prop_map(|(filter, newest, limit)| Step::Query { filter, newest, limit });
    prop_oneof![4 => append, 3 => append_from, 1 => Just(Step::Reopen), 4 => query]
}

fn filter() -> impl Strategy<Value = EventFilter> {
    let time = || prop::option::of((0..150_u32).prop_map(|it| at(it.into())));
    let kinds = prop::collection::vec((0..5_u64).prop_map(kind), 0..3);
    let agent = prop::option::of(0..4_u64);
    (time(), time(), kinds, agent).prop_map(|(from, to, kinds, agent)| EventFilter {
        from,
        to,
        kinds,
        agent_id: agent.map(|it| format!("agent-{it}").parse().unwrap()),
        ..EventFilter::default()
    })
}

fn at(n: u64) -> Timestamp {
    // Many at one time, over six days.
    start() + Duration::from_hours(n % 20 * 7)
}

fn kind(n: u64) -> AuditEventKind {
    match n % 5 {
        0 => AuditEventKind::ActionRefused,
        1 => AuditEventKind::Other("moon.landed".to_owned()),
        _ => AuditEventKind::ActionAllowed,
    }
}

fn numbered(n: u64, version: u8) -> AuditEvent {
    AuditEvent {
        kind: kind(n),
        agent_id: (!n.is_multiple_of(4)).then(|| format!("agent-{}", n % 4).parse().unwrap()),
        payload: Payload::from_parts(vec![version; 3], [version; 16]),
        ..event(n, at(n))
    }
}

#[derive(Debug, Default)]
struct Model {
    events: BTreeMap<(Timestamp, EventId), AuditEvent>,
    cursors: BTreeMap<&'static str, u64>,
}

impl Model {
    fn append(&mut self, event: AuditEvent) -> u64 {
        let before = self.events.len();
        self.events.entry((event.at, event.id)).or_insert(event);
        u64::from(self.events.len() > before)
    }
}

/// What a test needs of a backend besides the contract.
#[async_trait]
trait Place {
    type Store: AuditEventStore;

    async fn open(&self) -> Self::Store;

    async fn close(&self, store: Self::Store);
}

#[async_trait]
impl Place for Path {
    type Store = SqliteEventStore;

    async fn open(&self) -> SqliteEventStore {
        crate::sqlite::open(self).await
    }

    async fn close(&self, store: SqliteEventStore) {
        store.close().await;
    }
}

#[async_trait]
impl Place for sqlx::PgPool {
    type Store = PgEventStore;

    async fn open(&self) -> PgEventStore {
        PgEventStore::new(self.clone())
    }

    async fn close(&self, store: PgEventStore) {
        store.close().await;
    }
}

async fn check<P: Place + ?Sized>(place: &P, steps: Vec<Step>) {
    let mut model = Model::default();
    let mut store = place.open().await;
    for step in steps {
        match step {
            Step::Append { numbers, version, durable } => {
                let events: Vec<_> = numbers.iter().map(|n| numbered(*n, version)).collect();
                let new: u64 = events.iter().map(|it| model.append(it.clone())).sum();
                let how = if durable { Durability::Durable } else { Durability::Spooled };
                let done = store.append(events, how).await.unwrap();
                assert_eq!((done.new, done.known), (new, numbers.len() as u64 - new));
            }
            Step::AppendFrom { source, from, count, version } => {
                // Two sources, whose events partly are the same.
                let (name, shift) = if source { ("a", 0) } else { ("b", 30) };
                let cursor = model.cursors.entry(name).or_default();
                let seen = *cursor;
                *cursor = seen.max(if count > 0 { from + count - 1 } else { 0 });
                let events: Vec<_> = (from..from + count)
                    .map(|seq| (seq, numbered(seq * 11 % 60 + shift, version)))
                    .collect();
                let fresh: Vec<_> = events.iter().filter(|(seq, _)| *seq > seen).cloned().collect();
                let new: u64 = fresh.into_iter().map(|(_, it)| model.append(it)).sum();
                let done = store.append_from(name, events).await.unwrap();
                assert_eq!((done.new, done.known), (new, count - new));
            }
            Step::Reopen => {
                place.close(store).await;
                store = place.open().await;
            }
            Step::Query { filter, newest, limit } => {
                let mut wanted: Vec<_> =
                    model.events.values().filter(|it| fits(&filter, it)).cloned().collect();
                assert_eq!(store.count(&filter).await.unwrap(), wanted.len() as u64);
                let order = if newest { Order::NewestFirst } else { Order::OldestFirst };
                if newest {
                    wanted.reverse();
                }
                assert_eq!(all_in_pages(&store, &filter, order, limit).await, wanted);
            }
        }
        for name in ["a", "b"] {
            let wanted = model.cursors.get(name).copied().unwrap_or(0);
            assert_eq!(store.cursor(name).await.unwrap(), wanted);
        }
    }
    place.close(store).await;
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..Default::default() }
}

proptest! {
    #![proptest_config(config(24))]

    #[test]
    fn sqlite_holds_what_the_model_holds(steps in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let folder = tempfile::tempdir().unwrap();
        runtime.block_on(check(folder.path(), steps));
    }
}

proptest! {
    #![proptest_config(config(8))]

    #[test]
    fn postgres_holds_what_the_model_holds(steps in prop::collection::vec(step(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let Some(pool) = fresh_database::postgres(&[&COMPONENT]).await else { return };
            check(&pool, steps).await;
            pool.close().await;
        });
    }
}
