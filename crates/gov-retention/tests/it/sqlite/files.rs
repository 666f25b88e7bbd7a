//! Which files there are, and how many of them are open.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gov_core::{AuditEvent, clock::ManualClock};
use gov_retention::event_store::{
    AuditEventStore, Durability, EventFilter, Order, StoreError,
    conformance::sample::{DAY, all, all_in_pages, event, events, start},
    sqlite::SqliteEventStore,
};
use metrics::{
    Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};
use tokio::task::JoinSet;

use super::open;

#[tokio::test]
async fn each_day_has_a_file_of_its_own_by_the_time_of_its_events() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let last = start() + DAY * 2 + Duration::from_micros(86_399_999_999);
    let batch = vec![event(1, start() + DAY), event(2, last), event(3, start() + DAY * 3)];
    store.append(batch.clone(), Durability::Spooled).await.unwrap();
    store.append(batch, Durability::Spooled).await.unwrap();
    store.close().await;
    // The first is today's, which is open from the start.
    let days = ["2026-01-01.db", "2026-01-02.db", "2026-01-03.db", "2026-01-04.db"];
    assert_eq!(names(folder.path()), days.map(str::to_owned).into());
}

#[tokio::test]
async fn what_was_kept_is_found_after_a_reopen_and_cursors_are_the_greatest_of_all_files() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let kept = events(30, Duration::from_hours(7));
    let (first, second) = kept.split_at(20);
    store.append(first.to_vec(), Durability::Spooled).await.unwrap();
    // The last event of the source belongs to an earlier day than those before it.
    let late = event(99, start());
    let sourced = (11..).zip(second.iter().cloned().chain([late.clone()])).collect::<Vec<_>>();
    store.append_from("log", sourced.clone()).await.unwrap();
    store.close().await;

    let store = open(folder.path()).await;
    assert_eq!(store.cursor("log").await.unwrap(), 21);
    let done = store.append_from("log", sourced).await.unwrap();
    assert_eq!((done.new, done.known), (0, 11));
    let mut wanted = [kept, vec![late]].concat();
    wanted.sort_by_key(|it| (it.at, it.id));
    assert_eq!(all(&store).await, wanted);
    store.close().await;
}

#[test]
fn at_most_four_files_are_open_beside_todays() {
    let most = Most::default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    metrics::with_local_recorder(&most, || {
        let store = Arc::new(runtime.block_on(open(folder.path())));
        runtime.block_on(use_many_days(&store, folder.path()));
    });
    // Set in the moment in which a file's place is taken: nothing comes between.
    assert_eq!(most.0.load(Ordering::SeqCst), 5_f64.to_bits());
}

async fn use_many_days(store: &Arc<SqliteEventStore>, folder: &Path) {
    let kept = events(36, Duration::from_hours(8));
    let mut work = JoinSet::new();
    for it in kept.clone() {
        let store = Arc::clone(store);
        work.spawn(async move {
            store.append(vec![it.clone()], Durability::Spooled).await.unwrap();
            let filter = EventFilter { to: Some(it.at + DAY), ..EventFilter::default() };
            assert!(0 < store.count(&filter).await.unwrap());
        });
    }
    work.join_all().await;
    assert_eq!(all(&**store).await, kept);
    let opened = open_files(folder);
    assert!((2..=5).contains(&opened.len()), "{opened:?}");
    assert!(opened.contains("2026-01-01.db"), "today's was closed: {opened:?}");
    store.close().await;
    assert_eq!(open_files(folder), BTreeSet::new());
}

/// A recorder that remembers how many files were open at most.
#[derive(Debug, Default)]
struct Most(Arc<AtomicU64>);

#[derive(Debug)]
struct OpenFiles(Arc<AtomicU64>);

impl GaugeFn for OpenFiles {
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {}

    fn set(&self, value: f64) {
        // Of numbers that are not negative, the bits are in the same order.
        self.0.fetch_max(value.to_bits(), Ordering::SeqCst);
    }
}

