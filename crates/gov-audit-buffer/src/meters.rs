//! What the crate counts, through the `metrics` facade; the README lists the names.

use std::time::Duration;

use metrics::{Counter, Gauge, counter, gauge};

use gov_core::Timestamp;

use crate::{
    buffer::BufferStatus,
    publisher::{Published, Rejection, breaker::BreakerState},
};

/// What a publisher counts, looked up once. The facade's recorder must be installed before.
#[derive(Debug)]
pub(crate) struct Meters {
    published: Counter,
    full: Counter,
    too_large: Counter,
    closed: Counter,
    unavailable: Counter,
    buffered: Counter,
    flushed: Counter,
    rejected: Counter,
    dropped: Counter,
    gaps: Counter,
    released_early: Counter,
    depth_rows: Gauge,
    depth_bytes: Gauge,
    file_bytes: Gauge,
    dead_letters: Gauge,
    oldest: Gauge,
    breaker: Gauge,
}

impl Meters {
    pub(crate) fn new() -> Self {
        let errors =
            |reason: &'static str| counter!("gov_audit_publish_errors_total", "reason" => reason);
        Self {
            published: counter!("gov_audit_published_total"),
            full: errors("full"),
            too_large: errors("too_large"),
            closed: errors("closed"),
            unavailable: errors("unavailable"),
            buffered: counter!("gov_audit_buffered_total"),
            flushed: counter!("gov_audit_flushed_total"),
            rejected: counter!("gov_audit_buffer_rejected_total"),
            dropped: counter!("gov_audit_buffer_dropped_total"),
            gaps: counter!("gov_audit_buffer_gaps_total"),
            released_early: counter!("gov_audit_buffer_released_early_total"),
            depth_rows: gauge!("gov_audit_buffer_depth_rows"),
            depth_bytes: gauge!("gov_audit_buffer_depth_bytes"),
            file_bytes: gauge!("gov_audit_buffer_file_bytes"),
            dead_letters: gauge!("gov_audit_buffer_dead_letters"),
            oldest: gauge!("gov_audit_buffer_oldest_age_seconds"),
            breaker: gauge!("gov_audit_buffer_breaker_state"),
        }
    }

    pub(crate) fn published(&self, what: Published) {
        match what {
            Published::Durable { .. } | Published::Spooled { .. } => {
                self.published.increment(1);
                self.buffered.increment(1);
            }
            Published::Shipped => self.published.increment(1),
            Published::Rejected(Rejection::Full) => self.full.increment(1),
            Published::Rejected(Rejection::TooLarge { .. }) => self.too_large.increment(1),
            Published::Rejected(Rejection::Closed) => self.closed.increment(1),
            Published::Rejected(Rejection::Unavailable) => self.unavailable.increment(1),
        }
    }

    pub(crate) fn flushed(&self, events: usize) {
        self.flushed.increment(events as u64);
    }

    pub(crate) fn observed(&self, status: &BufferStatus, now: Timestamp, breaker: BreakerState) {
        self.rejected.absolute(status.counts.rejected);
        self.dropped.absolute(status.counts.dropped);
        self.gaps.absolute(status.counts.gaps);
        self.released_early.absolute(status.counts.released_early);
        self.depth_rows.set(number(status.waiting));
        self.depth_bytes.set(number(status.waiting_bytes));
        self.file_bytes.set(number(status.file_bytes));
        self.dead_letters.set(number(status.dead_letters));
        let age = status.oldest_waiting_at.map(|oldest| now.since(oldest)).unwrap_or_default();
        self.oldest.set(age.as_secs_f64());
        self.breaker.set(match breaker {
            BreakerState::Closed => 0.0,
            BreakerState::HalfOpen => 1.0,
            BreakerState::Open { .. } => 2.0,
        });
    }
}

/// What happens between a buffer and its sink.
#[derive(Debug)]
pub(crate) struct DrainMeters {
    found: Counter,
    resent: Counter,
    renamed: Counter,
    dead_lettered: Counter,
    lag: Gauge,
}

impl DrainMeters {
    pub(crate) fn new() -> Self {
        Self {
            found: counter!("gov_audit_buffer_found_total"),
            resent: counter!("gov_audit_buffer_resent_total"),
            renamed: counter!("gov_audit_buffer_renamed_total"),
            dead_lettered: counter!("gov_audit_buffer_dead_lettered_total"),
            lag: gauge!("gov_audit_buffer_lag_seconds"),
        }
    }

    pub(crate) fn found(&self, events: u64) {
        self.found.increment(events);
    }

    pub(crate) fn resent(&self, events: u64) {
        self.resent.increment(events);
    }

    pub(crate) fn renamed(&self) {
        self.renamed.increment(1);
    }

    pub(crate) fn dead_lettered(&self) {
        self.dead_lettered.increment(1);
    }

    pub(crate) fn lag(&self, lag: Duration) {
        self.lag.set(lag.as_secs_f64());
    }
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating point; all is below 2^53")]
fn number(value: u64) -> f64 {
    value as f64
}
