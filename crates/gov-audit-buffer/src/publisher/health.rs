//! How the way out is: for `/readyz`, and as gauges.

use gov_core::{Health, HealthState, Timestamp};

use super::{AuditPublisher, breaker::BreakerState};
use crate::buffer::{BufferError, BufferStatus};

/// What was last seen of the buffer.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// When it was looked at last.
    pub(super) at: Option<Timestamp>,
    oldest_waiting_at: Option<Timestamp>,
    dead_letters: u64,
    /// Why it cannot be written; `None` when it could be last.
    pub(super) broken: Option<String>,
    /// Whether the last event found no room.
    pub(super) full: bool,
    /// What the sink said last, if it was no.
    pub(super) sink: Option<String>,
}

impl AuditPublisher {
    /// Looks at the buffer, for the gauges and for [`Health`]. The flush loop does so each second.
    ///
    /// # Errors
    ///
    /// [`BufferError`]; what was seen before stays.
    pub async fn observe(&self) -> Result<BufferStatus, BufferError> {
        let inner = &*self.inner;
        let status = inner.buffer.status().await?;
        let now = inner.clock.now();
        {
            let mut seen = inner.seen.lock();
            seen.at = Some(now);
            seen.oldest_waiting_at = status.oldest_waiting_at;
            seen.dead_letters = status.dead_letters;
        }
        inner.meters.observed(&status, now, self.breaker_state());
        Ok(status)
    }
}

impl Health for AuditPublisher {
    fn name(&self) -> &'static str {
        "audit_buffer"
    }

    /// Dead if the buffer cannot be written; degraded while the sink does not take events, there
    /// is no room, a corrupt file was put aside since the start, or dead letters wait for somebody.
    fn health(&self) -> HealthState {
        let seen = self.inner.seen.lock().clone();
        if let Some(why) = seen.broken {
            return HealthState::Dead(format!("the audit buffer cannot be written: {why}"));
        }
        let mut reasons = Vec::new();
        let waiting = self.buffered_len();
        let breaker = self.breaker_state();
        if breaker != BreakerState::Closed {
            let name = self.inner.sink.name();
            let why = seen.sink.as_deref().unwrap_or("no answer");
            let state = breaker.as_str();
            let age = seen.oldest_waiting_at.filter(|_| waiting > 0).map(|oldest| {
                format!(", the oldest for {} s", self.inner.clock.now().since(oldest).as_secs())
            });
            let age = age.unwrap_or_default();
            reasons.push(format!(
                "sink `{name}`: {why} (breaker {state}); {waiting} events wait{age}"
            ));
        }
        if self.inner.buffer.is_damaged() {
            return HealthState::Dead("the audit buffer's file is corrupt".to_owned());
        }
        if self.inner.buffer.disk_is_full() {
            reasons.push("the disk is full: events are refused".to_owned());
        }
        let put_aside = self.inner.buffer.put_aside();
        if put_aside > 0 {
            reasons.push(format!(
                "{put_aside} corrupt files were put aside: `gov audit buffer salvage` reads them"
            ));
        }
        if seen.full {
            reasons.push(format!("the audit buffer is full: {waiting} events wait"));
        }
        if seen.dead_letters > 0 {
            reasons.push(format!("{} dead letters wait for somebody", seen.dead_letters));
        }
        if reasons.is_empty() {
            HealthState::Healthy
        } else {
            HealthState::Degraded(reasons.join("; "))
        }
    }
}
