//! The chains that work, and that somebody should look at all the same.

use std::{collections::BTreeMap, sync::Arc};

use gov_core::{Health, HealthState};
use gov_escalation::chain::Chain;
use tracing::warn;

/// Whether the first escalation of every chain comes well before its time-out.
#[derive(Debug)]
pub(super) struct ChainsHealth(HealthState);

impl ChainsHealth {
    /// Looks once, and says it in the log too: a running server keeps its chains.
    pub(super) fn of(chains: &BTreeMap<String, Chain>) -> Arc<dyn Health> {
        let late = chains.values().filter(|it| it.escalates_late());
        let late: Vec<_> = late.map(|it| format!("`{}`", it.name)).collect();
        if late.is_empty() {
            return Arc::new(Self(HealthState::Healthy));
        }
        let reason = format!(
            "the first escalation of {} comes when more than half of the time-out is over; make the \
             `after` of its second rung shorter, or `timeout` longer",
            late.join(", ")
        );
        warn!(%reason, "a chain asks its second rung late");
        Arc::new(Self(HealthState::Degraded(reason)))
    }
}

impl Health for ChainsHealth {
    fn name(&self) -> &'static str {
        "chains"
    }

    fn health(&self) -> HealthState {
        self.0.clone()
    }
}
