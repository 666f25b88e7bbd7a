//! What the crate counts, through the `metrics` facade; the README lists the names.

use gov_core::Timestamp;
use metrics::{Counter, Histogram, counter, histogram};

use crate::{approval::Verdict, store::Fired};

/// The crate's counters, looked up once. The facade's recorder must be installed before.
#[derive(Debug)]
pub(crate) struct Meters {
    pub(crate) requested: Counter,
    pub(crate) consumed: Counter,
    pub(crate) drawn: Counter,
    pub(crate) edited: Counter,
    pub(crate) voted: Counter,
    pub(crate) reopened: Counter,
    pub(crate) cancelled: Counter,
    pub(crate) pass_errors: Counter,
    pub(crate) sent: Counter,
    pub(crate) failed: Counter,
    pub(crate) given_up: Counter,
    pub(crate) disabled: Counter,
    approved: Counter,
    rejected: Counter,
    escalated: Counter,
    fell_back: Counter,
    settled: Counter,
    skipped: Counter,
    expired: Counter,
    set_aside: Counter,
    stale: Counter,
    lag: Histogram,
}

impl Meters {
    pub(crate) fn new() -> Self {
        let decided = |verdict: Verdict| counter!("gov_escalation_decided_total", "verdict" => verdict.as_str());
        let fired = |what: &'static str| counter!("gov_escalation_fired_total", "what" => what);
        Self {
            requested: counter!("gov_escalation_requested_total"),
            consumed: counter!("gov_escalation_consumed_total"),
            drawn: counter!("gov_escalation_drawn_total"),
            edited: counter!("gov_escalation_edited_total"),
            voted: counter!("gov_escalation_voted_total"),
            reopened: counter!("gov_escalation_reopened_total"),
            cancelled: counter!("gov_escalation_cancelled_total"),
            pass_errors: counter!("gov_escalation_pass_errors_total"),
            sent: counter!("gov_escalation_outbox_sent_total"),
            failed: counter!("gov_escalation_outbox_failed_total"),
            given_up: counter!("gov_escalation_outbox_given_up_total"),
            disabled: counter!("gov_escalation_target_disabled_total"),
            approved: decided(Verdict::Approve),
            rejected: decided(Verdict::Reject),
            escalated: fired("escalated"),
            fell_back: fired("fell_back"),
            settled: fired("settled"),
            skipped: fired("skipped"),
            expired: fired("expired"),
            set_aside: fired("set_aside"),
            stale: fired("stale"),
            lag: histogram!("gov_escalation_firing_lag_seconds"),
        }
    }

    pub(crate) fn decided(&self, verdict: Verdict) {
        match verdict {
            Verdict::Approve => self.approved.increment(1),
            Verdict::Reject => self.rejected.increment(1),
        }
    }

    /// A batch whose first timer was due at `due` begins at `now`.
    pub(crate) fn late(&self, due: Timestamp, now: Timestamp) {
        self.lag.record(now.since(due));
    }

    pub(crate) fn fired(&self, fired: Fired) {
        for (counter, by) in [
            (&self.escalated, fired.escalated),
            (&self.fell_back, fired.fell_back),
            (&self.settled, fired.settled),
            (&self.skipped, fired.skipped),
            (&self.expired, fired.expired),
            (&self.set_aside, fired.set_aside),
            (&self.stale, fired.stale),
        ] {
            counter.increment(by.into());
        }
    }
}
