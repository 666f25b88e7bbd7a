//! What became of everything that was submitted.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use gov_core::Clock;
use tokio::sync::Notify;

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident => $metric:literal, $add:ident;)*) => {
        #[derive(Debug)]
        struct Counters { $($name: Counter,)* }

        impl Counters {
            fn new() -> Self {
                Self { $($name: Counter::new(metrics::counter!($metric)),)* }
            }
        }

        impl DeferredAuditMetrics {
            $($(#[$doc])*
            #[must_use]
            pub fn $name(&self) -> u64 {
                self.inner.counters.$name.value.load(Ordering::SeqCst)
            }

            pub(crate) fn $add(&self, by: u64) {
                self.inner.counters.$name.add(by);
            })*
        }
    };
}

counters! {
    /// Records handed to the queue, taken or not, and those replayed from the spool.
    submitted => "gov_deferred_audit_submitted_total", add_submitted;
    /// Of these, the ones that an earlier process had left in the spool.
    replayed => "gov_deferred_audit_replayed_total", add_replayed;
    /// Records that the log holds.
    appended => "gov_deferred_audit_appended_total", add_appended;
    /// Records refused at submit, whatever the reason: the `rejected` of the conservation law.
    send_failures => "gov_deferred_audit_send_failures_total", add_send_failures;
    /// Records that could not be appended and lie in the dead letters.
    append_failures => "gov_deferred_audit_append_failures_total", add_append_failures;
    /// Panics of the sink; each cost a restart, not a record.
    drainer_panics => "gov_deferred_audit_drainer_panics_total", add_drainer_panics;
    /// Records kept, whole, in the dead letters or in the quarantine.
    dlq_landed => "gov_deferred_audit_dlq_landed_total", add_dlq_landed;
    /// Appends repeated because another writer took the sequence number first.
    unique_race_retries => "gov_deferred_audit_unique_race_retries_total", add_unique_race_retries;
    /// Damaged ranges of the spool that were kept aside.
    quarantined => "gov_deferred_audit_quarantined_total", add_quarantined;
    /// Fsyncs of the spool that failed.
    sync_failures => "gov_deferred_audit_sync_failures_total", add_sync_failures;
    /// Fsyncs of the spool that were made.
    syncs => "gov_deferred_audit_syncs_total", add_syncs;
}

/// The counters of one queue: all zero at its start, shared by clones, and exported through the
/// `metrics` facade as `gov_deferred_audit_…`.
///
/// The facade's recorder must be installed before the queue is opened.
#[derive(Clone)]
pub struct DeferredAuditMetrics {
    inner: Arc<Inner>,
}

struct Inner {
    counters: Counters,
    pending: metrics::Gauge,
    spool_bytes: metrics::Gauge,
    possibly_missing: metrics::Gauge,
    clock: Arc<dyn Clock>,
    progress: Notify,
}

struct Counter {
    value: AtomicU64,
    exported: metrics::Counter,
}

impl Counter {
    fn new(exported: metrics::Counter) -> Self {
        Self { value: AtomicU64::new(0), exported }
    }

    fn add(&self, by: u64) {
        self.value.fetch_add(by, Ordering::SeqCst);
        self.exported.increment(by);
    }
}

impl DeferredAuditMetrics {
    /// All zero; `clock` paces [`drain_pending`].
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self {
            inner: Arc::new(Inner {
                counters: Counters::new(),
                pending: metrics::gauge!("gov_deferred_audit_pending"),
                spool_bytes: metrics::gauge!("gov_deferred_audit_spool_bytes"),
                possibly_missing: metrics::gauge!(
                    "gov_records_possibly_missing", "component" => "deferred_audit"
                ),
                clock,
                progress: Notify::new(),
            }),
        }
    }

    /// Counts one repetition of an append that lost a race for its sequence number.
    pub fn count_unique_race_retry(&self) {
        self.add_unique_race_retries(1);
    }

    pub(crate) fn is_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    pub(crate) fn publish(&self, balance: Balance, spool_bytes: u64) {
        self.inner.pending.set(gauge(balance.pending));
        self.inner.spool_bytes.set(gauge(spool_bytes));
        self.inner.possibly_missing.set(gauge(balance.possibly_missing()));
        self.inner.progress.notify_waiters();
    }

    fn is_accounted_for(&self) -> bool {
        // Settled ones are read first: what is submitted meanwhile can only delay the yes.
        let settled = self.appended() + self.dlq_landed() + self.send_failures();
        settled >= self.submitted()
    }
}

impl fmt::Debug for DeferredAuditMetrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.counters.fmt(f)
    }
}

impl fmt::Debug for Counter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.value.fmt(f)
    }
}

/// Waits until everything submitted so far is in the log, in the dead letters or refused, also
/// while others still submit; false when `timeout` passes first.
pub async fn drain_pending(metrics: &DeferredAuditMetrics, timeout: Duration) -> bool {
    let clock = &metrics.inner.clock;
    let mut bound = clock.sleep_until(clock.now() + timeout);
    loop {
        // Made before the check, so that progress after it is not missed.
        let progress = metrics.inner.progress.notified();
        if metrics.is_accounted_for() {
            return true;
        }
        tokio::select! {
            () = progress => (),
            () = &mut bound => return metrics.is_accounted_for(),
        }
    }
}

/// The conservation law of one queue, read in one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balance {
    /// Handed in, or replayed from the spool.
    pub submitted: u64,
    /// In the log.
    pub appended: u64,
    /// In the dead letters or the quarantine.
    pub dead_lettered: u64,
    /// Refused at submit.
    pub rejected: u64,
    /// Found in the queue, counted one by one: waiting in memory or in the spool, or with the sink.
    pub pending: u64,
    /// Damages of the spool whose `audit.gap` record is not in the log yet.
    pub gaps: u64,
}

impl Balance {
    /// Whether submitted = appended + dead-lettered + rejected + pending.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.submitted == self.accounted()
    }

    /// How many records may be missing: 0, or an alarm.
    #[must_use]
    pub fn possibly_missing(&self) -> u64 {
        self.submitted.abs_diff(self.accounted()) + self.gaps
    }

    fn accounted(&self) -> u64 {
        self.appended + self.dead_lettered + self.rejected + self.pending
    }
}

/// Exact up to 2⁵³, far beyond what fits into a spool.
#[expect(clippy::cast_precision_loss, reason = "the facade's gauges are floating point")]
fn gauge(value: u64) -> f64 {
    value as f64
}
