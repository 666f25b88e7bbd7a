//! Grants at the gate: asking people for one, and drawing on those that an agent has.

use gov_core::{ActionDigest, AgentAction, AgentId, Redactor, SessionId};
use gov_escalation::{
    approval::{Approval, ApprovalRequest},
    chain::Chain,
    grant::{Call, GrantTerms, Limit},
    transition::Draw,
};
use serde_json::{Value, json};

use super::{
    CheckError, CheckRequest, Gate, content,
    release::{Asked, unsealed},
};
use crate::{
    approvals::{self, DeskError, Drawing, Drawn, GRANT, Kept},
    config::span,
    identity::Halt,
    policy::Judgement,
    reason::Reason,
};

/// A grant that somebody asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct GrantRequest {
    /// Whose calls.
    pub agent_id: AgentId,
    /// The one run of the agent that it is for; `None`: every one.
    pub session_id: Option<SessionId>,
    /// Which calls.
    pub terms: GrantTerms,
    /// As [`GrantTerms::digest`] gives it.
    pub digest: ActionDigest,
    /// Who is asked.
    pub chain: Chain,
    /// Why, in the words of who asks.
    pub reason: Option<Reason>,
    /// Who asks: the agent, or a token's id.
    pub asked_by: String,
}

/// Nobody was asked, unless the desk says otherwise.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// A limit names a value that would be redacted in an action: let it be `any`.
    #[error(
        "`arguments.{}` names what looks like a secret, and no secret is stored; let it be \"any\"",
        gov_core::text::escape(argument)
    )]
    Secret {
        /// Of which argument.
        argument: String,
    },
    /// Everything is halted: ask when that is over.
    #[error("everything is halted since {}: {}", .0.halted_at, .0.reason)]
    Halted(Halt),
    /// The request is not kept.
    #[error(transparent)]
    Desk(#[from] DeskError),
}

impl Gate {
    /// Asks people for a grant, or finds the open one with the same terms.
    ///
    /// # Errors
    ///
    /// [`GrantError`]: nothing may be taken as asked for.
    pub async fn ask_for(&self, it: GrantRequest) -> Result<Kept, GrantError> {
        if let Some(halt) = self.registry.directory().halt() {
            return Err(GrantError::Halted(halt));
        }
        if let Some(argument) = secret_in(&self.redactor, &it.terms) {
            return Err(GrantError::Secret { argument: argument.to_owned() });
        }
        let reason = it.reason.as_ref().map(|it| self.redactor.redact_text(it.as_str()));
        let content = json!({
            "action": shown(&it.terms),
            "context": {"asked_by": it.asked_by, "reason": reason},
        });
        let request = ApprovalRequest {
            digest: it.digest,
            agent_id: it.agent_id,
            session_id: it.session_id,
            team_id: None,
            action_kind: GRANT.to_owned(),
            content,
            rule_id: approvals::rule(GRANT),
            reason: "several calls are asked for at once".to_owned(),
            risk: None,
            policy_version: self.policy_version().unwrap_or(0),
            chain: it.chain,
            grant: Some(it.terms),
            edited_from: None,
        };
        let open = self.desk.open(request).await?;
        Ok(self.desk.held(open).await?)
    }

    /// The first of the agent's grants, by id, that covers the call and is drawn on for it. Only a
    /// call of a tool is ever covered.
    pub(super) async fn by_grant(
        &self,
        request: &CheckRequest,
        judgement: &Judgement,
        asked: &Asked<'_>,
    ) -> Result<Option<Box<Drawn>>, CheckError> {
        let AgentAction::ToolCall { server, tool, arguments } = &request.action else {
            return Ok(None);
        };
        let call =
            Call { server: server.clone(), tool: tool.clone(), arguments: arguments.clone() };
        let covers = |it: &Approval| it.request.grant.as_ref().is_some_and(|it| it.covers(&call));
        let grants = self.desk.grants_of(&request.agent_id).await?;
        let mut shown = content::shown(&self.redactor, request).map_err(unsealed)?;
        if let Some(fields) = shown.as_object_mut() {
            // The grant's own rule says only that it is one.
            fields.insert("rule_id".to_owned(), json!(asked.rule_id));
        }
        for grant in grants.iter().filter(|it| covers(it)) {
            let draw = Draw {
                call: call.clone(),
                digest: asked.digest,
                session_id: request.session_id.clone(),
                content: shown.clone(),
                chain: asked.chain.clone(),
                policy_version: judgement.policy_version,
                idempotency_key: request.idempotency_key.clone(),
            };
            if let Drawing::Released(drawn) = self.desk.draw(grant.id, draw).await? {
                return Ok(Some(drawn));
            }
        }
        Ok(None)
    }
}

/// The whole terms.
fn shown(terms: &GrantTerms) -> Value {
    json!({
        "kind": GRANT,
        "server": terms.server,
        "tool": terms.tool,
        "arguments": terms.arguments,
        "calls": terms.calls,
        "lasts": span::show(terms.lasts.0),
    })
}

/// The first argument that names a value which would be redacted in an action. Its limit is needed
/// as it is, and no secret is stored.
fn secret_in<'t>(redactor: &Redactor, terms: &'t GrantTerms) -> Option<&'t str> {
    let hides = |name: &str, value: &Value| {
        let plain = json!({ name: value });
        let mut redacted = plain.clone();
        redactor.redact(&mut redacted);
        redacted != plain
    };
    let is_secret = |(name, limit): &(&'t String, &Limit)| match limit {
        Limit::Equals(value) => hides(name, value),
        Limit::OneOf(all) => all.iter().any(|it| hides(name, it)),
        _ => false,
    };
    terms.arguments.iter().find(is_secret).map(|(name, _)| name.as_str())
}

#[cfg(test)]
mod tests {
    use gov_escalation::{chain::Span, grant::LONGEST};

    use super::*;

    #[test]
    fn terms_are_shown_whole_and_name_no_secret() {
        let terms = |arguments| GrantTerms {
            server: None,
            tool: "t".to_owned(),
            arguments: serde_json::from_value(arguments).unwrap(),
            calls: 2,
            lasts: Span(LONGEST),
        };
        let plain = json!({
            "password": "any", "count": {"between": [1, 2]}, "service": {"one_of": ["shop", "mail"]},
        });
        let redactor = Redactor::new([7; 32]);
        assert_eq!(secret_in(&redactor, &terms(plain.clone())), None);
        let shown = shown(&terms(plain.clone()));
        assert_eq!((&shown["arguments"], &shown["calls"]), (&plain, &json!(2)));
        assert_eq!(shown["lasts"], "1h");
        for (name, limit) in [
            ("token", json!({"equals": "hunter2"})),
            ("cookie", json!({"one_of": ["a", 7]})),
            ("note", json!({"equals": "Bearer abcdefghijkl"})),
        ] {
            let mut arguments = plain.clone();
            arguments[name] = limit;
            assert_eq!(secret_in(&redactor, &terms(arguments)), Some(name));
        }
    }
}
