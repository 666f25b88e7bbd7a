//! Whether timers are fired in time.

use std::{sync::Arc, time::Duration};

use gov_core::{Clock, Health, HealthState, Timestamp};
use parking_lot::Mutex;

use super::TickReport;
use crate::store::StoreError;

/// How late a timer may be before somebody should look.
pub const OVERDUE: Duration = Duration::from_secs(5);

/// How a scheduler is; stays with whoever asks while the scheduler runs.
#[derive(Debug)]
pub struct SchedulerHealth {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failure: Option<String>,
    /// What the last pass left for others.
    overdue: Option<Timestamp>,
    /// When the next pass begins.
    wakes_at: Option<Timestamp>,
}

impl SchedulerHealth {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    pub(super) fn passed(&self, outcome: &Result<TickReport, StoreError>) {
        let now = self.clock.now();
        let mut state = self.state.lock();
        match outcome {
            Ok(report) => {
                state.failure = None;
                state.overdue = report.next.filter(|it| *it <= now);
            }
            Err(error) => state.failure = Some(error.to_string()),
        }
    }

    pub(super) fn sleeps_until(&self, wakes_at: Timestamp) {
        self.state.lock().wakes_at = Some(wakes_at);
    }
}

impl Health for SchedulerHealth {
    fn name(&self) -> &'static str {
        "escalation"
    }

    /// Degraded while the last pass failed, while a timer is overdue by more than [`OVERDUE`], and
    /// while a scheduler that runs does not look.
    fn health(&self) -> HealthState {
        let now = self.clock.now();
        let state = self.state.lock();
        let late = |at: Option<Timestamp>| at.map(|it| now.since(it)).filter(|it| *it > OVERDUE);
        if let Some(failure) = &state.failure {
            return HealthState::Degraded(format!("the last escalation pass failed: {failure}"));
        }
        if let Some(late) = late(state.overdue) {
            let seconds = late.as_secs();
            return HealthState::Degraded(format!("a timer has been due for {seconds} s"));
        }
        if let Some(late) = late(state.wakes_at) {
            let seconds = late.as_secs();
            let reason = format!("the escalation scheduler should have looked {seconds} s ago");
            return HealthState::Degraded(reason);
        }
        HealthState::Healthy
    }
}
