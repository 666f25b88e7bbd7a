//! A day that cannot be read, and the others beside it.

use std::{error::Error, fs, path::PathBuf, sync::Arc, time::Duration};

use gov_core::{Health, HealthState, clock::ManualClock};
use gov_retention::event_store::{
    AuditEventStore, Durability, EventFilter, Order, PageRequest, StoreError,
    conformance::sample::{DAY, all, event, first, start},
    sqlite::{OpenStoreError, SqliteEventStore},
};
use gov_store::sqlite::{OpenError, rusqlite::Connection};
use tempfile::TempDir;

/// Three days with an event each; the third is today.
struct Three {
    folder: TempDir,
    clock: ManualClock,
}

impl Three {
    async fn new() -> Self {
        let clock = ManualClock::new(start() + DAY * 2);
        let it = Self { folder: tempfile::tempdir().unwrap(), clock };
        let store = it.open().await.unwrap();
        let batch = (1..=3).map(|n| (n, event(n, start() + DAY * u32::try_from(n - 1).unwrap())));
        store.append_from("log", batch.collect()).await.unwrap();
        store.close().await;
        it
    }

    async fn open(&self) -> Result<SqliteEventStore, OpenStoreError> {
        let clock = Arc::new(self.clock.clone());
        SqliteEventStore::open(&self.folder.path().join("events"), clock).await
    }

    fn file(&self, day: u32) -> PathBuf {
        self.folder.path().join(format!("events/2026-01-0{day}.db"))
    }

    fn put_a_newer_schema_into(&self, day: u32) {
        Connection::open(self.file(day))
            .unwrap()
            .execute("insert into _retention_migrations values (2, 'moon', 'x', 2, 0)", [])
            .unwrap();
    }
}

#[tokio::test]
async fn a_corrupt_day_stops_neither_appends_nor_queries_that_leave_it_out() {
    let it = Three::new().await;
    let whole = fs::read(it.file(2)).unwrap();
    fs::write(it.file(2), vec![b'x'; whole.len()]).unwrap();
    let store = it.open().await.unwrap();
    let HealthState::Degraded(reason) = store.health() else { panic!("{:?}", store.health()) };
    assert!(reason.contains("2026-01-02.db"), "{reason}");
    assert_eq!(store.cursor("log").await.unwrap(), 3);

    store.append(vec![event(4, start() + DAY * 2)], Durability::Spooled).await.unwrap();
    store.append(vec![event(5, start())], Durability::Durable).await.unwrap();
    let today = EventFilter { from: Some(start() + DAY * 2), ..EventFilter::default() };
    assert_eq!(store.count(&today).await.unwrap(), 2);
    let before = EventFilter { to: Some(start() + DAY), ..EventFilter::default() };
    assert_eq!(store.count(&before).await.unwrap(), 2);
    let newest = PageRequest { order: Order::NewestFirst, ..first(2) };
    assert_eq!(store.query(&EventFilter::default(), &newest).await.unwrap().events.len(), 2);

    let across = store.query(&EventFilter::default(), &first(10)).await.unwrap_err();
    assert_names(&across, "2026-01-02.db");
    let counted = store.count(&EventFilter::default()).await.unwrap_err();
    assert_names(&counted, "2026-01-02.db");
    let late = vec![event(6, start() + DAY)];
    let appended = store.append(late.clone(), Durability::Spooled).await.unwrap_err();
    assert_names(&appended, "2026-01-02.db");

    fs::write(it.file(2), whole).unwrap();
    store.append(late, Durability::Spooled).await.unwrap();
    assert_eq!(all(&store).await.len(), 6);
    assert_eq!(store.health(), HealthState::Healthy);
    store.close().await;
}

