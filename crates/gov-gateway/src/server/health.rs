//! How the gateway's own parts are.

use std::{fs, os::unix::fs::MetadataExt as _, path::Path, sync::Arc};

use gov_core::{Health, HealthState};

use crate::check::Gate;

/// Whether there is a policy to judge by.
#[derive(Debug)]
pub(super) struct PolicyHealth(Arc<Gate>);

impl PolicyHealth {
    pub(super) fn of(gate: &Arc<Gate>) -> Arc<dyn Health> {
        Arc::new(Self(Arc::clone(gate)))
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

/// Whether the outside copy survives what the log does not.
#[derive(Debug)]
pub(super) struct OutsidePlace {
    state: HealthState,
}

impl OutsidePlace {
    /// Compares the disks once: a mount that changes under a running server is not seen.
    pub(super) fn new(data_dir: &Path, copy: &Path) -> Arc<Self> {
        let disk = |path: &Path| fs::metadata(path).map(|it| it.dev());
        let state = match (disk(data_dir), disk(copy.parent().unwrap_or(copy))) {
            (Ok(ours), Ok(theirs)) if ours != theirs => HealthState::Healthy,
            (Ok(_), Ok(_)) => HealthState::Degraded(
                "the outside copy of the checkpoints lies on the disk of the log; set \
                 `log.checkpoint_log` to a path on another one"
                    .to_owned(),
            ),
            (Err(error), _) | (_, Err(error)) => {
                HealthState::Degraded(format!("cannot tell which disk the copy is on: {error}"))
            }
        };
        Arc::new(Self { state })
    }
}

impl Health for OutsidePlace {
    fn name(&self) -> &'static str {
        "outside_copy"
    }

    fn health(&self) -> HealthState {
        self.state.clone()
    }
}
