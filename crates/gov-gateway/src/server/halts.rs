//! What a server does when everything is halted, here or at another one, and when it goes on.

use std::{error::Error, sync::Arc, time::Duration};

use gov_core::{Clock, Health, HealthState, Timestamp};
use metrics::Gauge;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::approvals::Clocks;
use crate::{
    clocks,
    identity::{Directory, Halt},
    storage::Storage,
    store::GatewayStore,
};

/// The pause after a try that failed; it doubles.
const FIRST_RETRY: Duration = Duration::from_millis(50);

/// The longest pause.
const LAST_RETRY: Duration = Duration::from_secs(5);

/// Before any timer may fire: a process that died may have stored a halt and not stopped the clocks.
pub(super) async fn before_start(storage: &Storage, halt: Option<&Halt>) {
    let Some(halt) = halt else { return };
    if let Err(error) = clocks::catch_up(&*clocks::of(&storage.kind), halt).await {
        said(&error);
    }
}

/// Hears of every halt and its end, whichever server made it, also of one that lasts at the start,
/// and makes the clocks of what waits for people stand still between the two.
#[derive(Debug)]
pub(super) struct Halts {
    directory: Arc<Directory>,
    store: Arc<dyn GatewayStore>,
    clocks: Clocks,
    clock: Arc<dyn Clock>,
    health: Arc<HaltHealth>,
    halted: Gauge,
}

impl Halts {
    pub(super) fn new(
        directory: &Arc<Directory>,
        store: &Arc<dyn GatewayStore>,
        clocks: Clocks,
        clock: &Arc<dyn Clock>,
    ) -> Self {
        let directory = Arc::clone(directory);
        let health =
            Arc::new(HaltHealth { directory: Arc::clone(&directory), behind: Mutex::default() });
        let (store, clock) = (Arc::clone(store), Arc::clone(clock));
        let halted = metrics::gauge!("gov_halted");
        halted.set(if directory.halt().is_some() { 1.0 } else { 0.0 });
        Self { directory, store, clocks, clock, health, halted }
    }

    /// How it is, also while it runs.
    pub(super) fn health(&self) -> Arc<dyn Health> {
        Arc::clone(&self.health) as _
    }

    /// Follows the halts until `stop`, and then what was heard by then.
    pub(super) async fn run(self, stop: CancellationToken) {
        let mut halts = self.directory.halts();
        let at_start = halts.borrow().clone();
        let (mut told, mut retry) = (None, FIRST_RETRY);
        loop {
            let is_last = stop.is_cancelled();
            let heard = halts.borrow_and_update().clone();
            if heard != told {
                self.tell(heard.as_ref());
                told.clone_from(&heard);
            }
            let behind = self.follow(heard.as_ref(), at_start.as_ref()).await.err();
            if is_last {
                return;
            }
            let pause = behind.is_some().then_some(retry);
            retry = if pause.is_some() { (retry * 2).min(LAST_RETRY) } else { FIRST_RETRY };
            *self.health.behind.lock() = behind;
            let next = pause.map_or(Timestamp::MAX, |it| self.clock.now() + it);
            tokio::select! {
                () = stop.cancelled() => (),
                () = self.clock.sleep_until(next) => (),
                changed = halts.changed() => if changed.is_err() { return },
            }
        }
    }

    /// Makes the clocks follow what the database says; `heard` may be ahead of it.
    ///
    /// # Errors
    ///
    /// Why they do not follow what was heard, yet.
    async fn follow(&self, heard: Option<&Halt>, at_start: Option<&Halt>) -> Result<(), String> {
        if heard.is_none() {
            return Ok(());
        }
        let stored = self.store.contents().await.map_err(|error| said(&error))?.identities.halt;
        if let Some(halt) = &stored {
            let store = &*self.clocks.store;
            let run_again = if stored.as_ref() == at_start {
                clocks::catch_up(store, halt).await
            } else {
                clocks::follow(store, halt).await
            };
            if run_again.map_err(|error| said(&error))? {
                self.clocks.alarm.runs_again(self.clock.now());
            }
        }
        let agrees = stored.as_ref() == heard;
        agrees.then_some(()).ok_or_else(|| "the database does not hold it yet".to_owned())
    }

    fn tell(&self, halt: Option<&Halt>) {
        self.halted.set(if halt.is_some_and(Halt::is_on) { 1.0 } else { 0.0 });
        let Some(Halt { halted_at, reason, who, resumed_at }) = halt else { return };
        match resumed_at {
            None => {
                warn!(%halted_at, %who, %reason, "everything is halted: every check is refused");
            }
            Some(resumed_at) => warn!(%halted_at, %resumed_at, "checks are judged again"),
        }
    }
}

/// Logged whole; what is shown to everybody says less.
fn said(error: &(dyn Error + 'static)) -> String {
    warn!(error, "the clocks of approvals do not follow a halt; trying again");
    error.to_string()
}

/// Whether checks are judged at all, and whether the clocks of approvals follow that.
#[derive(Debug)]
struct HaltHealth {
    directory: Arc<Directory>,
    /// Why they do not.
    behind: Mutex<Option<String>>,
}

impl Health for HaltHealth {
    fn name(&self) -> &'static str {
        "halt"
    }

    /// The reason of the halt is for who may ask, and this is for everybody.
    fn health(&self) -> HealthState {
        let behind = self.behind.lock().clone();
        let behind = behind.map(|why| format!("the clocks of approvals do not follow: {why}"));
        let halted = self.directory.halt().map(|halt| {
            format!(
                "everything is halted since {}, so every check is refused; `gov resume` ends it",
                halt.halted_at
            )
        });
        let reasons: Vec<_> = halted.into_iter().chain(behind).collect();
        if reasons.is_empty() {
            HealthState::Healthy
        } else {
            HealthState::Degraded(reasons.join("; "))
        }
    }
}

#[cfg(test)]
mod tests;
