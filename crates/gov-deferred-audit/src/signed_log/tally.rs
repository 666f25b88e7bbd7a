//! The dead letters, counted for health and metrics.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many letters lie in the table, as far as this process knows, and what left it.
#[derive(Debug)]
pub(super) struct Tally {
    lying: AtomicU64,
    size: metrics::Gauge,
    pub(super) replayed: metrics::Counter,
    pub(super) discarded: metrics::Counter,
}

impl Tally {
    pub(super) fn new(lying: u64) -> Self {
        let tally = Self {
            lying: AtomicU64::new(0),
            size: metrics::gauge!("gov_deferred_audit_dlq_size"),
            replayed: metrics::counter!("gov_deferred_audit_dlq_replayed_total"),
            discarded: metrics::counter!("gov_deferred_audit_dlq_discarded_total"),
        };
        tally.found(lying);
        tally
    }

    pub(super) fn lying(&self) -> u64 {
        self.lying.load(Ordering::Relaxed)
    }

    pub(super) fn found(&self, lying: u64) {
        self.lying.store(lying, Ordering::Relaxed);
        self.size.set(u32::try_from(lying).unwrap_or(u32::MAX));
    }
}