impl Recorder for Most {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        match key.name() {
            "gov_retention_open_files" => Gauge::from_arc(Arc::new(OpenFiles(self.0.clone()))),
            _ => Gauge::noop(),
        }
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[tokio::test]
async fn a_full_page_opens_no_file_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    store.append(events(20, Duration::from_hours(12)), Durability::Spooled).await.unwrap();
    store.close().await;
    let store = open(folder.path()).await;
    let mut request = gov_retention::event_store::PageRequest {
        order: Order::OldestFirst,
        after: None,
        limit: 2,
    };
    let page = store.query(&EventFilter::default(), &request).await.unwrap();
    assert_eq!(page.events.len(), 2);
    assert_eq!(open_files(folder.path()), ["2026-01-01.db".to_owned()].into());
    request.after = page.next;
    assert!(request.after.is_some(), "says that nothing is behind a full page");
    let page = store.query(&EventFilter::default(), &request).await.unwrap();
    assert_eq!(page.events.len(), 2);
    store.close().await;
}

#[tokio::test]
async fn closing_waits_for_what_is_begun_and_then_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    let kept = events(10, Duration::from_secs(1));
    let appends = kept.iter().map(|it| store.append(vec![it.clone()], Durability::Spooled));
    let mut appends: Vec<_> = appends.collect();
    std::future::poll_fn(|cx| {
        for it in &mut appends {
            let _ = it.as_mut().poll(cx);
        }
        std::task::Poll::Ready(())
    })
    .await;
    let answers = async {
        for it in appends {
            it.await.unwrap();
        }
    };
    tokio::join!(store.close(), answers);
    let error = store.append(kept.clone(), Durability::Spooled).await.unwrap_err();
    assert!(matches!(error, StoreError::Closed), "{error:?}");
    let error = store.count(&EventFilter::default()).await.unwrap_err();
    assert!(matches!(error, StoreError::Closed), "{error:?}");
    assert_eq!(all(&open(folder.path()).await).await, kept);
}

#[tokio::test]
async fn an_append_whose_caller_goes_away_keeps_no_file_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path()).await;
    for n in 0..12_u32 {
        let it = event(n.into(), start() + DAY * n);
        let mut append = store.append(vec![it], Durability::Spooled);
        std::future::poll_fn(|cx| {
            let _ = append.as_mut().poll(cx);
            std::task::Poll::Ready(())
        })
        .await;
    }
    let closed = tokio::time::timeout(Duration::from_mins(1), store.close()).await;
    closed.expect("a file is in use for ever");
}

#[tokio::test]
async fn the_day_turns_while_the_store_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let clock = ManualClock::default();
    let dir = folder.path().join("events");
    let store = SqliteEventStore::open(&dir, Arc::new(clock.clone())).await.unwrap();
    let mut kept: Vec<AuditEvent> = Vec::new();
    for n in 0..10 {
        let it = event(n, gov_core::Clock::now(&clock));
        store.append(vec![it.clone()], Durability::Spooled).await.unwrap();
        kept.push(it);
        clock.advance(DAY);
    }
    assert_eq!(all(&store).await, kept);
    kept.reverse();
    let found = all_in_pages(&store, &EventFilter::default(), Order::NewestFirst, 3).await;
    assert_eq!(found, kept);
    store.close().await;
}

fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder.join("events")).unwrap();
    entries.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
}

/// The databases of this folder to which this process has descriptors.
fn open_files(folder: &Path) -> BTreeSet<String> {
    let links = fs::read_dir("/proc/self/fd").unwrap();
    // A descriptor may be closed while it is looked at.
    let targets = links.filter_map(|it| fs::read_link(it.unwrap().path()).ok());
    let inside =
        targets.filter(|it| it.starts_with(folder) && it.extension() == Some("db".as_ref()));
    inside.map(|it| it.file_name().unwrap().to_str().unwrap().to_owned()).collect()
}
