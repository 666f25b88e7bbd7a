//! What the annotations on one policy say.

use std::{fmt, str::FromStr};

use cedar_policy::{Effect, Policy};
use gov_core::RuleId;

use crate::approvals;

/// The longest `@reason`, in bytes: it is kept in every record of the log.
pub(super) const MAX_REASON_BYTES: usize = 1024;

/// The chain that is asked where a policy names none.
const DEFAULT_CHAIN: &str = "default";

/// The longest `@chain`, in bytes.
const MAX_CHAIN_BYTES: usize = 256;

const ANNOTATIONS: [&str; 5] = ["id", "outcome", "reason", "chain", "risk"];

/// How much is at stake, as a policy or a caller says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Risk {
    /// `low`
    Low,
    /// `medium`
    Medium,
    /// `high`
    High,
    /// `critical`
    Critical,
}

impl Risk {
    const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// Its name in policies and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Risk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The text names no risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a risk is `low`, `medium`, `high` or `critical`")]
pub struct ParseRiskError;

impl FromStr for Risk {
    type Err = ParseRiskError;

    fn from_str(name: &str) -> Result<Self, ParseRiskError> {
        Self::ALL.into_iter().find(|it| it.name() == name).ok_or(ParseRiskError)
    }
}

/// What a policy answers when it decides; the stricter one is the greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// A permit without `@outcome`.
    Allow,
    /// A permit with `@outcome("warn")`.
    Warn,
    /// `@outcome("require_approval")`, on a permit or a forbid.
    RequireApproval,
    /// A forbid without `@outcome`.
    Refuse,
}

impl Outcome {
    /// Its name in answers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Warn => "warn",
            Self::RequireApproval => "require_approval",
            Self::Refuse => "refuse",
        }
    }
}

/// One policy's annotations, read.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) id: RuleId,
    pub(super) outcome: Outcome,
    pub(super) reason: String,
    pub(super) chain: String,
    pub(super) risk: Option<Risk>,
}

impl Rule {
    /// Reads the annotations of `policy`; the error is a whole sentence.
    pub(super) fn read(policy: &Policy) -> Result<Self, String> {
        if let Some((name, _)) = policy.annotations().find(|(name, _)| !ANNOTATIONS.contains(name))
        {
            return Err(format!(
                "`@{name}` is not known; did you mean `@{}`? known are {}",
                nearest(name),
                ANNOTATIONS.map(|it| format!("`@{it}`")).join(", ")
            ));
        }
        let id = read_id(policy)?;
        let outcome = read_outcome(policy).map_err(|problem| format!("`{id}`: {problem}"))?;
        let reason = match policy.annotation("reason") {
            None => default_reason(&id, outcome),
            Some(text) => checked(text, "reason", MAX_REASON_BYTES)
                .map_err(|problem| format!("`{id}`: {problem}"))?,
        };
        let chain = match policy.annotation("chain") {
            None => DEFAULT_CHAIN.to_owned(),
            Some(_) if outcome != Outcome::RequireApproval => {
                return Err(format!(
                    "`{id}`: `@chain` needs `@outcome(\"require_approval\")` beside it"
                ));
            }
            Some(text) => checked(text, "chain", MAX_CHAIN_BYTES)
                .map_err(|problem| format!("`{id}`: {problem}"))?,
        };
        let risk = policy
            .annotation("risk")
            .map(|text| {
                text.parse().map_err(|error| format!("`{id}`: `@risk(\"{text}\")`: {error}"))
            })
            .transpose()?;
        Ok(Self { id, outcome, reason, chain, risk })
    }
}

fn read_id(policy: &Policy) -> Result<RuleId, String> {
    let text = policy.annotation("id").unwrap_or_default();
    let id: RuleId = text.parse().map_err(|error| {
        format!("every policy needs its own `@id(\"…\")`, the rule_id in answers: {error}")
    })?;
    let own = [
        RuleId::default_deny(),
        RuleId::policy_error(),
        RuleId::unknown_agent(),
        RuleId::unparsable_action(),
        RuleId::state_stale(),
        RuleId::halted(),
    ];
    if own.contains(&id) || approvals::is_rule(&id) {
        return Err(format!("`@id(\"{id}\")` is one of gov's own rules; choose another"));
    }
    Ok(id)
}

fn read_outcome(policy: &Policy) -> Result<Outcome, String> {
    match (policy.effect(), policy.annotation("outcome")) {
        (Effect::Permit, None) => Ok(Outcome::Allow),
        (Effect::Forbid, None) => Ok(Outcome::Refuse),
        (Effect::Permit, Some("warn")) => Ok(Outcome::Warn),
        (_, Some("require_approval")) => Ok(Outcome::RequireApproval),
        (Effect::Permit, Some(other)) => Err(format!(
            "`@outcome(\"{other}\")`: a permit takes `warn` or `require_approval`; leave it out \
             to allow"
        )),
        (Effect::Forbid, Some(other)) => Err(format!(
            "`@outcome(\"{other}\")`: a forbid takes `require_approval`; leave it out to refuse"
        )),
    }
}

fn default_reason(id: &RuleId, outcome: Outcome) -> String {
    match outcome {
        Outcome::Allow => String::new(),
        Outcome::Warn => format!("policy `{id}` warns"),
        Outcome::RequireApproval => format!("policy `{id}` asks for an approval"),
        Outcome::Refuse => format!("policy `{id}` forbids this"),
    }
}

fn checked(text: &str, name: &str, limit: usize) -> Result<String, String> {
    if text.trim().is_empty() {
        return Err(format!("`@{name}` must not be empty"));
    }
    if text.len() > limit {
        return Err(format!(
            "`@{name}` must be at most {limit} bytes long; received {}",
            text.len()
        ));
    }
    if text.chars().any(char::is_control) {
        return Err(format!("`@{name}` must not contain a control character"));
    }
    Ok(text.to_owned())
}

fn nearest(name: &str) -> &'static str {
    ANNOTATIONS.into_iter().min_by_key(|known| strsim::levenshtein(known, name)).unwrap_or("id")
}
