//! How a server that shares its database learns what others have changed, and refuses when it
//! cannot.
//!
//! Every change writes a row of the history, so the position of the last row is the generation of
//! everything. A task asks for it four times a second and reloads what has changed. A server that
//! could not ask for three seconds does not know whether a token was withdrawn or a policy made
//! stricter: it refuses until it can.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use gov_core::{AuditEventKind, Clock, Health, HealthState, Timestamp};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

use crate::{
    identity::Directory,
    policies::{Policies, PoliciesError},
    servers::Attendance,
    store::{GatewayStore, HistoryRow, StoreError},
};

/// How often it is asked.
const INTERVAL: Duration = Duration::from_millis(250);

/// How long what is in memory counts without being confirmed.
pub(crate) const LIMIT: Duration = Duration::from_secs(3);

/// So many changes are looked at one by one; after more, everything is read.
const FEW: u32 = 256;

/// Whether what is in memory may be judged by. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct Freshness {
    // Microseconds since 1970; `None` where one server owns the state.
    confirmed: Option<Arc<AtomicI64>>,
}

impl Freshness {
    /// For a server that owns its state: nobody else changes it.
    #[must_use]
    pub fn always() -> Self {
        Self::default()
    }

    /// Confirmed at `at`, and from now on by [`GenerationFollower`].
    #[must_use]
    pub fn since(at: Timestamp) -> Self {
        Self { confirmed: Some(Arc::new(AtomicI64::new(at.as_micros()))) }
    }

    /// Whether what is in memory was confirmed less than three seconds ago. A time of confirmation
    /// that far in the future counts no more: then the clock was set back.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        let Some(confirmed) = &self.confirmed else { return true };
        let age = now.as_micros().abs_diff(confirmed.load(Ordering::Acquire));
        u128::from(age) < LIMIT.as_micros()
    }

    fn confirm(&self, at: Timestamp) {
        if let Some(confirmed) = &self.confirmed {
            confirmed.store(at.as_micros(), Ordering::Release);
        }
    }
}

/// Keeps memory at the generation of the store.
#[derive(Debug)]
pub struct GenerationFollower {
    store: Arc<dyn GatewayStore>,
    memory: Memory,
    freshness: Freshness,
    attendance: Option<Attendance>,
    clock: Arc<dyn Clock>,
}

/// What is kept up to date.
#[derive(Debug)]
pub struct Memory {
    /// Tokens, agents and people.
    pub directory: Arc<Directory>,
    /// The policy.
    pub policies: Policies,
    /// The position up to which memory has every change.
    pub generation: u64,
}

/// What is in memory could not be confirmed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GenerationError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The active policy cannot be judged by here: another build stored it, or it asks a chain that
    /// is not configured here.
    #[error("the active policy, version {version}, cannot be loaded here")]
    Policy {
        /// Which version.
        version: u64,
        /// What is wrong with it.
        source: PoliciesError,
    },
    /// The history is shorter than it was: the database was put back.
    #[error(
        "the history of the shared database went back from {loaded} to {found}, so changes are \
         lost; restart this server to accept it"
    )]
    WentBack {
        /// Where memory stands.
        loaded: u64,
        /// Where the database stands.
        found: u64,
    },
}

/// What one pass did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Followed {
    /// Nothing has changed.
    Unchanged,
    /// A few agents were registered.
    Agents,
    /// Everything was read.
    Everything,
    /// A change of our own is later than what was read; the next pass reads again.
    Overtaken,
}

impl GenerationFollower {
    /// Follows `store` from the generation that `memory` was loaded at, and notes in `attendance`
    /// how far it is.
    #[must_use]
    pub fn new(
        store: Arc<dyn GatewayStore>,
        memory: Memory,
        freshness: Freshness,
        attendance: Option<Attendance>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self { store, memory, freshness, attendance, clock }
    }

    /// Follows until `shutdown`.
    pub async fn run(mut self, shutdown: CancellationToken) {
        self.follow(&shutdown).await;
        if let Some(attendance) = self.attendance {
            attendance.leave().await;
        }
    }

    async fn follow(&mut self, shutdown: &CancellationToken) {
        let mut failing = false;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                outcome = self.run_once() => match outcome {
                    Ok(_) if failing => {
                        failing = false;
                        info!("the shared state is confirmed again");
                    }
                    Ok(_) => (),
                    // Once, not four times a second.
                    Err(_) if failing => (),
                    Err(error) => {
                        failing = true;
                        let error = &error as &dyn std::error::Error;
                        error!(error, "the shared state is not confirmed; soon everything is refused");
                    }
                },
            }
            let next_pass = self.clock.now() + INTERVAL;
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = self.clock.sleep_until(next_pass) => (),
            }
        }
    }

    /// Asks once, reloads what has changed, and confirms.
    ///
    /// # Errors
    ///
    /// [`GenerationError`]: memory is not confirmed; a later pass may do it.
    pub async fn run_once(&mut self) -> Result<Followed, GenerationError> {
        // Before the question: what is confirmed is no later than this.
        let asked_at = self.clock.now();
        let found = self.store.generation().await?;
        if found < self.memory.generation {
            return Err(GenerationError::WentBack { loaded: self.memory.generation, found });
        }
        let followed = if found == self.memory.generation {
            Followed::Unchanged
        } else {
            self.reload().await?
        };
        if followed != Followed::Overtaken {
            self.freshness.confirm(asked_at);
        }
        if let Some(attendance) = &mut self.attendance {
            attendance.note(self.memory.generation, asked_at).await?;
        }
        Ok(followed)
    }

    async fn reload(&mut self) -> Result<Followed, GenerationError> {
        let changes = self.store.history_after(self.memory.generation, FEW).await?;
        if changes.iter().all(is_registration)
            && let Some(last) = changes.last().filter(|_| changes.len() < FEW as usize)
        {
            self.memory.generation = last.position;
            for HistoryRow { change, .. } in changes {
                if let Some(id) = change.agent_id {
                    self.memory.directory.register(id, change.at);
                }
            }
            return Ok(Followed::Agents);
        }
        let contents = self.store.contents().await?;
        if !self.memory.directory.replace(contents.identities, contents.generation) {
            return Ok(Followed::Overtaken);
        }
        // Who may not ask any more is known by now, also where the policy cannot be loaded.
        if let Some(policy) = contents.policy
            && self.memory.policies.in_force() < Some(policy.version)
        {
            let version = policy.version;
            let judged = self.memory.policies.judge_by(&policy).await;
            judged.map_err(|source| GenerationError::Policy { version, source })?;
        }
        self.memory.generation = contents.generation;
        Ok(Followed::Everything)
    }
}

/// A change that an agent makes by asking for the first time: there may be many.
fn is_registration(row: &HistoryRow) -> bool {
    row.change.kind == AuditEventKind::AgentRegistered
}

/// Whether the shared state is known.
#[derive(Debug)]
pub struct GenerationHealth {
    freshness: Freshness,
    clock: Arc<dyn Clock>,
}

impl GenerationHealth {
    /// Asks `freshness`.
    #[must_use]
    pub fn new(freshness: Freshness, clock: Arc<dyn Clock>) -> Self {
        Self { freshness, clock }
    }
}

impl Health for GenerationHealth {
    fn name(&self) -> &'static str {
        "state"
    }

    fn health(&self) -> HealthState {
        if self.freshness.is_fresh(self.clock.now()) {
            return HealthState::Healthy;
        }
        HealthState::Dead(format!(
            "what the servers share was not confirmed for {} s, so everything is refused; it \
             recovers when the database answers",
            LIMIT.as_secs()
        ))
    }
}

#[cfg(test)]
mod tests;
