//! What an agent is told.

use serde::{Deserialize, Serialize};

use crate::RuleId;

/// The answer to one action. It is a value, never an error: what goes wrong while judging is a
/// refusal that says why.
///
/// In JSON it is an object tagged by `decision`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "decision", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Decision {
    /// The agent may act.
    Allow,
    /// The agent may act, and somebody should look at it later.
    Warn {
        /// Which policy warns.
        rule_id: RuleId,
        /// Why, in the policy's words.
        reason: String,
    },
    /// The agent must not act.
    Refuse {
        /// Which policy refuses.
        rule_id: RuleId,
        /// Why, in the policy's words.
        reason: String,
    },
    /// The agent must not act before a human has approved.
    RequireApproval {
        /// Which policy asks.
        rule_id: RuleId,
        /// Why, in the policy's words.
        reason: String,
        /// The escalation chain that is asked.
        chain: String,
    },
}

impl Decision {
    /// Whether the answer is no.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refuse { .. })
    }

    /// Whether the agent must not act now: refused, or waiting for a human.
    #[must_use]
    pub fn is_blocking(&self) -> bool {
        matches!(self, Self::Refuse { .. } | Self::RequireApproval { .. })
    }

    /// The policy that decided; `None` for a plain allow.
    #[must_use]
    pub fn rule_id(&self) -> Option<&RuleId> {
        match self {
            Self::Allow => None,
            Self::Warn { rule_id, .. }
            | Self::Refuse { rule_id, .. }
            | Self::RequireApproval { rule_id, .. } => Some(rule_id),
        }
    }

    /// The policy's words; `None` for a plain allow.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Self::Allow => None,
            Self::Warn { reason, .. }
            | Self::Refuse { reason, .. }
            | Self::RequireApproval { reason, .. } => Some(reason),
        }
    }

    /// The `decision` tag in JSON.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn { .. } => "warn",
            Self::Refuse { .. } => "refuse",
            Self::RequireApproval { .. } => "require_approval",
        }
    }
}

/// Fail closed: a decision that nobody made is a refusal.
impl Default for Decision {
    fn default() -> Self {
        Self::Refuse {
            rule_id: RuleId::default_deny(),
            reason: "no policy permits this action".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_nobody_decided_is_a_refusal() {
        assert!(Decision::default().is_refusal() && Decision::default().is_blocking());
        assert_eq!(Decision::default().rule_id().unwrap().as_str(), "default-deny");
    }

    #[test]
    fn each_answer_says_whether_it_blocks_and_reads_back_under_its_tag() {
        let rule_id: RuleId = "r".parse().unwrap();
        let reason = String::from("why");
        for (decision, name, refusal, blocking) in [
            (Decision::Allow, "allow", false, false),
            (
                Decision::Warn { rule_id: rule_id.clone(), reason: reason.clone() },
                "warn",
                false,
                false,
            ),
            (
                Decision::Refuse { rule_id: rule_id.clone(), reason: reason.clone() },
                "refuse",
                true,
                true,
            ),
            (
                Decision::RequireApproval { rule_id, reason, chain: "prod".into() },
                "require_approval",
                false,
                true,
            ),
        ] {
            assert_eq!((decision.is_refusal(), decision.is_blocking()), (refusal, blocking));
            assert_eq!(decision.rule_id().is_some(), name != "allow");
            assert_eq!(decision.reason().is_some(), name != "allow");
            let value = serde_json::to_value(&decision).unwrap();
            assert_eq!((value["decision"] == name, decision.name()), (true, name));
            assert_eq!(serde_json::from_value::<Decision>(value).unwrap(), decision);
        }
        assert!(serde_json::from_value::<Decision>(json!({"decision": "maybe"})).is_err());
    }
}
