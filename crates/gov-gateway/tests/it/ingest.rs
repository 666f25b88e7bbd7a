//! From a real stream into a real event store.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    path::Path,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use gov_audit_buffer::{
    AuditSink as _, Outgoing,
    sink::{
        conformance::{buffer, events},
        nats::{
            NatsAuditSink, NatsConfig,
            reader::ReaderConfig,
            test_server::{Release, TestServer},
        },
    },
};
use gov_core::{AuditEvent, AuditEventKind, SystemClock};
use gov_gateway::ingest::{Ingest, IngestConfig, IngestError, IngestReport};
use gov_retention::event_store::{
    Appended, AuditEventStore, Durability, EventFilter, Order, Page, PageRequest, StoreError,
    sqlite::SqliteEventStore,
};
use parking_lot::Mutex;
use tokio::time::timeout;

use crate::{
    event_double::{Double, Mood},
    process::Place,
};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_mins(1);

fn config(server: &TestServer) -> NatsConfig {
    NatsConfig::new(vec![server.url().parse().unwrap()], "n-1")
}

async fn publish(server: &TestServer, all: &[Outgoing]) {
    let sink = NatsAuditSink::new(config(server), Arc::new(SystemClock)).unwrap();
    for batch in all.chunks(256) {
        let emitted = sink.emit_batch(batch).await;
        assert!(emitted.stopped.is_none(), "{emitted:?}");
    }
    sink.close().await;
}

/// What somebody else publishes below the same prefix, in the text of the protocol.
fn publish_foreign(server: &TestServer, subject: &str, body: &str) {
    let mut stream = TcpStream::connect(("127.0.0.1", server.port())).unwrap();
    let bytes = body.len();
    write!(stream, "CONNECT {{\"verbose\":false}}\r\nPUB {subject} {bytes}\r\n{body}\r\nPING\r\n")
        .unwrap();
    let mut lines = BufReader::new(stream).lines();
    assert!(lines.any(|line| line.unwrap() == "PONG"), "the server ended the connection");
}

async fn store(dir: &Path) -> Arc<SqliteEventStore> {
    Arc::new(SqliteEventStore::open(dir, Arc::new(SystemClock)).await.unwrap())
}

/// Everything that is kept, the oldest first.
async fn kept(store: &dyn AuditEventStore) -> Vec<AuditEvent> {
    let mut page = PageRequest { order: Order::OldestFirst, after: None, limit: 1000 };
    let mut all = Vec::new();
    loop {
        let read = store.query(&EventFilter::default(), &page).await.unwrap();
        all.extend(read.events);
        page.after = read.next;
        if page.after.is_none() {
            return all;
        }
    }
}

fn decoded(all: &[Outgoing]) -> Vec<AuditEvent> {
    all.iter().map(|it| it.event.decode().unwrap()).collect()
}

async fn catch_up(
    server: &TestServer,
    store: &Arc<SqliteEventStore>,
    settings: IngestConfig,
) -> IngestReport {
    let (reader, events) = (ReaderConfig::default(), Arc::clone(store) as _);
    let connected =
        Ingest::connect(config(server), reader, events, Arc::new(SystemClock), settings).await;
    timeout(PATIENCE, connected.unwrap().catch_up()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_stream_is_taken_in_once_and_what_is_no_event_becomes_a_dead_letter() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = TestServer::start(Release::Current, dir.path(), "") else { return };
    let all = events(buffer(1), 1..=600);
    publish(&server, &all).await;
    publish_foreign(&server, "gov.audit.n-1.other", "hello \u{0}");
    let store = store(&dir.path().join("events")).await;

    let report = catch_up(&server, &store, IngestConfig::default()).await;
    assert_eq!(report, IngestReport { new: 601, known: 0, dead_lettered: 1, trimmed: 0 });
    let mut taken_in = kept(&*store).await;
    let dead = taken_in.iter().position(|it| it.kind == AuditEventKind::AuditDeadLettered);
    let dead = taken_in.remove(dead.unwrap());
    assert_eq!(taken_in, decoded(&all));
    assert_eq!(dead.subjects["stream"], "GOV_AUDIT");
    assert_eq!(dead.subjects["stream_seq"], "601");
    let said: serde_json::Value = serde_json::from_slice(dead.payload.as_bytes()).unwrap();
    assert_eq!(said["body_b64"], "aGVsbG8gAA==");
    assert!(said["reason"].as_str().unwrap().starts_with("not a CloudEvent of gov: "), "{said}");

    let again = catch_up(&server, &store, IngestConfig::default()).await;
    assert_eq!(again, IngestReport::default());
    store.close().await;
}

#[tokio::test]
async fn what_is_trimmed_is_in_the_store_and_the_last_of_each_subject_stays() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = TestServer::start(Release::Current, dir.path(), "") else { return };
    let trimming = IngestConfig { trim: true, trim_after: 100, ..IngestConfig::default() };
    let store = store(&dir.path().join("events")).await;
    // A subject with one message alone must not lose it.
    publish(&server, &events(buffer(1), 1..=1)).await;
    assert_eq!(catch_up(&server, &store, trimming.clone()).await.trimmed, 0);

    let (one, two) = (events(buffer(1), 1..=400), events(buffer(2), 1..=300));
    publish(&server, &one).await;
    publish(&server, &two).await;
    let report = catch_up(&server, &store, trimming.clone()).await;
    assert_eq!((report.new, report.trimmed), (699, 698));
    assert_eq!(kept(&*store).await, decoded(&[one, two].concat()));

    // Whoever publishes goes on where the stream ends, although it holds one message a subject.
    publish(&server, &events(buffer(1), 390..=410)).await;
    let report = catch_up(&server, &store, trimming).await;
    assert_eq!((report.new, report.known, report.trimmed), (10, 0, 10));
    store.close().await;
}

