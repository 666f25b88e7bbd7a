//! What a server does when everything is halted, here or at another one, and when it goes on.

use std::sync::Arc;

use gov_core::{Health, HealthState};
use tokio::{sync::watch, task::JoinHandle};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::identity::{Directory, Halt};

/// Starts the task that hears of every halt and its end, whichever server made it, also of one that
/// lasts at the start.
pub(super) fn start(directory: &Directory, stop: &CancellationToken) -> JoinHandle<()> {
    tokio::spawn(follow(directory.halts(), stop.clone()))
}

async fn follow(mut halts: watch::Receiver<Option<Halt>>, stop: CancellationToken) {
    loop {
        let halt = halts.borrow_and_update().clone();
        if let Some(halt) = halt {
            heard(&halt);
        }
        tokio::select! {
            () = stop.cancelled() => return,
            changed = halts.changed() => if changed.is_err() { return },
        }
    }
}

/// The one place that a halt and its end come by, each with its time: the clocks of what waits for
/// people stand still between the two.
fn heard(halt: &Halt) {
    let Halt { halted_at, reason, who, resumed_at } = halt;
    match resumed_at {
        None => warn!(%halted_at, %who, %reason, "everything is halted: every check is refused"),
        Some(resumed_at) => warn!(%halted_at, %resumed_at, "checks are judged again"),
    }
}

/// Whether checks are judged at all.
#[derive(Debug)]
pub(super) struct HaltHealth(Arc<Directory>);

impl HaltHealth {
    pub(super) fn of(directory: &Arc<Directory>) -> Arc<dyn Health> {
        Arc::new(Self(Arc::clone(directory)))
    }
}

impl Health for HaltHealth {
    fn name(&self) -> &'static str {
        "halt"
    }

    /// The reason of the halt is for who may ask, and this is for everybody.
    fn health(&self) -> HealthState {
        match self.0.halt() {
            None => HealthState::Healthy,
            Some(halt) => HealthState::Degraded(format!(
                "everything is halted since {}, so every check is refused; `gov resume` ends it",
                halt.halted_at
            )),
        }
    }
}