#[tokio::test]
async fn a_page_of_rotten_bytes_inside_a_day_names_its_file() {
    let it = Three::new().await;
    let mut bytes = fs::read(it.file(2)).unwrap();
    // The schema stands on the first page, and stays.
    bytes.get_mut(4096..).unwrap().fill(0xaa);
    fs::write(it.file(2), bytes).unwrap();
    let store = it.open().await.unwrap();
    let error = store.query(&EventFilter::default(), &first(10)).await.unwrap_err();
    assert_names(&error, "2026-01-02.db");
    store.append(vec![event(4, start() + DAY * 2)], Durability::Spooled).await.unwrap();
    store.close().await;
}

#[tokio::test]
async fn a_past_day_of_a_newer_schema_is_refused_by_name_and_stops_nothing_else() {
    let it = Three::new().await;
    it.put_a_newer_schema_into(1);
    let store = it.open().await.unwrap();
    store.append(vec![event(4, start() + DAY * 2)], Durability::Spooled).await.unwrap();
    let error = store.query(&EventFilter::default(), &first(10)).await.unwrap_err();
    assert_names(&error, "2026-01-01.db");
    let cause = error.source().unwrap().to_string();
    assert!(cause.contains("needs a build that knows version 2"), "{cause}");
    store.close().await;
}

#[tokio::test]
async fn todays_file_of_a_newer_schema_keeps_the_store_from_opening() {
    let it = Three::new().await;
    it.put_a_newer_schema_into(3);
    let error = it.open().await.unwrap_err();
    let OpenStoreError::Today { path, source: OpenError::Migrate(_) } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(*path, it.file(3));
}

#[tokio::test]
async fn an_append_to_a_new_day_that_cannot_have_a_file_fails_until_it_can() {
    let it = Three::new().await;
    let store = it.open().await.unwrap();
    it.clock.advance(DAY);
    fs::create_dir(it.file(4)).unwrap();
    let batch = vec![event(4, start() + DAY * 3)];
    let error = store.append(batch.clone(), Durability::Spooled).await.unwrap_err();
    assert_names(&error, "2026-01-04.db");
    assert!(matches!(store.health(), HealthState::Degraded(_)), "{:?}", store.health());
    assert_eq!(all(&store).await.len(), 3);

    fs::remove_dir(it.file(4)).unwrap();
    store.append(batch, Durability::Spooled).await.unwrap();
    assert_eq!(store.health(), HealthState::Healthy);
    store.close().await;
}

#[tokio::test]
async fn a_run_of_a_source_that_fails_keeps_the_runs_before_it_and_the_cursor_says_so() {
    let it = Three::new().await;
    fs::write(it.file(2), b"no database, and longer than a header of sixteen bytes").unwrap();
    let store = it.open().await.unwrap();
    let at = |hours| start() + DAY * 2 + Duration::from_hours(hours);
    let batch = vec![
        (11, event(11, at(1))),
        (12, event(12, at(2))),
        (13, event(13, start() + DAY)),
        (14, event(14, at(3))),
    ];
    let error = store.append_from("log", batch).await.unwrap_err();
    assert_names(&error, "2026-01-02.db");
    assert_eq!(store.cursor("log").await.unwrap(), 12);
    let today = EventFilter { from: Some(at(0)), ..EventFilter::default() };
    let ids = store.query(&today, &first(10)).await.unwrap().events;
    let ids: Vec<_> = ids.into_iter().map(|it| it.id).collect();
    let kept = [3, 11, 12].map(|n| event(n, start()).id);
    assert_eq!(ids, kept);
    store.close().await;
}

#[tokio::test]
async fn a_stranger_in_the_folder_is_no_day() {
    let it = Three::new().await;
    for name in ["notes.txt", "2026-02-30.db", "backup.db", "2026-01-02.db.bak"] {
        fs::write(it.folder.path().join("events").join(name), "x").unwrap();
    }
    let store = it.open().await.unwrap();
    assert_eq!(store.health(), HealthState::Healthy);
    assert_eq!(all(&store).await.len(), 3);
    store.close().await;
}

fn assert_names(error: &StoreError, file: &str) {
    assert!(
        matches!(error, StoreError::Day { place, .. } if place.ends_with(file)),
        "{error:?} does not name {file}"
    );
}
