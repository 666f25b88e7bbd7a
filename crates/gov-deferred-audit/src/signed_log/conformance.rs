//! What holds for a log on every database, one function a rule.
//!
//! A backend's test file makes one test of each: see `for_each_log_rule`.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "every function here is a test"
)]

use std::{fmt, sync::Arc, task::Poll};

use async_trait::async_trait;
use gov_core::{ActionDigest, AuditEventKind, Clock, Health as _, HealthState, Payload, RecordId};

mod reading;

pub use self::reading::{
    a_pruned_bundle_is_none_and_its_tiles_and_receipts_stay,
    outsiders_rebuild_the_tree_from_tiles_and_bundles, rebuilt,
    what_is_beyond_the_end_is_no_tile_bundle_or_receipt,
};
use super::{LogHead, SignedLog};
use crate::{
    entry::Entry,
    record::{LogRecord, MAX_PAYLOAD_BYTES, Verdict},
    sink::{AppendOutcome, DeferredAuditSink as _},
    tlog::{checkpoint::Checkpoint, edge::Edge, leaf_hash, receipt::Receipt},
};

mod dead_letters;
mod pruning;

pub use self::{dead_letters::*, pruning::*};

/// One log, empty at first, which may be opened more than once.
#[async_trait]
pub trait Deployment: fmt::Debug + Send + Sync {
    /// Opens it once more, as another process would.
    async fn open(&self) -> SignedLog;

    /// The clock of all of them. A race may have to be waited out, so it must not stand still.
    fn clock(&self) -> Arc<dyn Clock>;

    /// A record that differs from all others by `n`, in its payload too.
    fn record(&self, n: u64) -> LogRecord {
        let now = self.clock().now();
        let payload = format!("{{\"command\":\"rm -rf /data/{n}\"}}");
        LogRecord {
            id: RecordId::at(now),
            at: now,
            kind: AuditEventKind::ActionRefused,
            agent_id: Some("coder".parse().unwrap()),
            session_id: Some("s-1".parse().unwrap()),
            policy_version: Some(1),
            verdict: Some(Verdict {
                action_kind: "bash".to_owned(),
                digest: ActionDigest::from_bytes([3; 32]),
                decision: "refuse".to_owned(),
                rule_id: Some("no-deletes".parse().unwrap()),
                reason: Some("deletes outside the working directory".to_owned()),
            }),
            payload: Payload::from_parts(payload.into_bytes(), [n.to_le_bytes()[0]; 16]),
        }
    }

    /// `count` records.
    fn records(&self, count: u64) -> Vec<LogRecord> {
        (0..count).map(|n| self.record(n)).collect()
    }
}

/// Calls `$rule!(name)` for every rule of the log: the one list of them.
#[macro_export]
macro_rules! for_each_log_rule {
    ($rule:ident) => {
        $rule!(records_are_numbered_from_one_without_gaps);
        $rule!(records_are_read_in_order_and_page_by_page_with_their_payloads);
        $rule!(a_record_is_found_by_its_id);
        $rule!(a_record_that_comes_again_keeps_its_first_place);
        $rule!(each_commit_is_signed_and_told);
        $rule!(a_commit_whose_caller_went_away_is_told_by_the_next_one);
        $rule!(the_log_goes_on_where_it_ended_at_every_size_of_the_right_edge);
        $rule!(a_record_that_cannot_enter_costs_nobody_else_anything);
        $rule!(a_dead_letter_stays_one_and_a_logged_record_never_becomes_one);
        $rule!(somebody_elses_append_is_noticed_and_gone_on_from);
        $rule!(whoever_looks_again_is_told_what_somebody_else_appended);
        $rule!(who_looks_while_others_append_raises_no_alarm);
        $rule!(two_who_append_at_once_share_one_sequence);
        $rule!(the_same_records_handed_in_by_two_at_once_land_once);
        $rule!(a_receipt_proves_its_record_and_no_other);
        $rule!(outsiders_rebuild_the_tree_from_tiles_and_bundles);
        $rule!(a_pruned_bundle_is_none_and_its_tiles_and_receipts_stay);
        $rule!(what_is_beyond_the_end_is_no_tile_bundle_or_receipt);
        $rule!(a_kind_that_this_build_does_not_know_is_logged_as_it_is);
        $rule!(what_is_pruned_goes_once_a_signed_record_says_so);
        $rule!(a_pruned_record_that_comes_again_keeps_its_first_place);
        $rule!(a_receipt_of_a_pruned_record_is_still_made);
        $rule!(only_whole_bundles_that_are_there_are_pruned);
        $rule!(a_second_pruning_says_what_both_pruned);
        $rule!(two_who_prune_at_once_leave_one_statement_of_both);
        $rule!(who_slept_through_a_pruning_goes_on_from_the_tiles);
        $rule!(what_is_older_can_be_pruned_and_nothing_that_is_not);
        $rule!(a_dead_letter_is_kept_and_read_back_part_for_part);
        $rule!(dead_letters_are_read_in_order_of_death_and_page_by_page);
        $rule!(a_replayed_dead_letter_makes_the_leaf_that_it_would_have_made);
        $rule!(what_is_refused_again_stays_with_the_reason_of_now_and_holds_up_nobody);
        $rule!(a_discarded_dead_letter_leaves_one_record_that_says_so);
        $rule!(a_discard_says_what_to_do_where_there_is_nothing_to_discard);
        $rule!(two_who_replay_at_once_append_each_record_once);
        $rule!(of_a_replay_and_a_discard_at_once_one_wins);
        $rule!(dead_letters_are_seen_in_the_health_until_the_last_is_gone);
    };
}

