//! What keeping and finding events costs, beside the naive way, in the same run.
//!
//! One JSON object a line; `--once` is the quick form. The naive way to keep is one connection that
//! inserts with autocommit; to find, the same select by hand.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a bench measures with the real clock, and stops at the first surprise"
)]

mod naive;

use std::{path::Path, sync::Arc, time::Instant};

use gov_core::{AuditEvent, AuditEventKind, Clock as _, EventId, Payload, SystemClock};
use gov_retention::event_store::{
    AuditEventStore, Durability, EventFilter, Order, PageRequest, sqlite::SqliteEventStore,
};
use gov_store::bench::{Bench, Goal, Line};

struct Settings {
    appends: u32,
    stored: u32,
    pages: u32,
}

fn main() {
    let bench = Bench::from_arguments("event_store");
    let settings = if bench.once {
        Settings { appends: 2_560, stored: 20_000, pages: 50 }
    } else {
        Settings { appends: 64_000, stored: 100_000, pages: 2_000 }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_time().build().unwrap();
    let baseline = naive::appends_per_second(&events(settings.appends));
    for callers in [1, 64] {
        bench.print(&Line {
            case: format!("{callers} callers spooled, 300 B, beside autocommit at NORMAL"),
            ours: runtime.block_on(appends_per_second(&settings, callers)),
            baseline,
            unit: "events/s",
            // The figures are there to be compared from change to change.
            goal: Goal::None,
        });
    }
    let dir = tempfile::tempdir().unwrap();
    let database = runtime.block_on(store_for_pages(&settings, dir.path()));
    for order in [Order::NewestFirst, Order::OldestFirst] {
        bench.print(&Line {
            case: format!("page of 100 of {}, {order:?}, beside the select", settings.stored),
            ours: runtime.block_on(page_micros(&settings, dir.path(), order)),
            baseline: naive::page_micros(&database, settings.pages, order),
            unit: "us",
            // The figures are there to be compared from change to change.
            goal: Goal::None,
        });
    }
}

/// So many, a millisecond apart and of one day; made before any clock starts.
fn events(count: u32) -> Vec<AuditEvent> {
    let now = SystemClock.now();
    let start = gov_core::Timestamp::from_micros_clamped(now.as_micros() / DAY * DAY);
    (0..count).map(|n| event(start + std::time::Duration::from_millis(n.into()), n)).collect()
}

const DAY: i64 = 86_400_000_000;

fn event(at: gov_core::Timestamp, n: u32) -> AuditEvent {
    let refused = n.is_multiple_of(20);
    AuditEvent {
        id: EventId::at(at),
        at,
        kind: if refused { AuditEventKind::ActionRefused } else { AuditEventKind::ActionAllowed },
        agent_id: Some("agent-1".parse().unwrap()),
        session_id: Some("session-1".parse().unwrap()),
        team_id: None,
        subjects: [("policy_version".to_owned(), "7".to_owned())].into(),
        trace_id: None,
        payload: Payload::from_parts(vec![b'x'; 300], [7; 16]),
    }
}

async fn appends_per_second(settings: &Settings, callers: u32) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let events_dir = dir.path().join("events");
    let store = Arc::new(SqliteEventStore::open(&events_dir, Arc::new(SystemClock)).await.unwrap());
    let each = settings.appends / callers;
    let mut work = events(each * callers);
    let started = Instant::now();
    let tasks: Vec<_> = (0..callers)
        .map(|_| {
            let store = Arc::clone(&store);
            let mine = work.split_off(work.len() - usize::try_from(each).unwrap());
            tokio::spawn(async move {
                for event in mine {
                    let done = store.append(vec![event], Durability::Spooled).await.unwrap();
                    assert_eq!(done.new, 1);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let took = started.elapsed().as_secs_f64();
    let kept = store.count(&EventFilter::default()).await.unwrap();
    assert_eq!(kept, u64::from(each * callers));
    store.close().await;
    f64::from(each * callers) / took
}

/// Fills a store, and returns the file that holds it all.
async fn store_for_pages(settings: &Settings, dir: &Path) -> std::path::PathBuf {
    let store = SqliteEventStore::open(dir, Arc::new(SystemClock)).await.unwrap();
    let mut work = events(settings.stored);
    let day = work.first().unwrap().at.to_string();
    while !work.is_empty() {
        let part = work.split_off(work.len().saturating_sub(1000));
        store.append(part, Durability::Spooled).await.unwrap();
    }
    store.close().await;
    dir.join(format!("{}.db", day.split('T').next().unwrap()))
}

/// The middle one of many first pages and pages behind a cursor, in microseconds.
async fn page_micros(settings: &Settings, dir: &Path, order: Order) -> f64 {
    let store = SqliteEventStore::open(dir, Arc::new(SystemClock)).await.unwrap();
    let mut request = PageRequest { order, after: None, limit: 100 };
    let mut spans = Vec::new();
    for _ in 0..settings.pages {
        let started = Instant::now();
        let page = store.query(&EventFilter::default(), &request).await.unwrap();
        spans.push(started.elapsed().as_secs_f64() * 1e6);
        assert_eq!(page.events.len(), 100);
        // From page to page, and from the start again at the end.
        request.after = page.next;
    }
    store.close().await;
    naive::middle(spans)
}
