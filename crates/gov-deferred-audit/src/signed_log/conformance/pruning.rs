//! The rules of pruning.

use std::{collections::BTreeMap, time::Duration};

use gov_core::AuditEventKind;

use super::{Deployment, append, in_batches, told};
use crate::{
    entry::Entry,
    pruned::PruneStatement,
    signed_log::{PruneError, Pruned, SignedLog},
};

/// Entries and payloads go; the record that says so is the last of the log.
pub async fn what_is_pruned_goes_once_a_signed_record_says_so(it: &dyn Deployment) {
    let log = it.open().await;
    append(&log, &it.records(700)).await;
    let pruned = prune(&log, 512).await;
    assert_eq!((pruned.entries, &pruned.below), (512, &below(512)));
    let left = log.records_after(0, 1000).await.unwrap();
    assert!(left.iter().map(|it| it.seq).eq(513..=701));
    let entry = Entry::from_bytes(&left.last().unwrap().entry).unwrap();
    assert_eq!((Some(entry.id), entry.kind), (pruned.record, AuditEventKind::AdminLogPruned));
    assert_eq!(entry.reason.unwrap(), r#"{"pruned":[{"below":512,"epoch":1}]}"#);
    let payload = left.last().unwrap().payload.clone().unwrap();
    assert_eq!(payload.commit(), entry.payload_commit);
    assert_eq!(payload.as_bytes(), br#"{"by":"ops","reason":"they are old"}"#);
    assert_eq!(told(&log).size, 701);
    let reopened = it.open().await;
    assert_eq!(*reopened.pruned().await.unwrap().below(), below(512));
    assert_eq!(append(&reopened, &[it.record(701)]).await, [702]);
}

/// Alone and between new ones, in a log that was opened before and one that is opened after.
pub async fn a_pruned_record_that_comes_again_keeps_its_first_place(it: &dyn Deployment) {
    let log = it.open().await;
    let records = it.records(300);
    append(&log, &records).await;
    prune(&log, 256).await;
    for log in [log, it.open().await] {
        let checkpoint = log.refresh().await.unwrap().checkpoint;
        assert_eq!(append(&log, &records[..3]).await, [1, 2, 3]);
        assert_eq!(told(&log).checkpoint, checkpoint, "nothing new, nothing signed");
        let batch = [records[255].clone(), it.record(300), records[256].clone()];
        let next = told(&log).size + 1;
        assert_eq!(append(&log, &batch).await, [256, next, 257]);
        assert_eq!(log.find(records[7].id).await.unwrap(), Some((1, 8)));
        let mut sink = log.sink();
        let kept = crate::DeferredAuditSink::dead_letter(&mut sink, &records[7], "it panics").await;
        assert_eq!(kept, Some(crate::AppendOutcome::Appended { seq: 8 }));
    }
}

/// Whoever kept the entry can prove it.
pub async fn a_receipt_of_a_pruned_record_is_still_made(it: &dyn Deployment) {
    let log = it.open().await;
    append(&log, &it.records(600)).await;
    let entries = log.records_after(0, 600).await.unwrap();
    prune(&log, 512).await;
    for seq in [1, 255, 256, 257, 512, 513, 600] {
        let receipt = log.receipt(seq).await.unwrap().unwrap();
        let at = usize::try_from(seq - 1).unwrap();
        assert_eq!(receipt.verify(&entries[at].entry, &[log.key().clone()]).unwrap().size, 601);
    }
}

/// Neither a part of one, nor what is still growing, nor what never was.
pub async fn only_whole_bundles_that_are_there_are_pruned(it: &dyn Deployment) {
    let log = it.open().await;
    append(&log, &it.records(600)).await;
    for (epoch, asked, why) in [
        (1, 300, "epoch 1 is pruned by whole bundles: below a multiple of 256; received 300"),
        (1, 768, "epoch 1 can be pruned below 512 at most; received 768"),
        (2, 512, "epoch 2 can be pruned below 0 at most; received 512"),
    ] {
        let asked = BTreeMap::from([(epoch, asked)]);
        let refused = log.prune(&asked, "ops", "they are old").await.unwrap_err();
        assert_eq!(refused.to_string(), why);
    }
    let endless = "r".repeat(2 * 1024 * 1024);
    let refused = log.prune(&below(256), "ops", &endless).await.unwrap_err();
    assert!(matches!(refused, PruneError::TooLarge(_)));
    let nothing = Pruned { record: None, entries: 0, below: BTreeMap::new() };
    assert_eq!(prune(&log, 0).await, nothing);
    assert_eq!(told(&log).size, 600);
}

/// The latest statement suffices, and what was said is not said again.
pub async fn a_second_pruning_says_what_both_pruned(it: &dyn Deployment) {
    let log = it.open().await;
    append(&log, &it.records(800)).await;
    assert_eq!(prune(&log, 512).await.entries, 512);
    let again = prune(&log, 256).await;
    assert_eq!(again, Pruned { record: None, entries: 0, below: below(512) });
    assert_eq!(prune(&log, 768).await.entries, 256);
    assert_eq!(statements(&log).await, [below(512), below(768)]);
}

/// Neither takes back what the other said.
pub async fn two_who_prune_at_once_leave_one_statement_of_both(it: &dyn Deployment) {
    let (first, second) = (it.open().await, it.open().await);
    append(&first, &it.records(1030)).await;
    let (one, other) = tokio::join!(prune(&first, 512), prune(&second, 1024));
    assert_eq!(one.entries + other.entries, 1024);
    assert_eq!(*second.pruned().await.unwrap().below(), below(1024));
    let statements = statements(&first).await;
    assert!(statements.is_sorted() && statements.last() == Some(&below(1024)), "{statements:?}");
    assert_eq!(first.records_after(0, 1).await.unwrap()[0].seq, 1025);
    assert_eq!(append(&second, &[it.record(1030)]).await, [1031 + statements.len() as u64]);
}

/// What it has not seen is pruned already when it appends again.
pub async fn who_slept_through_a_pruning_goes_on_from_the_tiles(it: &dyn Deployment) {
    let (awake, asleep) = (it.open().await, it.open().await);
    assert_eq!(append(&asleep, &it.records(100)).await.len(), 100);
    in_batches(&awake, &it.records(700), 200).await;
    prune(&awake, 768).await;
    // Who cannot go on tries for ever.
    let next = [it.record(800)];
    let bound = Duration::from_secs(10);
    let appended = tokio::time::timeout(bound, append(&asleep, &next)).await;
    assert_eq!(appended.unwrap(), [802], "it cannot go on");
    assert_eq!(asleep.refresh().await.unwrap(), awake.refresh().await.unwrap());
    assert_eq!(append(&awake, &[it.record(801)]).await, [803]);
}

/// A bundle goes as a whole, so one young record keeps it, and all behind it.
pub async fn what_is_older_can_be_pruned_and_nothing_that_is_not(it: &dyn Deployment) {
    let log = it.open().await;
    let mut records = it.records(1030);
    let old = records[0].at;
    let young = old + Duration::from_mins(1);
    for record in &mut records {
        record.at = old;
    }
    records[600].at = young;
    append(&log, &records).await;
    assert_eq!(log.prunable(old).await.unwrap(), BTreeMap::new());
    assert_eq!(log.prunable(young).await.unwrap(), below(512));
    let later = young + Duration::from_secs(1);
    assert_eq!(log.prunable(later).await.unwrap(), below(1024));
    prune(&log, 512).await;
    assert_eq!(log.prunable(young).await.unwrap(), BTreeMap::new());
    assert_eq!(log.prunable(later).await.unwrap(), below(1024));
}

fn below(below: u64) -> BTreeMap<u64, u64> {
    [(1, below)].into()
}

async fn prune(log: &SignedLog, index: u64) -> Pruned {
    log.prune(&below(index), "ops", "they are old").await.unwrap()
}

/// What the statements that are still there say, in order.
async fn statements(log: &SignedLog) -> Vec<BTreeMap<u64, u64>> {
    let left = log.records_after(0, u64::MAX >> 1).await.unwrap();
    let entries = left.iter().map(|it| Entry::from_bytes(&it.entry).unwrap());
    let said = entries.filter(|it| it.kind == AuditEventKind::AdminLogPruned).map(|it| {
        let said = PruneStatement::parse(&it.reason.unwrap()).unwrap();
        assert_eq!(said.record(), it.id);
        said.below().clone()
    });
    said.collect()
}
