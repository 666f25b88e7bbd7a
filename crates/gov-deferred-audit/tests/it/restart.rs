//! What an earlier process left in the spool, whole, torn or damaged.

use gov_core::{AuditEventKind, HealthState};
use gov_deferred_audit::{Durability, LogRecord, close_and_flush};

use crate::support::{Fixture, assert_balanced, ids, record_of, records};

/// A process that spooled `records` and was killed before it drained any.
fn killed_with(it: &Fixture, records: &[LogRecord]) {
    let (queue, receiver) = it.open();
    for record in records {
        queue.try_submit(record.clone(), Durability::Spooled).unwrap();
    }
    drop((queue, receiver));
}

/// Where the frames of segment 0 begin.
pub(crate) fn frame_starts(bytes: &[u8]) -> Vec<usize> {
    let mark = &bytes[20..28];
    let mut starts = Vec::new();
    let mut at = 32;
    while at < bytes.len() {
        assert_eq!(&bytes[at..at + 8], mark);
        starts.push(at);
        at += 16 + u32::from_le_bytes(bytes[at + 8..at + 12].try_into().unwrap()) as usize;
    }
    starts
}

#[tokio::test]
async fn what_was_spooled_is_replayed_at_the_next_start_with_id_time_and_salt() {
    let it = Fixture::new();
    let records = records(300);
    killed_with(&it, &records);
    it.flush().await;
    assert!(it.log.lock().rows == records);
}

#[tokio::test]
async fn a_replay_of_what_the_log_holds_already_appends_nothing() {
    let it = Fixture::new();
    let records = records(300);
    killed_with(&it, &records);
    let left = it.spool_bytes();
    it.flush().await;
    // The process died before it could empty its spool.
    std::fs::write(&it.config.spool, left).unwrap();
    it.flush().await;
    assert_eq!(it.log.ids(), ids(&records));
}

#[tokio::test]
async fn a_spool_that_is_settled_is_empty_after_an_orderly_end() {
    let mut it = Fixture::new();
    it.config.limits.segment_bytes = 2_000;
    let (queue, supervisor) = it.start();
    for record in records(200) {
        queue.try_submit(record, Durability::Spooled).unwrap();
        tokio::task::yield_now().await;
    }
    let _ = close_and_flush(&queue, supervisor).await;
    let files = std::fs::read_dir(it.dir.path()).unwrap().map(|it| it.unwrap().file_name());
    assert_eq!(files.collect::<Vec<_>>(), ["audit-log.spool"]);
    assert!(it.spool_bytes().len() <= 32);
}

#[tokio::test]
async fn a_torn_last_frame_is_cut_wherever_it_tears_and_the_frames_before_it_are_replayed() {
    let records = records(3);
    let whole = {
        let it = Fixture::new();
        killed_with(&it, &records);
        it.spool_bytes()
    };
    let last = frame_starts(&whole)[2];
    for end in last..whole.len() {
        let it = Fixture::new();
        std::fs::write(&it.config.spool, &whole[..end]).unwrap();
        it.flush().await;
        assert_eq!(it.log.ids(), ids(&records[..2]), "cut at {end}");
        assert!(it.quarantined().is_empty(), "a torn frame was never acknowledged");
    }
}

#[tokio::test]
async fn a_frame_is_appended_behind_a_torn_one_without_touching_its_remains() {
    let it = Fixture::new();
    let records = records(4);
    killed_with(&it, &records[..3]);
    let whole = it.spool_bytes();
    std::fs::write(&it.config.spool, &whole[..whole.len() - 5]).unwrap();
    killed_with(&it, &records[3..]);
    it.flush().await;
    assert_eq!(it.log.ids(), [records[0].id, records[1].id, records[3].id]);
}

#[tokio::test]
async fn a_damaged_frame_in_the_middle_is_quarantined_and_a_gap_record_names_it_once() {
    let it = Fixture::new();
    let records = records(3);
    killed_with(&it, &records);
    let mut bytes = it.spool_bytes();
    let starts = frame_starts(&bytes);
    bytes[starts[1] + 60] ^= 1;
    std::fs::write(&it.config.spool, &bytes).unwrap();
    {
        let (queue, _receiver) = it.open();
        assert!(matches!(queue.health(), HealthState::Degraded(_)));
        assert_eq!(queue.balance().possibly_missing(), 1);
        assert_eq!(queue.metrics().quarantined(), 1);
        assert_balanced(&queue);
    }
    // Killed and started again, it reports the same damage under the same id.
    let (queue, supervisor) = it.start();
    let _ = close_and_flush(&queue, supervisor).await;
    assert_eq!((queue.balance().possibly_missing(), queue.health()), (0, HealthState::Healthy));
    let rows = it.log.lock().rows.clone();
    assert_eq!(ids(&rows)[..2], [records[0].id, records[2].id]);
    assert_eq!((rows.len(), &rows[2].kind), (3, &AuditEventKind::AuditGap));
    let [kept] = it.quarantined().try_into().unwrap();
    let said = String::from_utf8(rows[2].payload.as_bytes().to_vec()).unwrap();
    assert!(said.contains(&kept) && said.contains(&format!("\"offset\":{}", starts[1])), "{said}");
    let copy = std::fs::read(it.config.quarantine.join(kept)).unwrap();
    assert!(copy == bytes[starts[1]..starts[2]], "the quarantine must hold the damaged bytes");
}