/// A batch longer than a tile, and one record behind it.
pub async fn records_are_numbered_from_one_without_gaps(it: &dyn Deployment) {
    let log = it.open().await;
    let batch = it.records(300);
    assert!(append(&log, &batch).await.into_iter().eq(1..=300));
    assert_eq!(append(&log, &[it.record(300)]).await, [301]);
    assert_eq!(whole(&log).await.len(), 301);
    assert_eq!(append(&log, &[]).await, [0; 0]);
}

/// Pages join without overlap, and what is behind the end is empty.
pub async fn records_are_read_in_order_and_page_by_page_with_their_payloads(it: &dyn Deployment) {
    let log = it.open().await;
    let batch = it.records(30);
    append(&log, &batch).await;
    let mut seq = 0;
    for page in batch.chunks(7) {
        let stored = log.records_after(seq, 7).await.unwrap();
        assert_eq!(stored.len(), page.len());
        for (stored, record) in stored.iter().zip(page) {
            seq += 1;
            let entry = Entry::from_bytes(&stored.entry).unwrap();
            assert_eq!((stored.seq, entry.seq, entry.id), (seq, seq, record.id));
            assert_eq!(entry.payload_commit, record.payload.commit());
            assert_eq!(stored.payload.as_ref(), Some(&record.payload));
        }
    }
    assert_eq!(log.records_after(30, 7).await.unwrap(), []);
}

/// The place of a record is its epoch and number.
pub async fn a_record_is_found_by_its_id(it: &dyn Deployment) {
    let log = it.open().await;
    let batch = it.records(3);
    append(&log, &batch[..2]).await;
    assert_eq!(log.find(batch[1].id).await.unwrap(), Some((1, 2)));
    assert_eq!(log.find(batch[2].id).await.unwrap(), None);
}

/// In another batch or in the same one; nothing new is nothing signed.
pub async fn a_record_that_comes_again_keeps_its_first_place(it: &dyn Deployment) {
    let log = it.open().await;
    let [a, b, c] = [0, 1, 2].map(|n| it.record(n));
    assert_eq!(append(&log, &[a.clone(), b.clone()]).await, [1, 2]);
    let checkpoint = told(&log).checkpoint;
    assert_eq!(append(&log, &[b.clone(), a.clone()]).await, [2, 1]);
    assert_eq!(told(&log).checkpoint, checkpoint, "nothing new, nothing signed");
    assert_eq!(append(&log, &[c.clone(), a, c, b]).await, [3, 1, 3, 2]);
    assert_eq!(whole(&log).await.len(), 3);
}

/// The checkpoint of each commit opens under the log's key.
pub async fn each_commit_is_signed_and_told(it: &dyn Deployment) {
    let log = it.open().await;
    let mut committed = log.committed();
    assert_eq!(committed.borrow_and_update().size, 0);
    for size in 1..=3 {
        append(&log, &[it.record(size)]).await;
        assert!(committed.has_changed().unwrap());
        let state = committed.borrow_and_update().clone();
        let signed = Checkpoint::open(state.checkpoint.as_bytes(), &[log.key().clone()]).unwrap();
        assert_eq!((signed.size, state.size), (size, size));
    }
}

/// The answer of a batch is lost; the batch comes again.
pub async fn a_commit_whose_caller_went_away_is_told_by_the_next_one(it: &dyn Deployment) {
    let log = it.open().await;
    let batch = it.records(2);
    let mut sink = log.sink();
    let mut appending = sink.append(&batch);
    // Polled once, and then nobody waits for it any more.
    std::future::poll_fn(|cx| Poll::Ready(appending.as_mut().poll(cx).is_ready())).await;
    drop(appending);
    assert_eq!(append(&log, &batch).await, [1, 2]);
    assert_eq!(told(&log).size, 2);
    assert_eq!(whole(&log).await.len(), 2);
}

