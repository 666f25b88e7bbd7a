//! The names under which the crate reports itself.

use std::collections::BTreeSet;

use gov_escalation::{
    approval::Verdict,
    store::{ApprovalStore as _, damage::Damage as _},
};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};

use crate::support::{MINUTE, Process};

#[test]
fn every_metric_is_exported_under_its_documented_name_and_counts() {
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(story());
    });
    let mut counted = BTreeSet::new();
    for (key, _, _, value) in snapshots.snapshot().into_vec() {
        let labels = key.key().labels().map(|it| format!("{}={}", it.key(), it.value()));
        let name = [key.key().name().to_owned()].into_iter().chain(labels).collect::<Vec<_>>();
        let value = match value {
            DebugValue::Counter(value) => value.to_string(),
            DebugValue::Histogram(values) => format!("{values:?}"),
            DebugValue::Gauge(value) => format!("{value}"),
        };
        counted.insert(format!("{} {value}", name.join(" ")));
    }
    let expected = [
        "gov_escalation_audit_errors_total 0",
        "gov_escalation_cancelled_total 0",
        "gov_escalation_consumed_total 1",
        "gov_escalation_decided_total verdict=approve 1",
        "gov_escalation_decided_total verdict=reject 0",
        "gov_escalation_drawn_total 0",
        "gov_escalation_edited_total 0",
        "gov_escalation_fired_total what=escalated 1",
        "gov_escalation_fired_total what=expired 0",
        "gov_escalation_fired_total what=fell_back 0",
        "gov_escalation_fired_total what=set_aside 0",
        "gov_escalation_fired_total what=settled 0",
        "gov_escalation_fired_total what=skipped 0",
        "gov_escalation_fired_total what=stale 0",
        "gov_escalation_firing_lag_seconds [60.0]",
        "gov_escalation_found what=overdue 0",
        "gov_escalation_found what=set_aside 1",
        "gov_escalation_found what=stale 0",
        "gov_escalation_found what=unarmed 0",
        "gov_escalation_found what=unsent 0",
        "gov_escalation_mended_total what=armed 1",
        "gov_escalation_mended_total what=disarmed 0",
        "gov_escalation_mended_total what=set_aside 0",
        "gov_escalation_outbox_failed_total 0",
        "gov_escalation_outbox_given_up_total 0",
        "gov_escalation_outbox_sent_total 2",
        "gov_escalation_pass_errors_total 0",
        "gov_escalation_reopened_total 0",
        "gov_escalation_requested_total 2",
        "gov_escalation_target_disabled_total 0",
        "gov_escalation_voted_total 0",
    ];
    assert_eq!(counted, expected.map(str::to_owned).into());
    // The README has the same names.
    let readme = include_str!("../../README.md");
    for name in expected.map(|it| it.split(' ').next().unwrap()) {
        assert!(readme.contains(&format!("`{name}`")), "{name} is not in the README");
    }
}

async fn story() {
    let it = Process::new();
    let asked = it.ask(1).await;
    // Joining is no request.
    it.ask(1).await;
    it.clock.advance(16 * MINUTE);
    it.scheduler(gov_escalation::SchedulerConfig::default()).tick().await.unwrap();
    it.sender().run_once().await.unwrap();
    it.decide(asked.id, "lead", Verdict::Approve).await.unwrap();
    let digest = asked.request.digest;
    for _ in 0..2 {
        it.approvals.consume(asked.id, digest, 4, Some("k".to_owned())).await.unwrap();
    }
    let broken = it.ask(2).await.id;
    it.store.inner.set_due(broken, None).await;
    it.auditor().run_once().await.unwrap();
    it.store.inner.garble(broken).await;
    it.store.inner.fire_due(gov_core::Timestamp::MAX, 1).await.unwrap();
    it.auditor().run_once().await.unwrap();
}
