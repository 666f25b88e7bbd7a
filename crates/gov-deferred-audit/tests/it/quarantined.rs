//! Records that no sink took, and dead letters wherever they lie, also at rest.

use std::{path::Path, sync::Arc};

use gov_core::{Payload, SystemClock};
use gov_deferred_audit::{
    DeadLetter, DeadLetters, Durability, LogConfig, LogRecord, SignedLog, close_and_flush,
    dead_letter::{
        AtStart, Lies, PAGE_BYTES, find_dead_letter, find_dead_letter_postgres, list_dead_letters,
        list_dead_letters_postgres,
    },
};
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use crate::{
    dead_letters::{CAUSE, die, ids, letters},
    fixture::{Fixture, append},
    nodes::Nodes,
    support,
};

/// Leaves `record` in the quarantine, as a sink does that panics and keeps no dead letters.
pub(crate) async fn quarantine(dir: &Path, record: &LogRecord) {
    let mut it = support::Fixture::new();
    it.config.quarantine = dir.to_owned();
    it.log.lock().poison.insert(record.id);
    it.log.lock().no_dead_letters = true;
    let (queue, supervisor) = it.start();
    queue.try_submit(record.clone(), Durability::Spooled).unwrap();
    let _ = close_and_flush(&queue, supervisor).await;
    assert!(dir.join(format!("record-{}.bin", record.id)).exists());
}

#[tokio::test]
async fn quarantined_records_are_listed_shown_replayed_and_discarded_as_dead_letters() {
    let it = Fixture::new();
    let log = it.open().await;
    let (letters, dir) = (letters(&it, &log), it.folder.path().join("quarantine"));
    assert_eq!(letters.list(None, 10).await.unwrap(), []);
    let records = support::records(4);
    for record in &records {
        quarantine(&dir, record).await;
    }
    // Neither a half-written record nor a damaged range of the spool is a letter.
    std::fs::write(dir.join(format!("record-{}.part", records[0].id)), b"half").unwrap();
    std::fs::write(dir.join("spool-00000000-1-32.bin"), b"damaged").unwrap();
    let listed = letters.list(None, 10).await.unwrap();
    assert!(listed.is_sorted_by_key(DeadLetter::place) && listed.len() == 4, "{listed:?}");
    for record in &records {
        let shown = letters.get(record.id).await.unwrap().unwrap();
        assert_eq!((shown.lies, shown.record().unwrap()), (Lies::Quarantine, record.clone()));
        assert!(listed.contains(&shown));
    }
    let replayed = letters.replay_one(records[0].id).await.unwrap();
    assert_eq!(replayed.appended, [(records[0].id, 1)]);
    let discarded = letters.discard(records[1].id, "per_7", "a test").await.unwrap();
    assert_eq!(discarded.seq, 2);
    assert_eq!(letters.list(None, 10).await.unwrap().len(), 2);
    let rest = letters.replay(None, 10).await.unwrap();
    assert_eq!(rest.appended.len(), 2);
    assert_eq!(letters.list(None, 10).await.unwrap(), []);
    let mut left: Vec<_> =
        std::fs::read_dir(dir).unwrap().map(|it| it.unwrap().file_name()).collect();
    left.sort();
    let part = format!("record-{}.part", records[0].id);
    assert_eq!(left, [part.as_str(), "spool-00000000-1-32.bin"]);
}

#[tokio::test]
async fn quarantined_records_are_tried_once_at_start_and_stay_letters_if_they_are_refused() {
    let it = Fixture::new();
    let log = it.open().await;
    let dir = it.folder.path().join("quarantine");
    let (good, bad) = (it.record(1), it.record(7));
    for record in [&good, &bad] {
        quarantine(&dir, record).await;
    }
    let known = it.record(2);
    append(&log, std::slice::from_ref(&known)).await;
    quarantine(&dir, &known).await;
    std::fs::write(dir.join(format!("record-{}.bin", it.record(3).id)), b"no record").unwrap();
    Connection::open(&it.config.database).unwrap().execute_batch(CAUSE).unwrap();
    for wanted in [AtStart { appended: 1, still_dead: 1 }, AtStart { appended: 0, still_dead: 1 }] {
        let done = letters(&it, &log).replay_at_start(CancellationToken::new()).await;
        assert_eq!(done, wanted);
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1, "what is no record stays");
    }
    assert_eq!(log.find(good.id).await.unwrap(), Some((1, 2)));
    let letter = log.dead_letter(bad.id).await.unwrap().unwrap();
    assert_eq!((letter.lies, letter.record().unwrap()), (Lies::Table, bad));
    assert_eq!(log.committed().borrow().size, 2);
}

