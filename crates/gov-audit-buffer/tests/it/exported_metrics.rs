//! The names under which the buffer reports itself.

use std::collections::BTreeMap;

use gov_audit_buffer::{BufferConfig, Mode, buffer::MAX_REFUSALS};
use gov_core::Payload;
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::{events::event, stage::Stage};

#[test]
fn every_metric_is_exported_under_its_documented_name() {
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    metrics::with_local_recorder(&recorder, || runtime.block_on(a_life()));
    let mut found: BTreeMap<String, DebugValue> = snapshots
        .snapshot()
        .into_vec()
        .into_iter()
        .map(|(key, _, _, value)| {
            let labels = key.key().labels().map(|it| format!("{{{}={}}}", it.key(), it.value()));
            (format!("{}{}", key.key().name(), labels.collect::<String>()), value)
        })
        .filter(|(name, value)| {
            name.starts_with("gov_audit_") && !matches!(value, DebugValue::Histogram(_))
        })
        .collect();
    let wanted = [
        ("gov_audit_buffer_breaker_state", DebugValue::Gauge(0.0.into())),
        ("gov_audit_buffer_dead_lettered_total", DebugValue::Counter(1)),
        ("gov_audit_buffer_dead_letters", DebugValue::Gauge(1.0.into())),
        ("gov_audit_buffer_depth_bytes", DebugValue::Gauge(0.0.into())),
        ("gov_audit_buffer_depth_rows", DebugValue::Gauge(0.0.into())),
        ("gov_audit_buffer_dropped_total", DebugValue::Counter(0)),
        ("gov_audit_buffer_found_total", DebugValue::Counter(1)),
        ("gov_audit_buffer_gaps_total", DebugValue::Counter(1)),
        ("gov_audit_buffer_lag_seconds", DebugValue::Gauge(0.0.into())),
        ("gov_audit_buffer_oldest_age_seconds", DebugValue::Gauge(0.0.into())),
        ("gov_audit_buffer_rejected_total", DebugValue::Counter(1)),
        ("gov_audit_buffer_released_early_total", DebugValue::Counter(0)),
        ("gov_audit_buffer_renamed_total", DebugValue::Counter(0)),
        ("gov_audit_buffer_resent_total", DebugValue::Counter(0)),
        ("gov_audit_buffered_total", DebugValue::Counter(10)),
        ("gov_audit_flushed_total", DebugValue::Counter(11)),
        ("gov_audit_publish_errors_total{reason=closed}", DebugValue::Counter(0)),
        ("gov_audit_publish_errors_total{reason=full}", DebugValue::Counter(1)),
        ("gov_audit_publish_errors_total{reason=too_large}", DebugValue::Counter(1)),
        ("gov_audit_publish_errors_total{reason=unavailable}", DebugValue::Counter(0)),
        ("gov_audit_published_total", DebugValue::Counter(10)),
    ];
    let size = found.remove("gov_audit_buffer_file_bytes");
    assert!(matches!(size, Some(DebugValue::Gauge(bytes)) if bytes.0 > 0.0));
    assert_eq!(found, wanted.map(|(name, value)| (name.to_owned(), value)).into());
}

/// An event too large, one too many, one whose answer is lost, one that is refused for good.
async fn a_life() {
    let config = BufferConfig { max_rows: 10, ..BufferConfig::default() };
    let it = Stage::with(Mode::WriteAhead, config);
    let mut large = event(0);
    large.payload = Payload::from_parts(vec![b' '; 65_537], [0; 16]);
    it.refused(large).await;
    it.publish(0..1).await;
    it.sink.lose_acks(1);
    it.publisher.flush_pending().await;
    it.publisher.flush_pending().await;
    let poison = *it.publish(1..10).await.first().unwrap();
    it.refused(event(10)).await;
    it.buffer.write_gaps().await.unwrap();
    it.sink.refuse(poison);
    for _ in 0..MAX_REFUSALS {
        it.publisher.flush_pending().await;
    }
    it.publisher.observe().await.unwrap();
}
