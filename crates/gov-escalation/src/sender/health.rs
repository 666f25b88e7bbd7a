//! Whether messages arrive.

use std::{error::Error, sync::Arc};

use gov_core::{Health, HealthState, text::escape};
use parking_lot::Mutex;
use tracing::warn;

use crate::store::{Outbox, TargetState};

/// How the targets are, as they were found by the last look.
#[derive(Debug)]
pub struct SenderHealth {
    outbox: Arc<dyn Outbox>,
    state: Mutex<HealthState>,
}

impl SenderHealth {
    /// Nothing is known before the first look.
    #[must_use]
    pub fn new(outbox: Arc<dyn Outbox>) -> Self {
        Self { outbox, state: Mutex::new(HealthState::Healthy) }
    }

    /// Looks how the targets are; a sender that runs does so twice a minute, and when it gives up
    /// or disables something.
    pub async fn look(&self) {
        let state = match self.outbox.targets().await {
            Ok(targets) => judge(&targets),
            Err(error) => {
                warn!(error = &error as &dyn Error, "cannot read how the targets are");
                HealthState::Degraded(format!("cannot read how the targets are: {error}"))
            }
        };
        *self.state.lock() = state;
    }
}

impl Health for SenderHealth {
    fn name(&self) -> &'static str {
        "notifications"
    }

    /// Degraded while a target is disabled, and while it has messages that were given up since
    /// somebody enabled it last.
    fn health(&self) -> HealthState {
        self.state.lock().clone()
    }
}

fn judge(targets: &[TargetState]) -> HealthState {
    let said = targets.iter().filter_map(|it| {
        let name = escape(&it.name);
        match it {
            TargetState { disabled: Some(_), .. } => Some(format!("`{name}` is disabled")),
            TargetState { given_up: 0, .. } => None,
            TargetState { given_up, .. } => {
                Some(format!("{given_up} messages to `{name}` were given up"))
            }
        }
    });
    let said: Vec<_> = said.collect();
    if said.is_empty() {
        return HealthState::Healthy;
    }
    let said = said.join(", ");
    HealthState::Degraded(format!("{said}; correct it, then `gov notify enable NAME`"))
}
