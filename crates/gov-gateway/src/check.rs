//! The question behind every door: may this agent do this now?
//!
//! ```text
//! request ─▶ halted? ─▶ agent known? ─▶ policy
//!                                  ├─▶ allow, warn ────────────────────▶ event ──▶ answer
//!                                  ├─▶ refuse ─────────────────────────▶ record ─▶ answer
//!                                  └─▶ require_approval ─▶ release ─▶ held ──────▶ answer
//!                                                             └─▶ used, once ────▶ answer
//!                                               not kept ─▶ error: the action must not happen
//! ```
//!
//! Nothing that blocks, and nothing that an approval releases, is answered before it is kept as
//! `[durability]` says.

use std::sync::Arc;

use gov_core::{Clock, Decision, Redactor, RuleId, Timestamp};
use parking_lot::RwLock;

mod answer;
mod content;
mod edit;
mod grant;
mod recorder;
mod release;
mod request;

use self::release::Release;
pub use self::{
    answer::{Answer, ApprovalRef, RecordRef},
    edit::{EditError, EditRequest},
    grant::{GrantError, GrantRequest},
    recorder::{LogRecorder, Recorded, Recorder, RecorderError},
    request::{CheckRequest, read_action, read_context},
};
use crate::{
    approvals::{Desk, DeskError},
    config::RefusalDurability,
    events::Events,
    generation::Freshness,
    identity::Halt,
    meters::Meters,
    policy::{Judgement, PolicyInput, PolicySet},
    registry::{Registry, RegistryError},
};

/// Judges actions, and lets no blocking answer out that is not on record.
#[derive(Debug)]
pub struct Gate {
    policy: RwLock<Option<Arc<PolicySet>>>,
    registry: Registry,
    recorder: Arc<dyn Recorder>,
    desk: Desk,
    events: Events,
    redactor: Redactor,
    meters: Arc<Meters>,
    clock: Arc<dyn Clock>,
    config: GateConfig,
    freshness: Freshness,
}

/// Where a [`Gate`] keeps what it decides.
#[derive(Clone, Debug)]
pub struct Keepers {
    /// What blocks: the signed log.
    pub recorder: Arc<dyn Recorder>,
    /// What lets the agent act.
    pub events: Events,
}

/// How a [`Gate`] answers.
#[derive(Clone, Copy, Debug)]
pub struct GateConfig {
    /// What a refusal waits for.
    pub durability: RefusalDurability,
    /// Whether an agent that asks for the first time is registered.
    pub auto_register: bool,
}

