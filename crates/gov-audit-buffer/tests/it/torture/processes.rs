//! Lives with real processes: a publisher and a server that are killed, a network that loses what
//! comes back, a server that stands still.

use std::{
    io::{BufRead as _, BufReader, Lines, Write as _},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
    sync::Arc,
    time::Duration,
};

use gov_audit_buffer::{
    AuditPublisher, BufferConfig, Durability, EventBuffer, Mode, Published, PublisherConfig,
    publisher::breaker::BreakerConfig,
    sink::nats::{
        NatsAuditSink, NatsConfig,
        test_server::{Release, TestServer},
    },
};
use gov_core::{AuditEvent, EventId, SystemClock, dice::Dice};

use crate::{
    events::event,
    nats::{
        proxy::Proxy,
        world::{NODE, World},
    },
};

const DIR: &str = "GOV_TEST_BUFFER_DIR";
const URL: &str = "GOV_TEST_BUFFER_URL";
/// So many events a child publishes; 0 only ships what waits.
const EVENTS: &str = "GOV_TEST_BUFFER_EVENTS";

/// A child that publishes and ships; killed when it is dropped.
struct Publisher {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// What one life has heard.
#[derive(Default)]
struct Heard {
    /// Acknowledged, in its order.
    kept: Vec<EventId>,
    /// Each killed child may leave one event of whose place nobody was told.
    kills: usize,
}

/// Lives the life of `seed`; `None` where the machine has no such server.
pub(super) async fn live(seed: u64) -> Option<String> {
    let mut dice = Dice::of(seed);
    let release = if dice.roll(3) == 0 { Release::Old } else { Release::Current };
    let mut world = World::start(release)?;
    let mut proxy = Proxy::before(world.server.port()).await;
    let mut heard = Heard::default();
    let mut log = Vec::new();
    for _ in 0..3 + dice.roll(4) {
        let mut child = Publisher::start(world.dir.path(), &proxy.url(), 2_000);
        child.read(&mut heard, 1 + dice.roll(400));
        let trouble = match dice.roll(5) {
            0 => "kill the publisher",
            1 => {
                world.server.kill();
                child.read(&mut heard, 1 + dice.roll(100));
                world.server.restart();
                "kill the server"
            }
            2 => {
                world.server.pause();
                child.read(&mut heard, 1 + dice.roll(100));
                world.server.resume();
                "let the server stand still"
            }
            3 => {
                proxy.swallow_answers();
                child.read(&mut heard, 1 + dice.roll(300));
                proxy.heal();
                "lose answers"
            }
            _ => {
                proxy.heal();
                "cut the network"
            }
        };
        log.push(trouble);
        child.read(&mut heard, dice.roll(100));
        child.kill(&mut heard);
    }
    // In the end nothing is in the way.
    proxy = Proxy::before(world.server.port()).await;
    let mut last = Publisher::start(world.dir.path(), &proxy.url(), 0);
    last.drained();
    check(seed, &world.server, &world, &heard, &log).await;
    Some(format!("{seed} {release:?} {}", log.join(", ")))
}

/// The stream is what was acknowledged, and what a killed publisher had no time to hear of.
async fn check(seed: u64, server: &TestServer, world: &World, heard: &Heard, log: &[&str]) {
    let stored: Vec<EventId> = world.stored().await.into_iter().map(|(.., id)| id).collect();
    let mut unique = stored.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), stored.len(), "seed {seed}: an event is there twice: {log:?}");
    let kept: std::collections::HashSet<_> = heard.kept.iter().collect();
    let (told, untold): (Vec<EventId>, Vec<EventId>) =
        stored.iter().copied().partition(|it| kept.contains(it));
    assert!(told == heard.kept, "seed {seed}: not what was acknowledged, in its order: {log:?}");
    let url = server.url();
    assert!(untold.len() <= heard.kills, "seed {seed}: {} untold at {url}: {log:?}", untold.len());
}

impl Publisher {
    fn start(dir: &Path, url: &str, events: u32) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["torture::processes::publishes_until_it_is_killed", "--exact", "--quiet"]);
        command.args(["--ignored", "--nocapture"]);
        command.env(DIR, dir).env(URL, url).env(EVENTS, events.to_string());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// Reads until `count` more events are acknowledged, or the child has no more.
    fn read(&mut self, heard: &mut Heard, count: u64) {
        let mut left = count;
        while left > 0 {
            let Some(Ok(line)) = self.lines.next() else { return };
            match line.rsplit_once("kept ") {
                Some((_, id)) => {
                    heard.kept.push(id.parse().unwrap());
                    left -= 1;
                }
                None if line.contains("no more") => return,
                None => (),
            }
        }
    }

    /// Kills it, and reads what it has said.
    fn kill(mut self, heard: &mut Heard) {
        self.child.kill().unwrap();
        heard.kills += 1;
        self.read(heard, u64::MAX);
        self.child.wait().unwrap();
    }

    /// Waits until it says that nothing waits any more.
    fn drained(&mut self) {
        let drained = self.lines.by_ref().map_while(Result::ok).any(|it| it.contains("drained"));
        assert!(drained, "the last publisher ended early");
        self.child.wait().unwrap();
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
#[ignore = "plays the publisher of the lives with real processes"]
fn publishes_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let url = std::env::var(URL).unwrap();
    let events: u64 = std::env::var(EVENTS).unwrap().parse().unwrap();
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(publish(Path::new(&dir), &url, events));
}

async fn publish(dir: &Path, url: &str, events: u64) {
    let clock = Arc::new(SystemClock);
    let config = BufferConfig { node: NODE.to_owned(), ..BufferConfig::default() };
    let buffer = EventBuffer::open(&dir.join("audit-buffer.db"), config, clock.clone()).unwrap();
    let mut nats = NatsConfig::new(vec![url.parse().unwrap()], NODE);
    nats.timeout = Duration::from_millis(500);
    let sink = Arc::new(NatsAuditSink::new(nats, clock.clone()).unwrap());
    let quick = Duration::from_millis(20);
    let config = PublisherConfig {
        mode: Mode::WriteAhead,
        breaker: BreakerConfig {
            first_retry: quick,
            longest_retry: Duration::from_millis(200),
            ..BreakerConfig::default()
        },
        ..PublisherConfig::default()
    };
    let publisher = AuditPublisher::with(sink, buffer, config, clock);
    let flush_loop = publisher.spawn_reconnect_flush_loop(quick);
    for n in 0..events {
        let event: AuditEvent = event(n);
        let id = event.id;
        // One in four waits for the disk: the pace of a real gateway is mixed too.
        let durability = if n % 4 == 0 { Durability::Durable } else { Durability::Spooled };
        let answer = publisher.publish_as(event, durability).await;
        assert!(
            matches!(answer, Published::Durable { .. } | Published::Spooled { .. }),
            "{answer:?}"
        );
        say(&format!("kept {id}"));
    }
    if events > 0 {
        say("no more");
        std::future::pending::<()>().await;
    }
    while publisher.buffered_len() > 0 {
        publisher.flush_pending().await;
    }
    flush_loop.stop().await;
    publisher.buffer().close().await;
    say("drained");
}

/// One `write(2)`: what was said is said, also if the process dies next.
fn say(text: &str) {
    std::io::stdout().write_all(format!("{text}\n").as_bytes()).unwrap();
}