#[tokio::test]
async fn what_the_store_did_not_keep_is_not_acknowledged_and_comes_again() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = TestServer::start(Release::Current, dir.path(), "") else { return };
    publish(&server, &events(buffer(1), 1..=300)).await;
    let store = Arc::<Double>::default();
    let ingest = async || {
        let reader = ReaderConfig { ack_wait: Duration::from_secs(1), ..ReaderConfig::default() };
        let (events, clock) = (Arc::clone(&store) as _, Arc::new(SystemClock));
        Ingest::connect(config(&server), reader, events, clock, IngestConfig::default())
            .await
            .unwrap()
    };
    store.is(Mood::Fails);
    let failed = timeout(PATIENCE, ingest().await.catch_up()).await.unwrap();
    assert!(matches!(failed, Err(IngestError::Store(_))), "{failed:?}");
    store.is(Mood::Works);
    let report = timeout(PATIENCE, ingest().await.catch_up()).await.unwrap().unwrap();
    assert_eq!((report.new, report.known), (300, 0));
}

/// Killed between any two steps, and once more: each event is in the store once.
#[tokio::test]
async fn whenever_ingest_is_killed_each_event_is_in_the_store_once() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = TestServer::start(Release::Current, dir.path(), "") else { return };
    let place = Place::new();
    let all = events(buffer(1), 1..=900);
    publish(&server, &all[..1]).await;
    publish_foreign(&server, "gov.audit.n-1.other", "hello");
    publish(&server, &all).await;
    let url = server.url();
    let arguments = ["ingest", "--url", &url, "--ack-wait", "1s", "--once"];
    for crash in [
        "ingest-after-append",
        "ingest-before-append",
        "ingest-after-append:2",
        "ingest-after-acknowledge",
    ] {
        let ended = place.gov(&arguments).env("GOV_CRASH_AT", crash).output().unwrap();
        assert_eq!(ended.status.code(), None, "it outlived {crash}: {ended:?}");
    }
    let ran = place.run(&arguments);
    assert_eq!(ran.code, 0, "{ran:?}");
    let store = store(&place.data_dir().join("events")).await;
    let (dead, taken_in): (Vec<_>, _) = kept(&*store)
        .await
        .into_iter()
        .partition(|it| it.kind == AuditEventKind::AuditDeadLettered);
    assert_eq!(dead.len(), 1, "{dead:?}");
    assert_eq!(taken_in, decoded(&all));
    store.close().await;
}

