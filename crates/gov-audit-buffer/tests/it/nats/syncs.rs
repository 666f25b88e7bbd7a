//! What a stream costs whose server syncs before it answers.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Stdio},
};

use gov_audit_buffer::{
    Outgoing,
    sink::nats::{NatsAuditSink, test_server::Release},
};

use super::world::{World, batch, drain, fresh_buffer};

/// Counts the syncs of a process while it lives.
struct Syncs {
    strace: Child,
    file: tempfile::NamedTempFile,
}

impl Syncs {
    /// `None` where strace is missing, which is said, and fails under `CI=true`.
    fn of(pid: u32) -> Option<Self> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let strace = Command::new("strace")
            .args(["-f", "-e", "trace=fsync,fdatasync", "-o"])
            .arg(file.path())
            .args(["-p", &pid.to_string()])
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut strace) = strace else {
            let missing = "the tests of durability need strace";
            assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
            // Not `eprintln!`: the test harness swallows it.
            std::io::stderr().write_all(format!("skipped: {missing}\n").as_bytes()).unwrap();
            return None;
        };
        let mut line = String::new();
        BufReader::new(strace.stderr.as_mut().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains("attached"), "{line}");
        Some(Self { strace, file })
    }

    fn count(mut self) -> usize {
        let pid = self.strace.id().to_string();
        Command::new("kill").args(["-s", "INT", &pid]).status().unwrap();
        self.strace.wait().unwrap();
        let trace = std::fs::read_to_string(self.file.path()).unwrap();
        // Each call once: where it began.
        trace.lines().filter(|it| it.contains("sync(")).count()
    }
}

#[tokio::test]
async fn an_atomic_batch_costs_a_server_that_always_syncs_a_twentieth_of_single_messages() {
    let config = "jetstream { sync_interval: always }";
    let Some(world) = World::with(Release::Current, config) else { return };
    let (sink, buffer) = (world.sink(), fresh_buffer());
    let events = batch(buffer, 1..=1124);
    let (single, batches) = events.split_at(100);
    one_by_one(&sink, &single[..1]).await;
    let Some(syncs) = Syncs::of(world.server.pid()) else { return };
    one_by_one(&sink, &single[1..]).await;
    let of_single = syncs.count();
    assert!(of_single >= 99, "the server answers before it syncs: {of_single}");
    let Some(syncs) = Syncs::of(world.server.pid()) else { return };
    drain(&sink, batches).await;
    let of_batches = syncs.count();
    world.holds(&events).await;
    let line = format!("syncs: {of_single} for 99 single messages, {of_batches} for 4 x 256\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
    assert!(of_batches * 20 * 99 <= of_single * batches.len(), "{line}");
}

async fn one_by_one(sink: &NatsAuditSink, events: &[Outgoing]) {
    for event in events.chunks(1) {
        drain(sink, event).await;
    }
}
