//! What the crate counts, through the `metrics` facade; the README lists the names.

use metrics::{Counter, counter};

use crate::publisher::Published;

/// The publisher's counters, looked up once. The facade's recorder must be installed before.
#[derive(Debug)]
pub(crate) struct Meters {
    published: Counter,
    publish_errors: Counter,
    buffered: Counter,
    flushed: Counter,
}

impl Meters {
    pub(crate) fn new() -> Self {
        Self {
            published: counter!("gov_audit_published_total"),
            publish_errors: counter!("gov_audit_publish_errors_total"),
            buffered: counter!("gov_audit_buffered_total"),
            flushed: counter!("gov_audit_flushed_total"),
        }
    }

    pub(crate) fn published(&self, what: Published) {
        match what {
            Published::Durable { .. } | Published::Spooled { .. } => {
                self.published.increment(1);
                self.buffered.increment(1);
            }
            Published::Shipped => self.published.increment(1),
            Published::Rejected(_) => self.publish_errors.increment(1),
        }
    }

    pub(crate) fn flushed(&self, events: usize) {
        self.flushed.increment(events as u64);
    }
}
