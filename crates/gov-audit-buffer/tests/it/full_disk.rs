//! A disk that is full: nothing that was acknowledged is lost, and it goes on by itself.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use gov_audit_buffer::{
    BufferConfig, Durability, EventBuffer,
    buffer::{AppendError, GapReason, Space},
    sink::memory::MemorySink,
};
use gov_core::{AuditEventKind, EventId, Payload, SystemClock};
use serde_json::{Value, json};

use crate::events::event;

const DIR: &str = "GOV_TEST_SMALL_DISK";
const DISK_MIB: u32 = 64;

/// A command that plays `test` in a process of its own, on a disk of its own that is small. `None`
/// where such a disk cannot be had, which is said, and fails under `CI=true`.
fn on_a_small_disk(test: &str, dir: &Path) -> Option<Command> {
    let mount = format!("mount -t tmpfs -o size={DISK_MIB}m tmpfs \"$0\" && exec \"$@\"");
    let private = |tail: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", &mount]).arg(dir).args(tail);
        command
    };
    if !private(&["true"]).stderr(Stdio::null()).status().is_ok_and(|it| it.success()) {
        let missing = "the tests of a full disk need `unshare` and `mount`, and leave to use them";
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        // Not `eprintln!`: the test harness swallows it.
        std::io::stderr().write_all(format!("skipped: {missing}\n").as_bytes()).unwrap();
        return None;
    }
    let program = std::env::current_exe().unwrap();
    let mut command = private(&[program.to_str().unwrap()]);
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(DIR, dir);
    Some(command)
}

fn play(test: &str) {
    let dir = tempfile::tempdir().unwrap();
    let Some(mut command) = on_a_small_disk(test, dir.path()) else { return };
    let output = command.output().unwrap();
    let readable = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", readable(&output.stdout), readable(&output.stderr));
    assert!(readable(&output.stdout).contains("1 passed"), "{}", readable(&output.stdout));
}

#[test]
fn on_a_full_disk_events_are_refused_and_what_waits_is_sent_until_there_is_room_again() {
    play("full_disk::plays_a_sink_that_comes_back");
}

#[test]
fn when_somebody_else_makes_room_events_are_taken_again() {
    play("full_disk::plays_somebody_who_makes_room");
}

#[test]
fn a_buffer_opens_on_a_full_disk_and_can_be_emptied() {
    play("full_disk::plays_a_restart");
}

/// A buffer on the small disk, and what it acknowledged.
struct Full {
    path: PathBuf,
    buffer: EventBuffer,
    acknowledged: Vec<EventId>,
    refused: u64,
}

impl Full {
    fn open(path: &Path) -> EventBuffer {
        EventBuffer::open(path, BufferConfig::default(), Arc::new(SystemClock)).unwrap()
    }

    /// Appends until the disk is full, every other one durably.
    async fn reach(dir: &Path) -> Self {
        let path = dir.join("audit-buffer.db");
        let buffer = Self::open(&path);
        let mut it = Self { path, buffer, acknowledged: Vec::new(), refused: 0 };
        assert!(it.ballast().exists());
        for n in 0..10_000 {
            if let Err(error) = it.append(n).await {
                let AppendError::Full { missing: Space::Disk } = error else { panic!("{error}") };
                assert!(!it.ballast().exists(), "the ballast is still there");
                return it;
            }
        }
        panic!("the disk never was full");
    }

    fn ballast(&self) -> PathBuf {
        self.path.with_extension("ballast")
    }

    async fn append(&mut self, n: u64) -> Result<u64, AppendError> {
        let mut event = event(n);
        event.payload = Payload::seal(&json!({"n": n, "text": "x".repeat(60_000)})).unwrap();
        let durability =
            if n.is_multiple_of(2) { Durability::Durable } else { Durability::Spooled };
        let appended = self.buffer.append(&event, durability).await;
        match &appended {
            Ok(_) => self.acknowledged.push(event.id),
            Err(_) => self.refused += 1,
        }
        appended
    }

    async fn append_once_there_is_room(&mut self, n: u64) {
        let tries = async {
            while self.append(n).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), tries).await.unwrap();
    }

    /// Sends everything, and finds all that was acknowledged, in order, and the rest accounted for.
    async fn check(self) {
        let sink = MemorySink::new();
        self.buffer.write_gaps().await.unwrap();
        self.buffer.drain_and_send(&sink).await;
        self.check_sent(&sink).await;
    }

    async fn check_sent(self, sink: &MemorySink) {
        let (gaps, sent): (Vec<_>, Vec<_>) = sink
            .kept()
            .into_iter()
            .map(|it| it.event)
            .partition(|it| it.kind == AuditEventKind::AuditGap);
        let sent: Vec<_> = sent.iter().map(|it| it.id).collect();
        assert!(sent == self.acknowledged, "{} of {}", sent.len(), self.acknowledged.len());
        let reason = serde_json::to_value(GapReason::DiskFull).unwrap();
        let missing: u64 = gaps
            .iter()
            .map(|it| serde_json::from_slice(it.decode().unwrap().payload.as_bytes()).unwrap())
            .filter(|it: &Value| it["reason"] == reason)
            .map(|it| it["count"].as_u64().unwrap())
            .sum();
        assert_eq!(missing, self.refused);
        self.buffer.close().await;
    }
}

fn here() -> Option<PathBuf> {
    std::env::var_os(DIR).map(PathBuf::from)
}

#[tokio::test]
#[ignore = "plays on the small disk of the other tests of this file"]
async fn plays_a_sink_that_comes_back() {
    let Some(dir) = here() else { return };
    let mut it = Full::reach(&dir).await;
    for n in 10_000..10_003 {
        let error = it.append(n).await.unwrap_err();
        assert!(matches!(error, AppendError::Full { missing: Space::Disk }), "{error}");
    }
    let waiting = it.buffer.len();
    assert!(waiting >= it.acknowledged.len() as u64);
    let sink = MemorySink::new();
    assert_eq!(it.buffer.drain_and_send(&sink).await as u64, waiting);
    // The sink has made the room: it is there once the log is cut, which waits for nobody's commit.
    it.append_once_there_is_room(20_000).await;
    assert!(it.ballast().exists(), "the ballast is taken again");
    it.buffer.write_gaps().await.unwrap();
    it.buffer.drain_and_send(&sink).await;
    it.check_sent(&sink).await;
}

#[tokio::test]
#[ignore = "plays on the small disk of the other tests of this file"]
async fn plays_somebody_who_makes_room() {
    let Some(dir) = here() else { return };
    let foreign = dir.join("foreign");
    rustix::fs::fallocate(
        File::create(&foreign).unwrap(),
        rustix::fs::FallocateFlags::empty(),
        0,
        24 << 20,
    )
    .unwrap();
    let mut it = Full::reach(&dir).await;
    it.append(10_000).await.unwrap_err();
    fs::remove_file(foreign).unwrap();
    for n in 20_000..20_100 {
        it.append(n).await.unwrap();
    }
    assert!(it.ballast().exists(), "the ballast is taken again");
    it.check().await;
}

#[tokio::test]
#[ignore = "plays on the small disk of the other tests of this file"]
async fn plays_a_restart() {
    let Some(dir) = here() else { return };
    let mut it = Full::reach(&dir).await;
    it.buffer.write_gaps().await.unwrap();
    it.buffer.close().await;
    it.buffer = Full::open(&it.path);
    let error = it.append(10_000).await.unwrap_err();
    assert!(matches!(error, AppendError::Full { missing: Space::Disk }), "{error}");
    it.check().await;
}