/// Opened anew before each batch, so that the edge comes from what is stored.
pub async fn the_log_goes_on_where_it_ended_at_every_size_of_the_right_edge(it: &dyn Deployment) {
    let mut size = 0;
    for count in [1, 254, 1, 1, 255, 1, 300] {
        let log = it.open().await;
        assert_eq!(told(&log).size, size);
        size += count;
        assert_eq!(append(&log, &it.records(count)).await.last(), Some(&size));
    }
    assert_eq!(whole(&it.open().await).await.len(), 813);
}

/// Too large, or beyond what is kept exactly; a replay changes nothing.
pub async fn a_record_that_cannot_enter_costs_nobody_else_anything(it: &dyn Deployment) {
    let log = it.open().await;
    let mut batch = it.records(5);
    batch[1].payload = Payload::from_parts(vec![b' '; MAX_PAYLOAD_BYTES + 1], [5; 16]);
    batch[2].policy_version = Some(u64::MAX);
    // Not every database has this character in its text.
    batch[3].verdict.as_mut().unwrap().reason = Some("\0".repeat(1025));
    let wanted = [Some(1), None, None, None, Some(2)];
    for _again in 0..2 {
        assert_eq!(seqs(log.sink().append(&batch).await), wanted);
    }
    assert_eq!(log.dlq_size().await.unwrap(), 3);
    assert_eq!(whole(&log).await.len(), 2);
}

/// A record is in one place.
pub async fn a_dead_letter_stays_one_and_a_logged_record_never_becomes_one(it: &dyn Deployment) {
    let log = it.open().await;
    let [logged, dead] = [0, 1].map(|n| it.record(n));
    append(&log, std::slice::from_ref(&logged)).await;
    let mut sink = log.sink();
    let seq = AppendOutcome::Appended { seq: 1 };
    assert_eq!(sink.dead_letter(&logged, "it panics").await, Some(seq));
    for _again in 0..2 {
        let landed = Some(AppendOutcome::DlqLanded);
        assert_eq!(sink.dead_letter(&dead, "it panics").await, landed);
    }
    assert_eq!(seqs(sink.append(&[dead, logged]).await), [None, Some(1)]);
    assert_eq!(log.dlq_size().await.unwrap(), 1);
    assert_eq!(whole(&log).await.len(), 1);
}

/// Whatever is kept in memory, the head that is stored decides.
pub async fn somebody_elses_append_is_noticed_and_gone_on_from(it: &dyn Deployment) {
    let (first, second) = (it.open().await, it.open().await);
    assert_eq!(append(&first, &[it.record(0)]).await, [1]);
    assert_eq!(append(&second, &[it.record(1)]).await, [2]);
    assert_eq!(append(&first, &it.records(600)).await.last(), Some(&602));
    assert_eq!(append(&second, &it.records(3)).await, [603, 604, 605]);
    assert_eq!(append(&first, &[it.record(0)]).await, [606]);
    assert_eq!(whole(&first).await, whole(&second).await);
}

/// What is told is signed, and is never less than before.
pub async fn whoever_looks_again_is_told_what_somebody_else_appended(it: &dyn Deployment) {
    let (first, second) = (it.open().await, it.open().await);
    let mut committed = second.committed();
    committed.borrow_and_update();
    append(&first, &it.records(5)).await;
    assert!(!committed.has_changed().unwrap());
    assert_eq!(second.refresh().await.unwrap(), told(&first));
    assert!(committed.has_changed().unwrap());
    assert_eq!(told(&second), told(&first));
    assert_eq!(second.records_after(0, 10).await.unwrap().len(), 5);
    committed.borrow_and_update();
    second.refresh().await.unwrap();
    assert!(!committed.has_changed().unwrap(), "nothing new is told");
}

/// What this process appends meanwhile is no rollback.
pub async fn who_looks_while_others_append_raises_no_alarm(it: &dyn Deployment) {
    let (log, other) = (it.open().await, it.open().await);
    let (ours, theirs) = (it.records(60), it.records(60));
    let look = async {
        let mut size = 0;
        while size < 120 {
            size = log.refresh().await.unwrap().size;
            assert!(told(&log).size >= size);
        }
    };
    tokio::join!(in_batches(&log, &ours, 1), in_batches(&other, &theirs, 1), look);
    assert_eq!(log.health(), HealthState::Healthy);
}

