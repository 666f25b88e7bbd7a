//! Grants at the gate: asking people for one, and drawing on those that an agent has.

use gov_core::{ActionDigest, AgentAction, AgentId, Redactor, SessionId};
use gov_escalation::{
    approval::{Approval, ApprovalRequest},
    chain::Chain,
    grant::{Call, GrantTerms, Limit},
    transition::Draw,
};
use serde_json::{Map, Value, json};

use super::{
    CheckError, CheckRequest, Gate, content,
    release::{Asked, unsealed},
};
use crate::{
    approvals::{self, DeskError, Drawing, Drawn, GRANT, Kept},
    config::span,
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

impl Gate {
    /// Asks people for a grant, or finds the open one with the same terms.
    ///
    /// # Errors
    ///
    /// [`DeskError`]: nothing may be taken as asked for.
    pub async fn ask_for(&self, it: GrantRequest) -> Result<Kept, DeskError> {
        let content = json!({
            "action": shown(&self.redactor, &it.terms),
            "context": {"asked_by": it.asked_by, "reason": it.reason.as_ref().map(Reason::as_str)},
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
        self.desk.held(open).await
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

/// The whole terms: only the values that they name may be secrets, and are redacted.
fn shown(redactor: &Redactor, terms: &GrantTerms) -> Value {
    let hidden = |name: &String, value: &Value| {
        let mut named = json!({ name: value });
        redactor.redact(&mut named);
        named.get(name).cloned().unwrap_or_default()
    };
    let limit = |(name, limit): (&String, &Limit)| {
        let shown = match limit {
            Limit::Equals(value) => json!({"equals": hidden(name, value)}),
            Limit::OneOf(all) => {
                let all: Vec<_> = all.iter().map(|it| hidden(name, it)).collect();
                json!({"one_of": all})
            }
            open => json!(open),
        };
        (name.clone(), shown)
    };
    let arguments: Map<_, _> = terms.arguments.iter().map(limit).collect();
    json!({
        "kind": GRANT,
        "server": terms.server,
        "tool": terms.tool,
        "arguments": arguments,
        "calls": terms.calls,
        "lasts": span::show(terms.lasts.0),
    })
}

#[cfg(test)]
mod tests {
    use gov_escalation::{chain::Span, grant::LONGEST};

    use super::*;

    #[test]
    fn terms_are_shown_whole_and_only_values_can_be_secrets() {
        let arguments = json!({
            "password": "any", "token": {"equals": "hunter2"}, "cookie": {"one_of": ["a", 7]},
            "note": {"equals": "Bearer abcdefghijkl"}, "count": {"between": [1, 2]},
        });
        let terms = GrantTerms {
            server: None,
            tool: "t".to_owned(),
            arguments: serde_json::from_value(arguments).unwrap(),
            calls: 2,
            lasts: Span(LONGEST),
        };
        let shown = shown(&Redactor::new([7; 32]), &terms);
        assert_eq!(shown["arguments"]["password"], "any");
        assert_eq!(shown["arguments"]["count"], json!({"between": [1, 2]}));
        assert_eq!((&shown["calls"], &shown["lasts"]), (&json!(2), &json!("1h")));
        let text = shown.to_string();
        for secret in ["hunter2", "abcdefghijkl", "\"a\"", "7]"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert_eq!(text.matches("[redacted:").count(), 4, "{text}");
    }
}
