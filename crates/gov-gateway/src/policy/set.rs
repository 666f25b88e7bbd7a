//! A compiled policy, and its answers.

use std::{collections::HashMap, fmt};

use cedar_policy::{Authorizer, PolicyId};
use gov_core::{AgentAction, AgentId, Decision, RuleId, SessionId, TeamId, Timestamp};
use serde_json::Value;

use super::{
    ChainFault, PolicyError,
    compile::{self, Compiled},
    normalise::{self, Protected, Unparsable},
    reads::Reads,
    request::{self, Asked},
    rule::{MAX_REASON_BYTES, Outcome, Risk, Rule},
};

/// One question to a policy.
#[derive(Clone, Copy, Debug)]
pub struct PolicyInput<'a> {
    /// Who asks.
    pub agent_id: &'a AgentId,
    /// The agent's team, if it has one.
    pub team_id: Option<&'a TeamId>,
    /// The run of the agent, if the caller says.
    pub session_id: Option<&'a SessionId>,
    /// What the agent wants to do, as received.
    pub action: &'a AgentAction,
    /// What the caller says beside it: `cwd` and `risk` are read, the rest is only checked.
    pub context: Option<&'a Value>,
    /// When it asks.
    pub now: Timestamp,
}

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What the agent is told.
    pub decision: Decision,
    /// The policy that decided; for a plain allow the permit with the smallest id.
    pub rule_id: Option<RuleId>,
    /// The version of the policy that was asked.
    pub policy_version: u64,
    /// What the deciding policy says is at stake.
    pub risk: Option<Risk>,
}

/// A compiled policy; asking it takes no lock and no I/O.
pub struct PolicySet {
    version: u64,
    protected: Protected,
    authorizer: Authorizer,
    policies: cedar_policy::PolicySet,
    rules: HashMap<PolicyId, Rule>,
    reads: Reads,
}

impl PolicySet {
    /// Compiles `text`, which is at most 256 KiB long, as version `version`.
    ///
    /// # Errors
    ///
    /// [`PolicyError`]: the text must not be saved or activated; show the message to its author.
    pub fn compile(text: &str, version: u64) -> Result<Self, PolicyError> {
        let Compiled { policies, rules, reads } = compile::compile(text)?;
        let (authorizer, protected) = (Authorizer::new(), Protected::default());
        Ok(Self { version, protected, authorizer, policies, rules, reads })
    }

    /// Whether no chain that a policy asks has a fault; `text` is what was compiled.
    ///
    /// # Errors
    ///
    /// [`PolicyError::Annotation`] for the first policy whose `@chain` has one.
    pub fn check_chains(&self, text: &str, fault: ChainFault<'_>) -> Result<(), PolicyError> {
        compile::check_chains(text, &self.policies, &self.rules, fault)
    }

    /// The same policy, knowing where gov itself really lives and listens.
    #[must_use]
    pub fn with_protected(self, protected: Protected) -> Self {
        Self { protected, ..self }
    }

    /// The version it was compiled as.
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Judges one action. Never fails: what cannot be normalised, mapped or evaluated is refused,
    /// under one of the rules `unparsable-action`, `policy-error` and `default-deny`.
    #[must_use]
    pub fn judge(&self, input: &PolicyInput<'_>) -> Judgement {
        let facts = match normalise::facts(input.action, input.context, &self.protected) {
            Ok(facts) => facts,
            Err(unparsable) => return self.unparsable(&unparsable),
        };
        let Ok(Asked { request, entities }) = request::build(input, facts, &self.reads) else {
            return self.refused(RuleId::policy_error(), "the action cannot be put to the policy");
        };
        let response = self.authorizer.is_authorized(&request, &self.policies, &entities);
        if response.diagnostics().errors().next().is_some() {
            return self.refused(RuleId::policy_error(), "a policy failed while it was evaluated");
        }
        let determining = response.diagnostics().reason().filter_map(|id| self.rules.get(id));
        let strictest =
            determining.max_by(|a, b| a.outcome.cmp(&b.outcome).then_with(|| b.id.cmp(&a.id)));
        match (response.decision(), strictest) {
            // Only one kind of policy determines: permits an allow, forbids a deny. A forbid
            // that asks is weaker than one that refuses, so the strictest decides in both.
            (cedar_policy::Decision::Allow, Some(rule)) if rule.outcome != Outcome::Refuse => {
                self.answered(rule)
            }
            (cedar_policy::Decision::Deny, Some(rule)) => self.answered(rule),
            _ => Judgement {
                decision: Decision::default(),
                rule_id: Some(RuleId::default_deny()),
                policy_version: self.version,
                risk: None,
            },
        }
    }

    fn answered(&self, rule: &Rule) -> Judgement {
        let (rule_id, reason) = (rule.id.clone(), rule.reason.clone());
        let decision = match rule.outcome {
            Outcome::Allow => Decision::Allow,
            Outcome::Warn => Decision::Warn { rule_id, reason },
            Outcome::RequireApproval => {
                Decision::RequireApproval { rule_id, reason, chain: rule.chain.clone() }
            }
            Outcome::Refuse => Decision::Refuse { rule_id, reason },
        };
        Judgement {
            decision,
            rule_id: Some(rule.id.clone()),
            policy_version: self.version,
            risk: rule.risk,
        }
    }

    fn unparsable(&self, unparsable: &Unparsable) -> Judgement {
        let mut reason = format!("the action cannot be judged: {unparsable}");
        let end = (0..=MAX_REASON_BYTES).rev().find(|at| reason.is_char_boundary(*at));
        reason.truncate(end.unwrap_or(0));
        self.refused(RuleId::unparsable_action(), &reason)
    }

    fn refused(&self, rule_id: RuleId, reason: &str) -> Judgement {
        Judgement {
            decision: Decision::Refuse { rule_id: rule_id.clone(), reason: reason.to_owned() },
            rule_id: Some(rule_id),
            policy_version: self.version,
            risk: None,
        }
    }
}

impl fmt::Debug for PolicySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PolicySet")
            .field("version", &self.version)
            .field("rules", &self.rules.len())
            .finish_non_exhaustive()
    }
}
