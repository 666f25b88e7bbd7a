//! What waits goes to a real NATS server, beside one publish at a time that is waited for.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use async_nats::jetstream::{self, stream::Config};
use gov_audit_buffer::{
    AuditPublisher, BufferConfig, Durability, EventBuffer, cloud_event,
    sink::nats::{
        NatsAuditSink, NatsConfig,
        test_server::{Release, TestServer},
    },
};
use gov_core::SystemClock;
use gov_store::bench::{Bench, Goal, Line, far};
use tokio::runtime::Runtime;

use super::{appends::appends, events::events};

/// Events a second to a server as it comes and to one that syncs each write, on this machine and
/// over a network.
pub(crate) fn to_nats(bench: Bench, runtime: &Runtime) {
    let always = "jetstream { sync_interval: always }";
    let (near, far) = (Duration::ZERO, Duration::from_millis(1));
    let cases = [(300, "300 B", near), (8 << 10, "8 KiB", near), (300, "300 B", far)];
    for (name, setting) in [("sync_interval 2m", ""), ("sync_interval always", always)] {
        for (payload, size, delay) in cases {
            let dir = tempfile::tempdir().unwrap();
            let Some(server) = TestServer::start(Release::Current, dir.path(), setting) else {
                return;
            };
            let url = runtime.block_on(reached(&server, delay));
            let count = if bench.once { 512 } else { 51_200 };
            let ours = runtime.block_on(drained(&url, count, payload));
            let singles = if bench.once { 50 } else { 4_000 };
            let baseline = runtime.block_on(one_by_one(&url, singles, payload));
            bench.print(&Line {
                case: format!(
                    "drain of {count} to NATS {}, {size}, {name}, beside publish and wait",
                    if delay.is_zero() { "on loopback" } else { "1 ms away" }
                ),
                ours,
                baseline,
                unit: "events/s",
                goal: Goal::AtLeast(10.0),
            });
        }
    }
}

/// Where `server` is reached with `delay` in each direction.
async fn reached(server: &TestServer, delay: Duration) -> String {
    if delay.is_zero() {
        return server.url();
    }
    format!("nats://127.0.0.1:{}", far::before(server.port(), delay).await.unwrap())
}

async fn drained(url: &str, count: u32, payload: usize) -> f64 {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(SystemClock);
    let path = dir.path().join("audit-buffer.db");
    let buffer = EventBuffer::open(&path, BufferConfig::default(), clock.clone()).unwrap();
    appends(&buffer, 512, events(count, payload), Durability::Spooled).await;
    let config = NatsConfig::new(vec![url.parse().unwrap()], "bench");
    let sink = NatsAuditSink::new(config, clock).unwrap();
    let publisher = AuditPublisher::new(Arc::new(sink), buffer);
    let started = Instant::now();
    assert_eq!(publisher.flush_pending().await, count as usize);
    let seconds = started.elapsed().as_secs_f64();
    publisher.buffer().close().await;
    f64::from(count) / seconds
}

async fn one_by_one(url: &str, count: u32, payload: usize) -> f64 {
    let context = jetstream::new(async_nats::connect(url).await.unwrap());
    let subjects = vec!["naive".to_owned()];
    let config = Config { name: "NAIVE".to_owned(), subjects, ..Config::default() };
    context.create_stream(config).await.unwrap();
    let events = events(count, payload);
    let started = Instant::now();
    for event in &events {
        let body = cloud_event::encode(event, "bench").unwrap();
        context.publish("naive", body.into()).await.unwrap().await.unwrap();
    }
    f64::from(count) / started.elapsed().as_secs_f64()
}
