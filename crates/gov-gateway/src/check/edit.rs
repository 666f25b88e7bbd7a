//! A person changes what is asked for: the policy is asked about what they make of it.

use gov_core::{
    ActionDigest, AgentAction, ApprovalId, Decision, RuleId, canonical::CanonicalError,
    redact::holds_fingerprint,
};
use gov_escalation::approval::{Approval, ApprovalRequest, Decider};
use serde_json::Value;

use super::{CheckRequest, Gate, content, stale};
use crate::{
    approvals::{DeskError, Kept},
    policy::Judgement,
};

/// What a person makes of a request.
#[derive(Clone, Debug, PartialEq)]
pub struct EditRequest {
    /// The digest of the request that they saw.
    pub digest: ActionDigest,
    /// What is asked for instead.
    pub action: AgentAction,
    /// What is said beside it; `None`: what the agent said.
    pub context: Option<Option<Value>>,
    /// In their own words.
    pub comment: Option<String>,
}

/// Nothing was changed, unless the desk says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EditError {
    /// The policy refuses the edited action: make it another one.
    #[error("the policy refuses the edited action by the rule `{rule_id}`: {reason}")]
    Refused {
        /// The rule.
        rule_id: RuleId,
        /// Why, in its words.
        reason: String,
    },
    /// A part of it stands for what was redacted, so that no agent asks for that: write it whole.
    #[error(
        "`{0}` holds `[redacted:…]` where something was redacted, so it would fit nothing that the \
         agent asks for: give the whole `{0}`, or leave that part out"
    )]
    Redacted(&'static str),
    /// The edited action has no digest: it is none that an agent could ask about.
    #[error("the edited action has no canonical form")]
    NotCanonical(#[from] CanonicalError),
    /// The edit does not count, or is not kept.
    #[error(transparent)]
    Desk(#[from] DeskError),
}

impl Gate {
    /// Puts an edited action in the place of what is asked for, with the editor's yes, if the policy
    /// of now does not refuse it. What the policy would let through by itself is asked of the people
    /// who were asked.
    ///
    /// # Errors
    ///
    /// [`EditError`]
    pub async fn edit(
        &self,
        approval: &Approval,
        it: EditRequest,
        decider: Decider,
    ) -> Result<Kept, EditError> {
        let EditRequest { digest, action, context, comment } = it;
        let old = &approval.request;
        let as_it_was = || old.content.get("context").filter(|it| !it.is_null()).cloned();
        let check = CheckRequest {
            agent_id: old.agent_id.clone(),
            session_id: old.session_id.clone(),
            team_id: old.team_id.clone(),
            action,
            context: context.unwrap_or_else(as_it_was),
            approval_id: None,
            idempotency_key: None,
        };
        let request = self.edited(old, &check)?;
        Ok(self.desk.edit(approval.id, digest, request, decider, comment).await?)
    }

    fn edited(
        &self,
        old: &ApprovalRequest,
        check: &CheckRequest,
    ) -> Result<ApprovalRequest, EditError> {
        let now = self.clock.now();
        let judgement = if self.freshness.is_fresh(now) {
            self.judge(check, now)
        } else {
            stale(self.policy_version())
        };
        let Judgement { decision, policy_version, risk, .. } = judgement;
        let (rule_id, reason, chain) = match decision {
            Decision::RequireApproval { rule_id, reason, chain } => {
                let Some(chain) = self.desk.chain(&chain) else {
                    let reason = "the policy asks a chain that is not configured".to_owned();
                    return Err(EditError::Refused { rule_id: RuleId::policy_error(), reason });
                };
                (rule_id, reason, chain.clone())
            }
            Decision::Refuse { rule_id, reason } => {
                return Err(EditError::Refused { rule_id, reason });
            }
            _ => (old.rule_id.clone(), old.reason.clone(), old.chain.clone()),
        };
        if let Some(part) = redacted(check)? {
            return Err(EditError::Redacted(part));
        }
        Ok(ApprovalRequest {
            digest: content::digest(check, chain.bind_session)?,
            agent_id: check.agent_id.clone(),
            session_id: check.session_id.clone(),
            team_id: check.team_id.clone(),
            action_kind: check.action.kind().to_owned(),
            content: content::shown(&self.redactor, check)?,
            rule_id,
            reason,
            risk: risk.map(|it| it.name().to_owned()),
            policy_version,
            chain,
            grant: None,
            // The store knows.
            edited_from: None,
        })
    }
}

/// The part of an edited request that is not what an agent could ask for.
fn redacted(check: &CheckRequest) -> Result<Option<&'static str>, CanonicalError> {
    if holds_fingerprint(&serde_json::to_value(&check.action)?) {
        return Ok(Some("action"));
    }
    Ok(check.context.as_ref().filter(|it| holds_fingerprint(it)).map(|_| "context"))
}

/// What an agent is told that names a request which somebody has edited.
pub(super) fn edited_into(by: ApprovalId) -> String {
    format!("the approval is cancelled: somebody edited what it asks for, into {by}")
}
