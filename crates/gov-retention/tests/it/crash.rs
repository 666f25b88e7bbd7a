//! What was acknowledged outlives the process, wherever it dies.

use std::{
    collections::BTreeSet,
    io::{BufRead as _, BufReader},
    path::Path,
    process::Stdio,
};

use gov_core::EventId;
use gov_retention::event_store::{
    AuditEventStore,
    conformance::sample::{all, id},
    sqlite::CRASH_POINTS,
};

use crate::{
    child::{self, SOURCE, SOURCED},
    sqlite::open,
};

/// What the child has said.
#[derive(Debug, Default)]
struct Said {
    spooled: Vec<u64>,
    sourced: u64,
}

impl Said {
    fn hear(&mut self, line: &str) {
        let number = |text: &str| text.parse::<u64>().unwrap();
        if let Some(it) = line.strip_prefix("@spooled ") {
            self.spooled.push(number(it));
        } else if let Some(it) = line.strip_prefix("@sourced ") {
            self.sourced = number(it);
        }
    }
}

#[tokio::test]
async fn a_killed_process_loses_nothing_that_it_acknowledged_and_cursors_agree_with_rows() {
    let folder = tempfile::tempdir().unwrap();
    // One folder for all: each child goes on where the one before was cut off.
    for lines in [1, 20, 45] {
        let mut child = child::command(folder.path()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = Said::default();
        let mut heard = 0;
        for line in BufReader::new(child.stdout.take().unwrap()).lines() {
            let line = line.unwrap();
            heard += usize::from(line.starts_with('@'));
            said.hear(&line);
            // SIGKILL. What it says meanwhile is still in the pipe, and heard.
            if heard == lines {
                child.kill().unwrap();
            }
        }
        assert!(!child.wait().unwrap().success());
        assert!(heard >= lines, "ended by itself after {heard} lines");
        keeps(folder.path(), &said).await;
    }
}

#[tokio::test]
async fn a_crash_between_two_days_or_around_a_commit_keeps_a_prefix_of_the_source() {
    let points = CRASH_POINTS.iter().chain(&["store-before-commit", "store-after-commit"]);
    for point in points {
        for nth in [1, 2, 7, 18] {
            let folder = tempfile::tempdir().unwrap();
            let mut command = child::command(folder.path());
            let output = command.env("GOV_CRASH_AT", format!("{point}:{nth}")).output().unwrap();
            assert!(!output.status.success(), "{point}:{nth} was not passed");
            let mut said = Said::default();
            String::from_utf8(output.stdout).unwrap().lines().for_each(|it| said.hear(it));
            keeps(folder.path(), &said).await;
        }
    }
}

async fn keeps(folder: &Path, said: &Said) {
    let store = open(folder).await;
    let ids: Vec<EventId> = all(&store).await.into_iter().map(|it| it.id).collect();
    let found: BTreeSet<EventId> = ids.iter().copied().collect();
    assert_eq!(found.len(), ids.len(), "an event is there twice");
    for n in &said.spooled {
        assert!(found.contains(&id(*n)), "lost event {n} of {said:?}");
    }
    let cursor = store.cursor(SOURCE).await.unwrap();
    assert!(said.sourced <= cursor, "the cursor fell back to {cursor}: {said:?}");
    let from_source: BTreeSet<EventId> = found.range(id(SOURCED)..).copied().collect();
    let wanted: BTreeSet<EventId> = (1..=cursor).map(|seq| id(SOURCED + seq)).collect();
    assert_eq!(from_source, wanted, "cursor {cursor} and rows disagree");

    // What is brought again goes on from there, and what was kept stays once.
    let batch: Vec<_> = (1..=cursor + 3).map(|seq| (seq, child::sourced(seq))).collect();
    let done = store.append_from(SOURCE, batch).await.unwrap();
    assert_eq!((done.new, done.known), (3, cursor));
    store.close().await;
}