/// Each keeps its own order, and nothing is lost or there twice.
pub async fn two_who_append_at_once_share_one_sequence(it: &dyn Deployment) {
    let (first, second) = (it.open().await, it.open().await);
    let (ours, theirs) = (it.records(300), it.records(300));
    let (a, b) = tokio::join!(in_batches(&first, &ours, 30), in_batches(&second, &theirs, 30));
    assert!(a.is_sorted() && b.is_sorted());
    let mut all = [a, b].concat();
    all.sort_unstable();
    assert!(all.into_iter().eq(1..=600));
    assert_eq!(whole(&first).await.len(), 600);
}

/// As after a failover, when both replay what they know.
pub async fn the_same_records_handed_in_by_two_at_once_land_once(it: &dyn Deployment) {
    let (first, second) = (it.open().await, it.open().await);
    let records = it.records(300);
    let (a, b) = tokio::join!(in_batches(&first, &records, 30), in_batches(&second, &records, 30));
    assert_eq!(a, b);
    let ids: Vec<_> = whole(&first).await;
    assert_eq!(ids.len(), 300);
    assert_eq!(first.dlq_size().await.unwrap(), 0);
}

/// Around the ends of tiles, and outside the log.
pub async fn a_receipt_proves_its_record_and_no_other(it: &dyn Deployment) {
    let log = it.open().await;
    append(&log, &it.records(300)).await;
    let keys = [log.key().clone()];
    for seq in [1, 2, 255, 256, 257, 300] {
        let receipt = log.receipt(seq).await.unwrap().unwrap();
        let entry = &log.records_after(seq - 1, 1).await.unwrap()[0].entry;
        let read = Receipt::parse(&receipt.to_string()).unwrap();
        assert_eq!(read.verify(entry, &keys).unwrap().size, 300);
        let other = &log.records_after(seq % 300, 1).await.unwrap()[0].entry;
        assert!(read.verify(other, &keys).is_err());
        assert!(read.verify(entry, &[]).is_err());
    }
    assert_eq!(log.receipt(0).await.unwrap(), None);
    assert_eq!(log.receipt(301).await.unwrap(), None);
}

/// A newer build's kind goes through an older one.
pub async fn a_kind_that_this_build_does_not_know_is_logged_as_it_is(it: &dyn Deployment) {
    let log = it.open().await;
    let mut record = it.record(0);
    record.kind = AuditEventKind::Other("moon.landed".into());
    record.verdict = None;
    append(&log, &[record]).await;
    let stored = log.records_after(0, 1).await.unwrap();
    let entry = Entry::from_bytes(&stored[0].entry).unwrap();
    assert_eq!(entry.kind.as_str(), "moon.landed");
    assert_eq!((entry.action_kind, entry.reason, entry.digest), (None, None, None));
}

/// Appends one batch, which must be taken whole; gives the sequence numbers.
pub async fn append(log: &SignedLog, batch: &[LogRecord]) -> Vec<u64> {
    let outcomes = seqs(log.sink().append(batch).await);
    outcomes.into_iter().map(|seq| seq.unwrap_or_else(|| panic!("a dead letter"))).collect()
}

/// Appends in batches of `size`, one after the other.
pub async fn in_batches(log: &SignedLog, records: &[LogRecord], size: usize) -> Vec<u64> {
    let mut seqs = Vec::new();
    for batch in records.chunks(size) {
        seqs.extend(append(log, batch).await);
    }
    seqs
}

/// The ids of all records in order, once they are found to make the signed root.
pub async fn whole(log: &SignedLog) -> Vec<RecordId> {
    let head = log.refresh().await.unwrap();
    let signed = Checkpoint::open(head.checkpoint.as_bytes(), &[log.key().clone()]).unwrap();
    let stored = log.records_after(0, u64::MAX >> 1).await.unwrap();
    let mut edge = Edge::default();
    let mut ids = Vec::new();
    for (seq, record) in (1..).zip(&stored) {
        let entry = Entry::from_bytes(&record.entry).unwrap();
        assert_eq!((record.seq, entry.seq), (seq, seq), "a gap");
        edge.push(leaf_hash(&record.entry), &mut |_| ());
        ids.push(entry.id);
    }
    assert_eq!((edge.size(), edge.root()), (signed.size, signed.root));
    let mut unique = ids.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), ids.len(), "a record is there twice");
    ids
}

fn told(log: &SignedLog) -> LogHead {
    log.committed().borrow().clone()
}

fn seqs(outcomes: Vec<AppendOutcome>) -> Vec<Option<u64>> {
    let seq = |outcome| match outcome {
        AppendOutcome::Appended { seq } => Some(seq),
        AppendOutcome::DlqLanded => None,
    };
    outcomes.into_iter().map(seq).collect()
}
