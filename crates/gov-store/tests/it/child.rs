//! Second processes: this test binary again, in another role.

use std::{
    io::{self, Write as _},
    path::Path,
    process::Command,
};

use gov_core::Timestamp;
use gov_store::{
    lock::DataDirLock,
    sqlite::{Database, DatabaseOptions, Sync, WriteError},
};

use crate::notes::{NOTES, write};

const ROLE: &str = "GOV_TEST_ROLE";
const DIR: &str = "GOV_TEST_DIR";

/// A command that plays `role` in the directory `dir`.
pub(crate) fn command(role: &str, dir: &Path) -> Command {
    wrapped(None, role, dir)
}

/// The same, started through `wrapper`: a program and its arguments.
pub(crate) fn wrapped(wrapper: Option<&[&str]>, role: &str, dir: &Path) -> Command {
    let this = std::env::current_exe().unwrap();
    let mut command = match wrapper {
        Some([program, arguments @ ..]) => {
            let mut command = Command::new(program);
            command.args(arguments).arg(this);
            command
        }
        _ => Command::new(this),
    };
    command.args(["child::plays_its_role", "--exact", "--nocapture", "--quiet"]);
    command.env(ROLE, role).env(DIR, dir).env_remove("GOV_CRASH_AT");
    command
}

/// Not a test of its own: without a role it has nothing to do.
#[test]
fn plays_its_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let dir = std::env::var(DIR).unwrap();
    let dir = Path::new(&dir);
    match role.as_str() {
        "lock" => hold_the_lock(dir),
        "levels" => in_runtime(spooled_then_full(dir)),
        "full" => in_runtime(full_until_the_end(dir)),
        "serve" => in_runtime(serve(dir)),
        other => panic!("no role `{other}`"),
    }
}

/// One `write(2)`, so that a trace shows it in its order.
fn say(text: &str) {
    io::stdout().write_all(format!("{text}\n").as_bytes()).unwrap();
    io::stdout().flush().unwrap();
}

fn wait_for_the_parent() {
    let mut line = String::new();
    io::stdin().read_line(&mut line).unwrap();
}

fn in_runtime(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(work);
}

fn open(dir: &Path) -> Database {
    let options = DatabaseOptions {
        idle_after: std::time::Duration::from_hours(1),
        ..DatabaseOptions::new("test")
    };
    Database::open(&dir.join("gov.db"), &options, &[&NOTES], Timestamp::UNIX_EPOCH).unwrap()
}

fn hold_the_lock(dir: &Path) {
    let _lock = DataDirLock::acquire(dir).unwrap();
    say("locked");
    wait_for_the_parent();
}

async fn spooled_then_full(dir: &Path) {
    let database = open(dir);
    write(&database.writer, Sync::Full, 0).await.unwrap();
    say("spooled begins");
    for line in 1..=20 {
        write(&database.writer, Sync::Spooled, line).await.unwrap();
        say(&format!("acknowledged {line}"));
    }
    say("full begins");
    for line in 21..=40 {
        write(&database.writer, Sync::Full, line).await.unwrap();
        say(&format!("acknowledged {line}"));
    }
    say("ends");
    // Without a close: that would move the log, with syncs of its own.
    std::process::exit(0);
}

/// Writes lines 1 to 60 and says what became of each; one of unknown fate is repeated.
async fn full_until_the_end(dir: &Path) {
    let database = open(dir);
    for line in 1..=60 {
        loop {
            match write(&database.writer, Sync::Full, line).await {
                Err(WriteError::Commit(_)) => say(&format!("unknown {line}")),
                // Refused: the repeated line was in the file after all.
                Ok(()) | Err(WriteError::Job(_)) => break say(&format!("acknowledged {line}")),
                Err(other) => panic!("{other}"),
            }
        }
    }
    database.close().await;
    say("closed");
}

/// Writes a line, and one more each time the parent asks.
async fn serve(dir: &Path) {
    let database = open(dir);
    for line in 1.. {
        write(&database.writer, Sync::Spooled, line).await.unwrap();
        say(&format!("acknowledged {line}"));
        let mut request = String::new();
        if io::stdin().read_line(&mut request).unwrap() == 0 {
            break;
        }
    }
    database.close().await;
}
