//! The names under which queue and log report themselves.

use std::collections::BTreeSet;

use gov_deferred_audit::{Durability, close_and_flush};
use metrics_util::debugging::DebuggingRecorder;

use crate::{
    fixture,
    support::{Fixture, record},
};

#[test]
fn every_metric_is_exported_under_its_documented_name() {
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let log = fixture::Fixture::new().open().await;
            let it = Fixture::new();
            let (queue, supervisor) = it.start();
            queue.try_submit(record(1), Durability::Spooled).unwrap();
            let _ = close_and_flush(&queue, supervisor).await;
            log.close().await;
        });
    });
    let names: BTreeSet<String> = snapshots
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, ..)| key.key().name().to_owned())
        // The file's writer has names of its own.
        .filter(|name| !name.starts_with("gov_store_"))
        .collect();
    let expected = [
        "gov_deferred_audit_append_failures_total",
        "gov_deferred_audit_appended_total",
        "gov_deferred_audit_dlq_discarded_total",
        "gov_deferred_audit_dlq_landed_total",
        "gov_deferred_audit_dlq_replayed_total",
        "gov_deferred_audit_dlq_size",
        "gov_deferred_audit_drainer_panics_total",
        "gov_deferred_audit_pending",
        "gov_deferred_audit_quarantined_total",
        "gov_deferred_audit_replayed_total",
        "gov_deferred_audit_send_failures_total",
        "gov_deferred_audit_spool_bytes",
        "gov_deferred_audit_submitted_total",
        "gov_deferred_audit_sync_failures_total",
        "gov_deferred_audit_syncs_total",
        "gov_deferred_audit_unique_race_retries_total",
        "gov_records_possibly_missing",
    ];
    assert_eq!(names, expected.map(str::to_owned).into());
}
