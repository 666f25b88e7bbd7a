//! The question behind every door: may this agent do this now?
//!
//! ```text
//! request ─▶ agent known? ─▶ policy ─▶ allow, warn ──────────────▶ answer
//!                                  └─▶ refuse, require_approval ─▶ record ─▶ answer
//!                                                                    └─ not kept ─▶ error: refuse
//! ```
//!
//! A blocking answer is not given before its record is kept as `[durability]` says.

use std::sync::Arc;

use gov_core::{
    ActionDigest, AuditEventKind, Clock, Decision, Payload, RecordId, Redactor, RuleId, Timestamp,
};
use gov_deferred_audit::{LogRecord, Verdict};
use parking_lot::RwLock;
use serde::Serialize;

mod answer;
mod recorder;
mod request;

pub use self::{
    answer::{Answer, RecordRef},
    recorder::{Recorded, Recorder, RecorderError},
    request::CheckRequest,
};
use crate::{
    config::RefusalDurability,
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
    redactor: Redactor,
    meters: Arc<Meters>,
    clock: Arc<dyn Clock>,
    config: GateConfig,
}

/// How a [`Gate`] answers.
#[derive(Clone, Copy, Debug)]
pub struct GateConfig {
    /// What a blocking answer waits for.
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
    /// The agent asks for the first time, and could not be registered.
    #[error("the agent could not be registered")]
    NotRegistered(#[source] RegistryError),
}

impl Gate {
    /// A gate without a policy: it refuses until [`Gate::activate`] gives it one.
    #[must_use]
    pub fn new(
        registry: Registry,
        recorder: Arc<dyn Recorder>,
        redactor: Redactor,
        meters: Arc<Meters>,
        clock: Arc<dyn Clock>,
        config: GateConfig,
    ) -> Self {
        Self { policy: RwLock::new(None), registry, recorder, redactor, meters, clock, config }
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
    /// Dropping the future does not take back a record that was handed over.
    ///
    /// # Errors
    ///
    /// [`CheckError`]: the caller must treat it as a refusal.
    pub async fn check(&self, request: CheckRequest) -> Result<Answer, CheckError> {
        let now = self.clock.now();
        let judgement = if self.is_known(&request, now).await? {
            self.judge(&request, now)
        } else {
            unknown_agent(self.policy_version())
        };
        self.meters.count_decision(&judgement.decision);
        if !judgement.decision.is_blocking() {
            return Ok(Answer::new(judgement, None));
        }
        let record = self.record(&request, &judgement, now)?;
        let recorded = self
            .recorder
            .record(record, self.config.durability)
            .await
            .map_err(|error| self.not_recorded(error))?;
        Ok(Answer::new(judgement, Some(recorded)))
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

    /// What the log keeps: static text for ever, and what comes from the action in the payload.
    fn record(
        &self,
        request: &CheckRequest,
        judgement: &Judgement,
        now: Timestamp,
    ) -> Result<LogRecord, CheckError> {
        let seal_failed = |error| self.not_recorded(RecorderError::Unsealed(error));
        let CheckRequest { agent_id, session_id, action, context, .. } = request;
        let digest = ActionDigest::of(agent_id, None, action, context.as_ref())
            .map_err(|error| seal_failed(error.into()))?;
        let decision = &judgement.decision;
        Ok(LogRecord {
            id: RecordId::at(now),
            at: now,
            kind: kind(decision),
            agent_id: Some(agent_id.clone()),
            session_id: session_id.clone(),
            policy_version: Some(judgement.policy_version).filter(|it| *it > 0),
            verdict: Some(Verdict {
                action_kind: action.kind().to_owned(),
                digest,
                decision: decision.name().to_owned(),
                rule_id: decision.rule_id().cloned(),
                reason: decision.reason().map(|it| static_reason(decision, it).to_owned()),
            }),
            payload: self.payload(request, decision).map_err(seal_failed)?,
        })
    }

    fn payload(
        &self,
        request: &CheckRequest,
        decision: &Decision,
    ) -> Result<Payload, gov_core::payload::SealError> {
        let mut content = serde_json::to_value(Content {
            action: &request.action,
            context: request.context.as_ref(),
            team_id: request.team_id.as_ref().map(gov_core::TeamId::as_str),
            reason: decision.reason(),
        })
        .map_err(gov_core::canonical::CanonicalError::from)?;
        self.redactor.redact(&mut content);
        Payload::seal(&content)
    }

    fn not_recorded(&self, error: RecorderError) -> CheckError {
        self.meters.count_unrecorded();
        CheckError::NotRecorded(error)
    }
}

/// The payload of a decision's record.
#[derive(Serialize)]
struct Content<'a> {
    action: &'a gov_core::AgentAction,
    context: Option<&'a serde_json::Value>,
    team_id: Option<&'a str>,
    reason: Option<&'a str>,
}

/// Approvals are not there yet, so what the policy would hold for a human is recorded as the
/// request that it is.
fn kind(decision: &Decision) -> AuditEventKind {
    match decision {
        Decision::RequireApproval { .. } => AuditEventKind::ApprovalRequested,
        _ => AuditEventKind::ActionRefused,
    }
}

/// The reason as it may stay for ever. That of an action which cannot be judged tells about the
/// action, so it goes into the payload only.
fn static_reason<'a>(decision: &Decision, reason: &'a str) -> &'a str {
    if decision.rule_id() == Some(&RuleId::unparsable_action()) {
        "the action cannot be judged"
    } else {
        reason
    }
}

fn unknown_agent(version: Option<u64>) -> Judgement {
    refused(RuleId::unknown_agent(), "the agent is not registered", version)
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
