//! Audit events on their way to whoever has them, and out of the event store again.
//!
//! ```text
//! allow, warn ─▶ Events::keep ─▶ outlet, spooled ─▶ answer
//!                    └─ not kept ─▶ required: refuse
//!                                └─ else: counted, and one `audit.gap` once the outlet works
//! everything else ─▶ signed log ─▶ log follower ─▶ outlet
//! outlet: the event store, or the buffer before a sink
//! ```
//!
//! A fact has one way only: what is in the signed log is never written here by its handler.

use std::{sync::Arc, time::Duration};

use gov_core::{
    AuditEvent, AuditEventKind, Clock, Health, HealthState, Redactor, Timestamp, payload::SealError,
};
use gov_retention::event_store::Durability;
use tokio_util::sync::CancellationToken;

mod answered;
mod misses;
mod notice;
mod payload;
mod question;
mod view;

use self::misses::Misses;
pub use self::{
    notice::notice,
    payload::{bounded, erased},
    question::{EventQuestion, QuestionError, UNASKED_LIMIT},
    view::{EventList, EventView},
};
use crate::{
    check::CheckRequest,
    outlet::{EventOutlet, OutletError},
    policy::Judgement,
};

/// How long an answer waits for its event.
pub const WAIT: Duration = Duration::from_secs(1);

/// How long after a miss the outlet is tried again.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// How [`Events`] are kept.
#[derive(Clone, Debug)]
pub struct EventsConfig {
    /// What is not done unless its event is kept.
    pub required: Vec<AuditEventKind>,
    /// How long an answer waits for its event; then the event counts as not kept.
    pub wait: Duration,
}

impl Default for EventsConfig {
    fn default() -> Self {
        Self { required: Vec::new(), wait: WAIT }
    }
}

/// Keeps the events of answers that let the agent act. Clones share it.
#[derive(Clone, Debug)]
pub struct Events {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    outlet: Arc<dyn EventOutlet>,
    clock: Arc<dyn Clock>,
    config: EventsConfig,
    misses: Misses,
}

/// The event is not kept, or nobody knows whether it is.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EventError {
    /// It could not even be written down.
    #[error(transparent)]
    Unsealed(#[from] SealError),
    /// It was not taken.
    #[error("the event of the action was not taken")]
    NotTaken(#[from] OutletError),
    /// That took too long; it may be kept yet.
    #[error("the event of the action was not kept within {0:?}")]
    TooLate(Duration),
}

impl Events {
    /// Hands them to `outlet`; [`Events::run`] writes down what it did not take.
    #[must_use]
    pub fn new(outlet: Arc<dyn EventOutlet>, clock: Arc<dyn Clock>, config: EventsConfig) -> Self {
        let misses = Misses::new(outlet.name());
        Self { inner: Arc::new(Inner { outlet, clock, config, misses }) }
    }

    /// Keeps the event of an answer that lets the agent act, so that a killed process does not lose
    /// it, before it returns.
    ///
    /// An event that is not kept is counted, and the answer stands. Dropping the future gives the
    /// event up uncounted: then no answer was given.
    ///
    /// # Errors
    ///
    /// [`EventError`], only where `[audit] required` names the kind: the action must not happen.
    pub async fn keep(
        &self,
        request: CheckRequest,
        judgement: &Judgement,
        redactor: &Redactor,
        now: Timestamp,
    ) -> Result<(), EventError> {
        let kept = match answered::event(request, judgement, redactor, now) {
            Ok(event) => self.append(vec![event], Durability::Spooled).await,
            Err(error) => Err(error.into()),
        };
        let Err(error) = kept else { return Ok(()) };
        let kind = answered::kind(&judgement.decision);
        if self.inner.config.required.contains(&kind) {
            return Err(error);
        }
        // What a full buffer turns away it writes down itself.
        if !matches!(error, EventError::NotTaken(OutletError::Full)) {
            self.inner.misses.count(kind, now, &error);
        }
        Ok(())
    }

    /// Writes down what was not kept, once the outlet works again, until `shutdown`.
    pub async fn run(self, shutdown: CancellationToken) {
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.inner.misses.some() => (),
            }
            // An outlet that fails now and then makes one gap of it, not many.
            let next = self.inner.clock.now() + RETRY_AFTER;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.inner.clock.sleep_until(next) => (),
            }
            self.write_gaps().await;
        }
    }

    /// Writes one `audit.gap` for each kind of which events are missing. Gives how many events are
    /// still unaccounted for: 0, or the outlet does not work.
    pub async fn write_gaps(&self) -> u64 {
        let misses = &self.inner.misses;
        loop {
            let gaps = match misses.gaps(self.inner.clock.now()) {
                Ok(gaps) if gaps.is_empty() => return 0,
                Ok(gaps) => gaps,
                Err(error) => {
                    tracing::warn!(%error, "a gap cannot be sealed yet");
                    return misses.unaccounted();
                }
            };
            if let Err(error) = self.append(gaps, Durability::Durable).await {
                tracing::debug!(%error, "still no gap is taken");
                return misses.unaccounted();
            }
            misses.gaps_are_kept();
        }
    }

    async fn append(&self, events: Vec<AuditEvent>, how: Durability) -> Result<(), EventError> {
        let Inner { outlet, clock, config, .. } = &*self.inner;
        let too_late = clock.now() + config.wait;
        tokio::select! {
            biased;
            appended = outlet.append(events, how) => Ok(appended?),
            () = clock.sleep_until(too_late) => Err(EventError::TooLate(config.wait)),
        }
    }
}

/// Degraded while events are missing that no gap accounts for yet.
impl Health for Events {
    fn name(&self) -> &'static str {
        "events"
    }

    fn health(&self) -> HealthState {
        self.inner.misses.trouble().map_or(HealthState::Healthy, HealthState::Degraded)
    }
}
