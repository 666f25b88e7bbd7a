//! A second process: this test binary again, which appends until it is killed.

use std::{io::Write as _, path::Path, process::Command, sync::Arc, time::Duration};

use gov_core::SystemClock;
use gov_retention::event_store::{
    AuditEventStore, Durability,
    conformance::sample::{event, start},
    sqlite::SqliteEventStore,
};

const DIR: &str = "GOV_TEST_RETENTION_DIR";

/// The source that the child appends from.
pub(crate) const SOURCE: &str = "log";

/// The first number of the events that come from the source; seq `s` is event `SOURCED + s`.
pub(crate) const SOURCED: u64 = 1_000_000;

/// A command that appends to the folder `dir`.
pub(crate) fn command(dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["child::appends_until_it_is_killed", "--exact", "--nocapture", "--quiet"]);
    command.args(["--ignored"]);
    command.env(DIR, dir).env_remove("GOV_CRASH_AT");
    command
}

#[test]
#[ignore = "plays the child of the crash tests"]
fn appends_until_it_is_killed() {
    let Some(dir) = std::env::var_os(DIR) else { return };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let dir = Path::new(&dir).join("events");
        let store = SqliteEventStore::open(&dir, Arc::new(SystemClock)).await.unwrap();
        let mut seq = store.cursor(SOURCE).await.unwrap();
        for n in 0.. {
            // Some a day: files are opened and closed while this goes on.
            let at = start() + Duration::from_hours(3) * n;
            store.append(vec![event(n.into(), at)], Durability::Spooled).await.unwrap();
            say(&format!("spooled {n}"));
            if n % 3 == 0 {
                let batch = (1..=4).map(|it| (seq + it, sourced(seq + it)));
                store.append_from(SOURCE, batch.collect()).await.unwrap();
                seq += 4;
                say(&format!("sourced {seq}"));
            }
        }
    });
}

/// The event that the source has under `seq`: days change within a batch, back and forth.
pub(crate) fn sourced(seq: u64) -> gov_core::AuditEvent {
    let day = u32::try_from(seq * 5 % 7).unwrap();
    event(SOURCED + seq, start() + Duration::from_hours(24) * day)
}

/// One `write(2)`: what was said is said, also if the process dies next.
fn say(text: &str) {
    std::io::stdout().write_all(format!("@{text}\n").as_bytes()).unwrap();
    std::io::stdout().flush().unwrap();
}