#[tokio::test]
async fn pages_of_table_and_quarantine_join_without_a_gap_or_a_repeat() {
    let it = Fixture::new();
    let config = LogConfig::in_dir(it.folder.path());
    let log = SignedLog::open(config, Arc::new(SystemClock)).await.unwrap();
    let dir = it.folder.path().join("quarantine");
    let mut records = support::records(12);
    for n in [5, 7] {
        let large = vec![b' '; usize::try_from(PAGE_BYTES).unwrap() / 2];
        records[n].payload = Payload::from_parts(large, [0; 16]);
    }
    for pair in records.chunks(2) {
        quarantine(&dir, &pair[0]).await;
        die(&log, &pair[1]).await;
    }
    let database = it.folder.path().join("audit-log.db");
    for limit in [1, 3, 4, 100] {
        let (mut read, mut after) = (Vec::new(), None);
        loop {
            let page = letters(&it, &log).list(after, limit).await.unwrap();
            let at_rest = list_dead_letters(&database, &dir, after, limit).unwrap();
            assert_eq!(page, at_rest);
            let Some(last) = page.last() else { break };
            after = Some(last.place());
            read.extend(page);
        }
        assert_eq!(ids(&read), support::ids(&records), "limit {limit}");
    }
}

#[tokio::test]
async fn dead_letters_are_read_from_a_file_at_rest() {
    let it = Fixture::new();
    let log = it.open().await;
    let dir = it.folder.path().join("quarantine");
    let [table, aside, unknown] = [0, 1, 2].map(|n| it.record(n));
    die(&log, &table).await;
    quarantine(&dir, &aside).await;
    log.close().await;
    let find = |id| find_dead_letter(&it.config.database, &dir, id).unwrap();
    assert_eq!(find(table.id).unwrap().record().unwrap(), table);
    assert_eq!(find(aside.id).unwrap().record().unwrap(), aside);
    assert_eq!(find(unknown.id), None);
    let listed = list_dead_letters(&it.config.database, &dir, None, 10).unwrap();
    // The file's time is the real one, the table's that of the test's clock.
    assert_eq!(ids(&listed), [table.id, aside.id]);
    assert!(list_dead_letters(it.folder.path(), &dir, None, 10).is_err());
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(list_dead_letters(&it.config.database, &dir, None, 10).unwrap(), listed[..1]);
}

#[tokio::test]
async fn dead_letters_are_read_from_a_shared_database_and_enter_it_from_a_quarantine() {
    let Some(nodes) = Nodes::new().await else { return };
    let log = nodes.node(0).await;
    let dir = nodes.dir(0).join("quarantine");
    let [table, aside, unknown] = [0, 1, 2].map(support::record);
    die(&log, &table).await;
    quarantine(&dir, &aside).await;
    let listed = list_dead_letters_postgres(&nodes.pool, &dir, None, 10).await.unwrap();
    assert_eq!(listed.len(), 2);
    for record in [table, aside] {
        let shown = find_dead_letter_postgres(&nodes.pool, &dir, record.id).await.unwrap();
        assert_eq!(shown.unwrap().record().unwrap(), record);
    }
    let unknown = find_dead_letter_postgres(&nodes.pool, &dir, unknown.id).await.unwrap();
    assert_eq!(unknown, None);
    // A node of a deployment takes in its own quarantine, and a part of everybody's letters.
    let done = DeadLetters::new(log.clone(), &dir).replay_at_start(CancellationToken::new()).await;
    assert_eq!(done, AtStart { appended: 2, still_dead: 0 });
    assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0);
    nodes.assert_verifies().await;
}
