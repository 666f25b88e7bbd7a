//! How the gateway's own parts are.

use std::sync::Arc;

use gov_core::{Health, HealthState};

use crate::check::Gate;

/// Whether there is a policy to judge by.
#[derive(Debug)]
pub(super) struct PolicyHealth(Arc<Gate>);

impl PolicyHealth {
    pub(super) fn new(gate: Arc<Gate>) -> Arc<Self> {
        Arc::new(Self(gate))
    }
}

impl Health for PolicyHealth {
    fn name(&self) -> &'static str {
        "policy"
    }

    fn health(&self) -> HealthState {
        match self.0.policy_version() {
            Some(_) => HealthState::Healthy,
            None => HealthState::Dead(
                "no policy is loaded, so everything is refused; `gov init` puts one in".to_owned(),
            ),
        }
    }
}
