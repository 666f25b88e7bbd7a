//! Brings committed checkpoints to the outside copy.

use std::{error::Error, time::Duration};

use tokio_util::sync::CancellationToken;

use super::SignedLog;

/// At most one append and fsync in this span.
const INTERVAL: Duration = Duration::from_secs(1);

pub(super) async fn run(log: &SignedLog, shutdown: CancellationToken) {
    let mut committed = log.committed();
    let mut copied = committed.borrow_and_update().size;
    // What was committed before this task began is not announced again.
    let known = committed.borrow().checkpoint.clone();
    let mut pending = log.inner.outside.lock().last_note() != Some(known.as_str());
    loop {
        if !pending {
            tokio::select! {
                changed = committed.changed() => pending = changed.is_ok(),
                () = shutdown.cancelled() => (),
            }
        }
        let last = shutdown.is_cancelled();
        let size = committed.borrow_and_update().size;
        if pending || size > copied {
            pending = !log.copy_now().await;
            if !pending {
                copied = size;
            }
        }
        if last {
            return;
        }
        let clock = &log.inner.clock;
        tokio::select! {
            () = clock.sleep_until(clock.now() + INTERVAL) => (),
            () = shutdown.cancelled() => (),
        }
    }
}

impl SignedLog {
    /// Copies the checkpoint of now; `false` if it has to be tried again.
    async fn copy_now(&self) -> bool {
        let (inner, committed) = (std::sync::Arc::clone(&self.inner), self.committed());
        let note = committed.borrow().checkpoint.clone();
        let at = inner.clock.now();
        let work = tokio::task::spawn_blocking(move || inner.outside.lock().append(at, &note));
        let error: Box<dyn Error + Send + Sync> = match work.await {
            Ok(Ok(())) => {
                gov_store::crash::point("log-after-outside-copy");
                self.inner.trouble.lock().copying = None;
                return true;
            }
            Ok(Err(error)) => Box::new(error),
            Err(error) => Box::new(error),
        };
        tracing::error!(error = &*error as &dyn Error, "the outside copy cannot be written");
        self.inner.trouble.lock().copying = Some(error.to_string());
        false
    }
}
