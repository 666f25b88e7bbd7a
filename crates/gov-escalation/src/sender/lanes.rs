//! The lanes that deliver at the moment.

use std::{
    collections::{BTreeMap, HashMap},
    error::Error,
};

use gov_core::Timestamp;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use super::{
    SendReport,
    lane::{Lane, Passed},
};
use crate::store::StoreError;

/// At most one lane a target.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    tasks: JoinSet<Passed>,
    targets: HashMap<Id, String>,
    // Others hold what is due there.
    rests: BTreeMap<String, Timestamp>,
}

/// What a lane did.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) target: String,
    pub(super) report: SendReport,
    pub(super) failure: Option<StoreError>,
    /// It came to nothing, though something was due: looked at again soon, but not in a spin.
    pub(super) found_nothing: bool,
}

impl Lanes {
    pub(super) fn is_running(&self, target: &str) -> bool {
        self.targets.values().any(|it| it == target)
    }

    pub(super) fn start(&mut self, lane: Lane, shutdown: CancellationToken) {
        let target = lane.name.clone();
        self.rests.remove(&target);
        let task = self.tasks.spawn(lane.pass(shutdown));
        self.targets.insert(task.id(), target);
    }

    /// The next lane that ends; `None` if none runs. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Ended> {
        let (id, passed) = match self.tasks.join_next_with_id().await? {
            Ok((id, passed)) => (id, Some(passed)),
            Err(error) => {
                error!(%error, "a lane of notifications ended badly");
                (error.id(), None)
            }
        };
        let target = self.targets.remove(&id).unwrap_or_default();
        let is_broken = passed.is_none();
        let Passed { report, failure } = passed.unwrap_or_default();
        if report != SendReport::default() {
            info!(target_name = target, ?report, "notification pass");
        }
        if let Some(error) = &failure {
            error!(target_name = target, error = error as &dyn Error, "notification pass failed");
        }
        let found_nothing = is_broken || failure.is_some() || report == SendReport::default();
        Some(Ended { target, report, failure, found_nothing })
    }

    /// A lane of this target is not started before `until`.
    pub(super) fn rest(&mut self, target: String, until: Timestamp) {
        self.rests.insert(target, until);
    }

    /// There may be something new for any target.
    pub(super) fn rest_no_more(&mut self) {
        self.rests.clear();
    }

    pub(super) fn rests_until(&self, target: &str) -> Timestamp {
        self.rests.get(target).copied().unwrap_or(Timestamp::UNIX_EPOCH)
    }
}