#[tokio::test]
async fn a_server_that_is_killed_costs_time_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut server) = TestServer::start(Release::Current, dir.path(), "") else { return };
    let store = store(&dir.path().join("events")).await;
    let all = events(buffer(1), 1..=300);
    publish(&server, &all[..100]).await;
    let events = Arc::clone(&store) as _;
    let settings = IngestConfig { wait: Duration::from_millis(200), ..IngestConfig::default() };
    let (nats, clock) = (config(&server), Arc::new(SystemClock));
    let connected = Ingest::connect(nats, ReaderConfig::default(), events, clock, settings).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(connected.unwrap().run(stop.clone()));
    arrive(&store, 100).await;
    server.kill();
    server.restart();
    publish(&server, &all).await;
    arrive(&store, 300).await;
    stop.cancel();
    let report = timeout(PATIENCE, running).await.unwrap().unwrap();
    assert_eq!(report.new, 300);
    assert_eq!(kept(&*store).await, decoded(&all));
    store.close().await;
}

/// Keeps what it is asked to, and then its stream's server is dead.
#[derive(Debug)]
struct LastWords {
    store: Double,
    server: Mutex<TestServer>,
}

#[async_trait]
impl AuditEventStore for LastWords {
    async fn append(
        &self,
        events: Vec<AuditEvent>,
        durability: Durability,
    ) -> Result<Appended, StoreError> {
        let appended = self.store.append(events, durability).await;
        self.server.lock().kill();
        appended
    }

    async fn append_from(
        &self,
        source: &str,
        events: Vec<(u64, AuditEvent)>,
    ) -> Result<Appended, StoreError> {
        self.store.append_from(source, events).await
    }

    async fn cursor(&self, source: &str) -> Result<u64, StoreError> {
        self.store.cursor(source).await
    }

    async fn query(&self, filter: &EventFilter, page: &PageRequest) -> Result<Page, StoreError> {
        self.store.query(filter, page).await
    }

    async fn count(&self, filter: &EventFilter) -> Result<u64, StoreError> {
        self.store.count(filter).await
    }
}

#[tokio::test]
async fn what_is_kept_is_counted_although_the_server_does_not_hear_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let Some(server) = TestServer::start(Release::Current, dir.path(), "") else { return };
    publish(&server, &events(buffer(1), 1..=100)).await;
    let (nats, clock) = (config(&server), Arc::new(SystemClock));
    let events = Arc::new(LastWords { store: Double::default(), server: Mutex::new(server) });
    let (reader, settings) = (ReaderConfig::default(), IngestConfig::default());
    let connected = Ingest::connect(nats, reader, Arc::clone(&events) as _, clock, settings).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn(connected.unwrap().run(stop.clone()));
    timeout(PATIENCE, events.store.asked(1)).await.unwrap();
    stop.cancel();
    let report = timeout(PATIENCE, running).await.unwrap().unwrap();
    assert_eq!(report, IngestReport { new: 100, ..IngestReport::default() });
}

/// Looks until so many are kept.
async fn arrive(store: &SqliteEventStore, count: u64) {
    let look = async {
        while store.count(&EventFilter::default()).await.unwrap() < count {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, look).await.unwrap();
}

#[test]
fn without_a_stream_to_read_ingest_says_how_to_name_one() {
    let place = Place::new();
    place.run(&["ingest"]).failed(2, "no stream is named; set `buffer.url`");
    let ran = place.run(&["ingest", "--url", "nats://127.0.0.1:9"]);
    ran.failed(3, "cannot connect to NATS at `127.0.0.1:9`");
    for (named, said) in [
        (["--stream", "a b"], "`buffer.stream` must be a name without spaces and without any of"),
        (["--subject", "a.>"], "`buffer.subject` must be words with dots between them; received"),
    ] {
        let ran = place.run(&[&["ingest", "--url", "nats://127.0.0.1:9"], &named[..]].concat());
        ran.failed(2, said);
    }
    let ran = place.run(&["ingest", "--url", "nats://me:hunter22@h"]);
    ran.failed(2, "`buffer.url` must be without user and password; received `h`");
    let ran = place.run(&["ingest", "--durable", "a.b"]);
    assert_eq!((ran.code, ran.err.contains("without any of `.*>/\\`")), (2, true), "{ran:?}");
}

#[test]
fn beside_a_server_on_files_ingest_sends_nobody_to_a_door_that_is_not_there() {
    let place = Place::new();
    let server = place.serve(&[]);
    let ran = place.run(&["ingest", "--url", "nats://127.0.0.1:9"]);
    ran.failed(3, "is in use by process");
    assert!(!ran.err.contains("GOV_URL"), "{ran:?}");
    drop(server);
}
