//! What an auditor counts; the README lists the names.

use metrics::{Counter, Gauge, counter, gauge};

use super::AuditReport;
use crate::store::StoreError;

/// The facade's recorder must be installed before.
#[derive(Debug)]
pub(super) struct Meters {
    unarmed: Gauge,
    overdue: Gauge,
    unsent: Gauge,
    stale: Gauge,
    set_aside: Gauge,
    armed_again: Counter,
    disarmed: Counter,
    put_aside: Counter,
    errors: Counter,
}

impl Meters {
    pub(super) fn new() -> Self {
        let found = |what: &'static str| gauge!("gov_escalation_found", "what" => what);
        let mended = |what: &'static str| counter!("gov_escalation_mended_total", "what" => what);
        Self {
            unarmed: found("unarmed"),
            overdue: found("overdue"),
            unsent: found("unsent"),
            stale: found("stale"),
            set_aside: found("set_aside"),
            armed_again: mended("armed"),
            disarmed: mended("disarmed"),
            put_aside: mended("set_aside"),
            errors: counter!("gov_escalation_audit_errors_total"),
        }
    }

    /// A failed pass leaves the gauges as they were.
    pub(super) fn passed(&self, outcome: &Result<AuditReport, StoreError>) {
        let Ok(AuditReport { found, mended }) = outcome else { return self.errors.increment(1) };
        let set_aside = found.set_aside.saturating_add(mended.set_aside.into());
        for (gauge, count) in [
            (&self.unarmed, found.unarmed),
            (&self.overdue, found.overdue),
            (&self.unsent, found.unsent),
            (&self.stale, found.stale),
            (&self.set_aside, set_aside),
        ] {
            gauge.set(u32::try_from(count).unwrap_or(u32::MAX));
        }
        for (counter, by) in [
            (&self.armed_again, mended.armed),
            (&self.disarmed, mended.disarmed),
            (&self.put_aside, mended.set_aside),
        ] {
            counter.increment(by.into());
        }
    }
}
