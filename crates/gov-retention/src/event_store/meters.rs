//! What an event store reports about itself, through the `metrics` facade.

use metrics::{Counter, counter};
#[cfg(feature = "sqlite")]
use metrics::{Gauge, gauge};
use parking_lot::Mutex;

use super::{Appended, StoreError};

/// Handles of one store's metrics, bound to the recorder that is installed when it opens.
#[derive(Debug)]
pub(super) struct Meters {
    appended: Counter,
    known: Counter,
    append_errors: Counter,
    query_errors: Counter,
    #[cfg(feature = "sqlite")]
    open_files: Gauge,
    #[cfg(feature = "sqlite")]
    unreadable_days: Gauge,
    /// Why the last append failed; `None` after one that did not.
    failing: Mutex<Option<String>>,
}

impl Meters {
    pub(super) fn new() -> Self {
        Self {
            appended: counter!("gov_retention_appended_total"),
            known: counter!("gov_retention_known_total"),
            append_errors: counter!("gov_retention_append_errors_total"),
            query_errors: counter!("gov_retention_query_errors_total"),
            #[cfg(feature = "sqlite")]
            open_files: gauge!("gov_retention_open_files"),
            #[cfg(feature = "sqlite")]
            unreadable_days: gauge!("gov_retention_unreadable_days"),
            failing: Mutex::default(),
        }
    }

    /// Counts what became of an append, and hands it on.
    pub(super) fn append(
        &self,
        result: Result<Appended, StoreError>,
    ) -> Result<Appended, StoreError> {
        match &result {
            Ok(done) => {
                self.appended.increment(done.new);
                self.known.increment(done.known);
                *self.failing.lock() = None;
            }
            Err(error) => {
                self.append_errors.increment(1);
                if is_the_stores_fault(error) {
                    *self.failing.lock() = Some(chain(error));
                }
            }
        }
        result
    }

    /// Counts a query or a count that failed, and hands its answer on.
    pub(super) fn query<T>(&self, result: Result<T, StoreError>) -> Result<T, StoreError> {
        if result.is_err() {
            self.query_errors.increment(1);
        }
        result
    }

    #[cfg(feature = "sqlite")]
    pub(super) fn open_files(&self, count: usize) {
        self.open_files.set(gauge_of(count));
    }

    #[cfg(feature = "sqlite")]
    pub(super) fn unreadable_days(&self, count: usize) {
        self.unreadable_days.set(gauge_of(count));
    }

    /// Why the last append failed.
    pub(super) fn failing(&self) -> Option<String> {
        self.failing.lock().clone()
    }
}

fn is_the_stores_fault(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::Day { .. } | StoreError::Unavailable(_) | StoreError::Corrupt { .. }
    )
}

fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |it| it.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}

#[cfg(feature = "sqlite")]
#[expect(clippy::cast_precision_loss, reason = "a gauge; so many files no machine has")]
fn gauge_of(count: usize) -> f64 {
    count as f64
}
