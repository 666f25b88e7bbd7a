//! How far what follows the signed log is behind it.

use std::{collections::BTreeMap, error::Error, fmt};

use gov_core::{Health, HealthState};
use gov_deferred_audit::signed_log::EpochExtent;
use parking_lot::Mutex;

use super::CarryError;

/// What waits, and why: a part of `/readyz`, and two metrics.
pub struct Progress {
    state: Mutex<State>,
    lag: metrics::Gauge,
    dead_letters: metrics::Counter,
}

#[derive(Debug, Default)]
struct State {
    /// Of each epoch: how many records it has, and how many of them are carried.
    epochs: BTreeMap<u64, (u64, u64)>,
    trouble: Option<String>,
}

impl Progress {
    pub(super) fn new() -> Self {
        let it = Self {
            state: Mutex::new(State::default()),
            lag: metrics::gauge!("gov_retention_follower_lag_records"),
            dead_letters: metrics::counter!("gov_retention_follower_dead_letters_total"),
        };
        it.lag.set(0.0);
        it
    }

    /// How many records of the log are not handed on yet, as far as is known.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.state.lock().lag()
    }

    pub(super) fn log_has(&self, epochs: &[EpochExtent]) {
        let mut state = self.state.lock();
        for it in epochs {
            state.epochs.entry(it.epoch).or_default().0 = it.size;
        }
        self.publish(&state);
    }

    pub(super) fn reached(&self, epoch: u64, cursor: u64) {
        let mut state = self.state.lock();
        state.epochs.entry(epoch).or_default().1 = cursor;
        self.publish(&state);
    }

    pub(super) fn dead_lettered(&self, records: u64) {
        self.dead_letters.increment(records);
    }

    pub(super) fn works(&self) {
        if self.state.lock().trouble.take().is_some() {
            tracing::info!("records of the signed log are handed on again");
        }
    }

    /// The first failure of a row is told in the log.
    pub(super) fn failed(&self, error: &CarryError) {
        let mut state = self.state.lock();
        if state.trouble.is_none() {
            tracing::error!(error = error as &dyn Error, "records of the signed log wait");
        }
        let cause = error.source().map(|it| format!(": {it}")).unwrap_or_default();
        state.trouble = Some(format!("{error}{cause}"));
    }

    #[expect(clippy::cast_precision_loss, reason = "the facade's gauges are floating point")]
    fn publish(&self, state: &State) {
        self.lag.set(state.lag() as f64);
    }
}

impl State {
    fn lag(&self) -> u64 {
        self.epochs.values().map(|(size, carried)| size.saturating_sub(*carried)).sum()
    }
}

/// Degraded while records wait for an outlet that fails.
impl Health for Progress {
    fn name(&self) -> &'static str {
        "log_follower"
    }

    fn health(&self) -> HealthState {
        let state = self.state.lock();
        match &state.trouble {
            None => HealthState::Healthy,
            Some(trouble) => {
                let lag = state.lag();
                HealthState::Degraded(format!("{lag} records of the signed log wait: {trouble}"))
            }
        }
    }
}

impl fmt::Debug for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Progress").field("state", &self.state).finish_non_exhaustive()
    }
}
