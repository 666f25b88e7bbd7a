//! Since when nothing can be appended.

use std::time::Duration;

use gov_core::Timestamp;
use tokio::sync::watch;

use super::SignedLog;

/// The last success is over, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failing {
    /// When it failed first.
    since: Timestamp,
    /// What it said last.
    pub(super) why: String,
}

/// `None` while appending works.
pub(super) type State = watch::Sender<Option<Failing>>;

impl SignedLog {
    /// Waits until nothing could be appended for `span`, and says why; for ever while it works.
    ///
    /// For those who must not wait until it works again: what was handed to the queue stays there.
    pub async fn failing_for(&self, span: Duration) -> String {
        let (mut failing, clock) = (self.inner.failing.subscribe(), &self.inner.clock);
        loop {
            let state = failing.borrow_and_update().clone();
            let lasts = async {
                match &state {
                    Some(it) => clock.sleep_until(it.since + span).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = lasts => return state.map(|it| it.why).unwrap_or_default(),
                // The sender lives in `self`, so the channel cannot close while we wait.
                _ = failing.changed() => (),
            }
        }
    }

    pub(super) fn fails(&self, why: String) {
        let now = self.inner.clock.now();
        self.inner.failing.send_modify(|state| {
            let since = state.as_ref().map_or(now, |it| it.since);
            *state = Some(Failing { since, why });
        });
    }

    pub(super) fn works(&self) {
        self.inner.failing.send_if_modified(|state| state.take().is_some());
    }
}
