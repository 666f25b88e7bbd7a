//! Whether somebody must look at the approvals.

use gov_core::{Health, HealthState};
use parking_lot::Mutex;

use super::AuditReport;
use crate::store::{Findings, StoreError};

/// What the last passes of an auditor found; stays with whoever asks while it runs.
#[derive(Debug, Default)]
pub struct AuditorHealth {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    failure: Option<String>,
    before: Findings,
    last: Findings,
}

impl AuditorHealth {
    pub(super) fn passed(&self, outcome: &Result<AuditReport, StoreError>) {
        let mut state = self.state.lock();
        match outcome {
            Ok(AuditReport { found, mended }) => {
                let set_aside = found.set_aside.saturating_add(mended.set_aside.into());
                let last = Findings { set_aside, ..*found };
                *state = State { failure: None, before: state.last, last };
            }
            Err(error) => state.failure = Some(error.to_string()),
        }
    }
}

impl Health for AuditorHealth {
    fn name(&self) -> &'static str {
        "escalation-audit"
    }

    /// Degraded while the last pass failed, while approvals are set aside or messages wait for too
    /// long, and while a pass finds again what the one before should have put right.
    fn health(&self) -> HealthState {
        let state = self.state.lock();
        let (last, before) = (&state.last, &state.before);
        if let Some(failure) = &state.failure {
            let reason = format!("the last audit of the approvals failed: {failure}");
            return HealthState::Degraded(reason);
        }
        let lasting = |last: u64, before: u64| if before > 0 { last } else { 0 };
        let reasons = [
            (last.set_aside, "cannot be read and are set aside"),
            (last.unsent, "have a message that is not sent"),
            (lasting(last.overdue, before.overdue), "are overdue and do not fire"),
            (lasting(last.unarmed, before.unarmed), "lose their clock again and again"),
            (lasting(last.stale, before.stale), "are over and get a clock again and again"),
        ];
        let found = reasons.iter().filter(|(count, _)| *count > 0);
        let found: Vec<_> = found.map(|(count, what)| format!("{count} {what}")).collect();
        if found.is_empty() {
            return HealthState::Healthy;
        }
        HealthState::Degraded(format!("of the approvals {}", found.join(", ")))
    }
}
