//! What a process asks of its store while nothing is due.

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use gov_core::{Clock as _, SystemClock};
use gov_escalation::{
    Alarm, AuditorConfig, DbEscalationScheduler, EscalationAuditor, SchedulerConfig, Sender,
    SenderConfig,
    store::{
        conformance::{Backend, Watched},
        sqlite::SqliteApprovalStore,
    },
};
use gov_store::{
    bench::{Goal, Line},
    fresh_database::SqliteFile,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::counting::Counting;
use super::{Settings, ours};

mod counting;

/// One pass of the auditor and its neighbourhood.
const SPAN: Duration = Duration::from_mins(1);

/// With all of them armed and none due; in the quick form over no safety poll.
pub(crate) async fn statements_per_second(settings: &Settings, file: &SqliteFile) {
    let (writer, readers) = (file.database.writer.clone(), file.database.readers.clone());
    let store: Arc<dyn Backend> = Arc::new(SqliteApprovalStore::new(writer, readers));
    let clock = Arc::new(SystemClock);
    // Nobody is told: what is sent once is no idling.
    ours::arm_at(&store, settings.armed, clock.now(), ours::untold).await;
    let counting = Arc::new(Watched { store, watch: Counting::default() });
    let (alarm, shutdown) = (Arc::new(Alarm::new()), CancellationToken::new());
    let scheduler = DbEscalationScheduler::new(
        counting.clone(),
        clock.clone(),
        Arc::clone(&alarm),
        SchedulerConfig::default(),
    );
    let sender = Sender::new(
        counting.clone(),
        BTreeMap::new(),
        clock.clone(),
        Arc::clone(&alarm),
        SenderConfig::default(),
    );
    let (config, audited) = (AuditorConfig::default(), counting.clone());
    let auditor = EscalationAuditor::new(audited, clock.clone(), alarm, config);
    let mut running = JoinSet::new();
    running.spawn(scheduler.run(shutdown.clone()));
    running.spawn(sender.run(shutdown.clone()));
    running.spawn(auditor.run(shutdown.clone()));
    // The first looks find out what there is; they are no idling.
    while counting.watch.asked() < 2 {
        tokio::task::yield_now().await;
    }
    let span = if settings.bench.once { Duration::from_secs(1) } else { SPAN };
    let (started, before) = (Instant::now(), counting.watch.asked());
    clock.sleep_until(clock.now() + span).await;
    let asked = counting.watch.asked() - before;
    let rate = f64::from(asked) / started.elapsed().as_secs_f64();
    shutdown.cancel();
    running.join_all().await;
    settings.bench.print(&Line {
        case: format!(
            "{} timers armed and none due: what scheduler, sender and auditor ask together, beside \
             one in 5 s",
            settings.armed
        ),
        ours: rate,
        baseline: 0.2,
        unit: "calls/s",
        goal: Goal::AtMost(1.0),
    });
}
