//! The names under which the store reports itself.

use std::collections::BTreeMap;

use gov_retention::event_store::{
    AuditEventStore, Durability, EventFilter,
    conformance::sample::{DAY, event, first, start},
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::sqlite::open;

#[test]
fn every_metric_is_exported_under_its_documented_name() {
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    metrics::with_local_recorder(&recorder, || {
        runtime.block_on(async {
            let store = open(folder.path()).await;
            let batch = vec![event(1, start()), event(2, start() + DAY)];
            store.append(batch.clone(), Durability::Spooled).await.unwrap();
            store.append_from("log", vec![(1, event(1, start()))]).await.unwrap();
            store.query(&EventFilter::default(), &first(0)).await.unwrap_err();
            store.append_from("log", vec![(0, event(1, start()))]).await.unwrap_err();
        });
    });
    let found: BTreeMap<String, DebugValue> = snapshots
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| (key.key().name().to_owned(), value))
        .filter(|(name, _)| name.starts_with("gov_retention_"))
        .collect();
    let wanted = [
        ("gov_retention_append_errors_total", DebugValue::Counter(1)),
        ("gov_retention_appended_total", DebugValue::Counter(2)),
        ("gov_retention_known_total", DebugValue::Counter(1)),
        ("gov_retention_open_files", DebugValue::Gauge(2.0.into())),
        ("gov_retention_query_errors_total", DebugValue::Counter(1)),
        ("gov_retention_unreadable_days", DebugValue::Gauge(0.0.into())),
    ];
    assert_eq!(found, wanted.map(|(name, value)| (name.to_owned(), value)).into());
}