#[tokio::test]
async fn a_segment_whose_header_is_damaged_is_quarantined_whole() {
    let it = Fixture::new();
    killed_with(&it, &records(3));
    let mut bytes = it.spool_bytes();
    bytes[3] ^= 1;
    std::fs::write(&it.config.spool, &bytes).unwrap();
    it.flush().await;
    assert_eq!(it.log.lock().rows.len(), 1, "only the gap record");
    let [kept] = it.quarantined().try_into().unwrap();
    assert!(std::fs::read(it.config.quarantine.join(kept)).unwrap() == bytes);
}

#[tokio::test]
async fn a_frame_that_goes_bad_while_it_waits_is_quarantined_and_counted() {
    let mut it = Fixture::new();
    it.config.max_cached_records = 0;
    let records = records(5);
    let (queue, receiver) = it.open();
    for record in records.clone() {
        queue.try_submit(record, Durability::Spooled).unwrap();
    }
    let mut bytes = it.spool_bytes();
    let at = frame_starts(&bytes)[2] + 60;
    bytes[at] ^= 1;
    std::os::unix::fs::FileExt::write_all_at(
        &std::fs::OpenOptions::new().write(true).open(&it.config.spool).unwrap(),
        &bytes[at..=at],
        at as u64,
    )
    .unwrap();
    let supervisor = it.drain(&queue, receiver);
    let _ = close_and_flush(&queue, supervisor).await;
    let rows = it.log.lock().rows.clone();
    let good = [0, 1, 3, 4].map(|n: usize| records[n].id);
    assert_eq!(ids(&rows)[..4], good);
    assert_eq!((rows.len(), &rows[4].kind), (5, &AuditEventKind::AuditGap));
    assert_eq!((queue.metrics().dlq_landed(), it.quarantined().len()), (1, 1));
    assert_balanced(&queue);
}

#[tokio::test]
async fn a_spool_of_a_newer_format_is_refused_and_left_alone() {
    let it = Fixture::new();
    killed_with(&it, &records(1));
    let mut bytes = it.spool_bytes();
    bytes[8] = 2;
    let crc = crc32(&bytes[..28]);
    bytes[28..32].copy_from_slice(&crc.to_le_bytes());
    std::fs::write(&it.config.spool, &bytes).unwrap();
    let clock = std::sync::Arc::new(gov_core::SystemClock);
    let error = gov_deferred_audit::DeferredAuditQueue::open(it.config.clone(), clock).unwrap_err();
    assert!(error.to_string().contains("format version 2; this build reads 1"), "{error}");
    assert!(it.spool_bytes() == bytes);
}

#[tokio::test]
async fn segments_are_replayed_in_order_and_removed_when_they_are_settled() {
    let mut it = Fixture::new();
    it.config.limits.segment_bytes = 3_000;
    it.log.open_gate(false);
    let mut records = Vec::new();
    {
        let (queue, supervisor) = it.start();
        while files(&it) < 7 {
            let record = record_of(records.len(), records.len() % 300);
            queue.try_submit(record.clone(), Durability::Spooled).unwrap();
            records.push(record);
            tokio::task::yield_now().await;
        }
        drop((queue, supervisor));
    }
    // Whoever held the lock is gone when its tasks are.
    while gov_deferred_audit::DeferredAuditQueue::open(
        it.config.clone(),
        std::sync::Arc::new(gov_core::SystemClock),
    )
    .is_err()
    {
        tokio::task::yield_now().await;
    }
    it.log.open_gate(true);
    it.flush().await;
    assert!(it.log.ids() == ids(&records), "lost, repeated or out of order");
    assert_eq!(files(&it), 1);
}

fn files(it: &Fixture) -> usize {
    std::fs::read_dir(it.dir.path()).unwrap().count()
}

/// CRC-32 as zlib has it, bit by bit.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & 0_u32.wrapping_sub(crc & 1))
        })
    })
}