/// There is no answer that could be stood by: the action must not happen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CheckError {
    /// The decision is not on record.
    #[error("the decision could not be recorded: {0}")]
    NotRecorded(#[source] RecorderError),
    /// What waits for a human is not kept, or it is not known whether an approval was used.
    #[error(transparent)]
    Approval(#[from] DeskError),
    /// The agent asks for the first time, and could not be registered.
    #[error("the agent could not be registered")]
    NotRegistered(#[source] RegistryError),
}

impl Gate {
    /// A gate without a policy: it refuses until [`Gate::activate`] gives it one.
    #[must_use]
    pub fn new(
        registry: Registry,
        keepers: Keepers,
        desk: Desk,
        redactor: Redactor,
        meters: Arc<Meters>,
        clock: Arc<dyn Clock>,
        config: GateConfig,
    ) -> Self {
        let (policy, Keepers { recorder, events }) = (RwLock::new(None), keepers);
        let freshness = Freshness::always();
        Self {
            policy,
            registry,
            recorder,
            desk,
            events,
            redactor,
            meters,
            clock,
            config,
            freshness,
        }
    }

    /// The same for a server whose state others change too: it refuses what it cannot judge by what
    /// is true now.
    #[must_use]
    pub fn judging_while(self, freshness: Freshness) -> Self {
        Self { freshness, ..self }
    }

    /// Judges by `policy` from the next check on, unless a later version is there already.
    pub fn activate(&self, policy: PolicySet) {
        let mut active = self.policy.write();
        if active.as_ref().is_none_or(|it| it.version() < policy.version()) {
            *active = Some(Arc::new(policy));
        }
    }

    /// The version that is judged by; `None` before there is a policy.
    #[must_use]
    pub fn policy_version(&self) -> Option<u64> {
        self.policy.read().as_ref().map(|it| it.version())
    }

    /// Answers one check.
    ///
    /// Dropping the future takes nothing back: a record that was handed over, an approval that was
    /// asked for or used. A repeat under the same `idempotency_key` gets a used one's answer again.
    ///
    /// # Errors
    ///
    /// [`CheckError`]: the caller must treat it as a refusal.
    pub async fn check(&self, request: CheckRequest) -> Result<Answer, CheckError> {
        let now = self.clock.now();
        let fresh = self.freshness.is_fresh(now);
        let judgement = if !fresh {
            stale(self.policy_version())
        } else if let Some(halt) = self.registry.directory().halt() {
            halted(&halt, self.policy_version())
        } else if self.is_known(&request, now).await? {
            self.judge(&request, now)
        } else {
            unknown_agent(self.policy_version())
        };
        let answer = if judgement.decision.is_refusal() {
            let refused = self.refuse(&request, judgement.clone(), now).await?;
            // On record first; then no human is to be asked about it, or heard. That the state is
            // stale, or all is halted, says nothing about the action.
            if fresh {
                self.supersede(&request, &judgement).await;
            }
            refused
        } else {
            let released = self.release(&request, judgement).await;
            match released.map_err(|it| self.unkept(it))? {
                Release::AsJudged(judgement) => {
                    self.keep_event(request, &judgement, now).await?;
                    Answer::new(judgement, None)
                }
                Release::Held(judgement, kept) | Release::Used(judgement, kept) => {
                    Answer::about(judgement, *kept)
                }
                Release::Drawn(judgement, drawn) => Answer::drawn(judgement, *drawn),
                Release::Refused(judgement) => self.refuse(&request, judgement, now).await?,
            }
        };
        self.meters.count_decision(answer.decision);
        Ok(answer)
    }

    async fn refuse(
        &self,
        request: &CheckRequest,
        judgement: Judgement,
        now: Timestamp,
    ) -> Result<Answer, CheckError> {
        let record = content::record(&self.redactor, request, &judgement, now)
            .map_err(|error| self.not_recorded(RecorderError::Unsealed(error)))?;
        let recorded = self
            .recorder
            .record(record, self.config.durability)
            .await
            .map_err(|error| self.not_recorded(error))?;
        Ok(Answer::new(judgement, Some(recorded)))
    }

    /// Before the agent may act, its event is kept, or counted as missing.
    async fn keep_event(
        &self,
        request: CheckRequest,
        judgement: &Judgement,
        now: Timestamp,
    ) -> Result<(), CheckError> {
        let kept = self.events.keep(request, judgement, &self.redactor, now).await;
        kept.map_err(|error| self.not_recorded(RecorderError::NotTaken(error.into())))
    }

    async fn is_known(&self, request: &CheckRequest, now: Timestamp) -> Result<bool, CheckError> {
        let agent = &request.agent_id;
        if self.registry.directory().knows_agent(agent) {
            return Ok(true);
        }
        if !self.config.auto_register {
            return Ok(false);
        }
        let added =
            self.registry.register_agent(agent, now).await.map_err(CheckError::NotRegistered)?;
        if added {
            self.meters.count_registered();
        }
        Ok(true)
    }

    fn judge(&self, request: &CheckRequest, now: Timestamp) -> Judgement {
        let policy = self.policy.read().clone();
        let Some(policy) = policy else { return no_policy() };
        policy.judge(&PolicyInput {
            agent_id: &request.agent_id,
            team_id: request.team_id.as_ref(),
            session_id: request.session_id.as_ref(),
            action: &request.action,
            context: request.context.as_ref(),
            now,
        })
    }

    fn not_recorded(&self, error: RecorderError) -> CheckError {
        self.meters.count_unrecorded();
        CheckError::NotRecorded(error)
    }

    fn unkept(&self, error: CheckError) -> CheckError {
        self.meters.count_unrecorded();
        error
    }
}

fn unknown_agent(version: Option<u64>) -> Judgement {
    refused(RuleId::unknown_agent(), "the agent is not registered", version)
}

fn stale(version: Option<u64>) -> Judgement {
    let reason = "what the servers share was not confirmed for 3 s, so nothing can be judged by it";
    refused(RuleId::state_stale(), reason, version)
}

fn halted(halt: &Halt, version: Option<u64>) -> Judgement {
    let reason = format!("everything is halted since {}: {}", halt.halted_at, halt.reason);
    refused(RuleId::halted(), &reason, version)
}

fn no_policy() -> Judgement {
    refused(RuleId::policy_error(), "no policy is loaded", None)
}

fn refused(rule_id: RuleId, reason: &str, version: Option<u64>) -> Judgement {
    Judgement {
        decision: Decision::Refuse { rule_id: rule_id.clone(), reason: reason.to_owned() },
        rule_id: Some(rule_id),
        policy_version: version.unwrap_or(0),
        risk: None,
    }
}
