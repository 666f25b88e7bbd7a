//! Events that were not kept: counted, until one `audit.gap` a kind accounts for them.

use std::{collections::BTreeMap, error::Error};

use gov_core::{AuditEvent, AuditEventKind, EventId, Payload, Timestamp, payload::SealError};
use parking_lot::Mutex;
use serde_json::json;
use tokio::sync::Notify;

use super::EventError;

/// The longest reason that a gap gives, in characters.
const MAX_REASON: usize = 200;

/// What is missing, and the gaps that will say so.
#[derive(Debug)]
pub(super) struct Misses {
    /// Who did not take them.
    cause: &'static str,
    state: Mutex<State>,
    some: Notify,
    gauge: Gauge,
}

/// The facade's handles show nothing.
struct Gauge {
    possibly_missing: metrics::Gauge,
    missed: metrics::Counter,
}

#[derive(Debug, Default)]
struct State {
    /// Counted since the last gaps were written down.
    open: BTreeMap<AuditEventKind, Burst>,
    /// Being written: the same events with the same ids until they are kept.
    gaps: Vec<AuditEvent>,
    /// How many events those account for.
    in_gaps: u64,
}

/// Misses of one kind.
#[derive(Debug)]
struct Burst {
    count: u64,
    first: Timestamp,
    last: Timestamp,
    /// Why the first one was not kept.
    reason: String,
}

impl Misses {
    pub(super) fn new(cause: &'static str) -> Self {
        let gauge = Gauge {
            possibly_missing: metrics::gauge!(
                "gov_records_possibly_missing", "component" => "retention"
            ),
            missed: metrics::counter!("gov_retention_missed_events_total"),
        };
        gauge.possibly_missing.set(0.0);
        Self { cause, state: Mutex::new(State::default()), some: Notify::new(), gauge }
    }

    /// Counts one event that is not kept; the first of a burst is told in the log.
    pub(super) fn count(&self, kind: AuditEventKind, at: Timestamp, error: &EventError) {
        let mut state = self.state.lock();
        if state.unaccounted() == 0 {
            let error = error as &dyn Error;
            tracing::error!(error, %kind, "an event is not kept; more may follow unsaid");
        }
        let burst = state.open.entry(kind).or_insert_with(|| Burst {
            count: 0,
            first: at,
            last: at,
            reason: reason(error),
        });
        burst.count += 1;
        burst.last = burst.last.max(at);
        self.publish(&state);
        self.gauge.missed.increment(1);
        self.some.notify_one();
    }

    /// Waits until something is missing.
    pub(super) async fn some(&self) {
        while self.unaccounted() == 0 {
            self.some.notified().await;
        }
    }

    /// The gaps to be written now: those that are not kept yet, or else new ones of all that was
    /// counted since.
    pub(super) fn gaps(&self, now: Timestamp) -> Result<Vec<AuditEvent>, SealError> {
        let mut state = self.state.lock();
        if state.gaps.is_empty() {
            let gap = |(kind, burst)| gap(self.cause, kind, burst, now);
            let gaps: Result<Vec<_>, _> = state.open.iter().map(gap).collect();
            state.gaps = gaps?;
            state.in_gaps = state.open.values().map(|it| it.count).sum();
            state.open.clear();
        }
        Ok(state.gaps.clone())
    }

    /// What [`Misses::gaps`] gave is kept.
    pub(super) fn gaps_are_kept(&self) {
        let mut state = self.state.lock();
        tracing::info!(events = state.in_gaps, "`audit.gap` says what is missing");
        state.gaps.clear();
        state.in_gaps = 0;
        self.publish(&state);
    }

    /// How many events no gap that is kept accounts for.
    pub(super) fn unaccounted(&self) -> u64 {
        self.state.lock().unaccounted()
    }

    /// What is wrong, for people; `None` while nothing is.
    pub(super) fn trouble(&self) -> Option<String> {
        let state = self.state.lock();
        let count = Some(state.unaccounted()).filter(|it| *it > 0)?;
        let reason = state.open.values().next().map(|it| format!(": {}", it.reason));
        let reason = reason.unwrap_or_default();
        Some(format!("{count} events of allowed actions are not kept{reason}"))
    }

    #[expect(clippy::cast_precision_loss, reason = "the facade's gauges are floating point")]
    fn publish(&self, state: &State) {
        self.gauge.possibly_missing.set(state.unaccounted() as f64);
    }
}

impl State {
    fn unaccounted(&self) -> u64 {
        self.in_gaps + self.open.values().map(|it| it.count).sum::<u64>()
    }
}

fn gap(
    cause: &str,
    kind: &AuditEventKind,
    burst: &Burst,
    now: Timestamp,
) -> Result<AuditEvent, SealError> {
    let Burst { count, first, last, reason } = burst;
    let payload = Payload::seal(&json!({
        "cause": cause,
        "class": kind,
        "count": count,
        "first": first,
        "last": last,
        "reason": reason,
    }))?;
    Ok(AuditEvent {
        id: EventId::at(now),
        at: now,
        kind: AuditEventKind::AuditGap,
        agent_id: None,
        session_id: None,
        team_id: None,
        subjects: BTreeMap::new(),
        trace_id: None,
        payload,
    })
}

/// The error with its causes, in one line.
fn reason(error: &EventError) -> String {
    let mut text = error.to_string();
    let mut next = Error::source(error);
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text.chars().take(MAX_REASON).collect()
}

impl std::fmt::Debug for Gauge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gauge").finish_non_exhaustive()
    }
}
