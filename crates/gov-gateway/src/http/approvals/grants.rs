//! `/v1/grants`: several calls of a tool, asked for at once. An agent asks for itself, an operator
//! or an admin for an agent; ending one is withdrawing its approval.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode, Uri},
};
use gov_core::AgentId;

use super::{ListQuestion, parameters};
use crate::{
    approvals::{ApprovalView, Decided, GrantList, GrantRow},
    check::{GrantError, GrantRequest},
    http::{
        Parts, auth, body,
        problem::{Code, Problem},
    },
    identity::{Scope, Token},
};

mod read;

use self::read::Wanted;

/// One page, the newest first; an agent sees its own.
pub(in crate::http) async fn list(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<GrantList>, Problem> {
    let [approver, operator, auditor, admin] = super::READERS;
    let scopes = [Scope::Agent, approver, operator, auditor, admin];
    let token = auth::token(&parts, &headers, &scopes)?;
    let ListQuestion { mut filter, before, limit } = ListQuestion::read(&parameters(&uri)?)?;
    filter.grants = true;
    if let Some(own) = &token.agent_id {
        if filter.agent_id.as_ref().is_some_and(|it| it != own) {
            return Err(anothers(own));
        }
        filter.agent_id = Some(own.clone());
    }
    // One more says whether there is a next page.
    let mut found = parts.desk.list(&filter, before, limit.saturating_add(1)).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|it| it.id.to_string());
    Ok(Json(GrantList { items: found.iter().map(GrantRow::from).collect(), next }))
}

/// The request for a grant, which waits for people and is on record.
pub(in crate::http) async fn request(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Decided>), Problem> {
    let token = auth::token(&parts, &headers, &[Scope::Agent, Scope::Operator, Scope::Admin])?;
    let wanted = read::parse(&body::read(&headers, body).await?)?;
    let agent_id = whose(&parts, &token, wanted.agent_id.as_ref())?;
    let Wanted { session_id, terms, chain, reason, .. } = wanted;
    let chain = parts.desk.chain(&chain).cloned().ok_or_else(|| {
        let detail = "`chain` is not configured; `gov config show` names those that are";
        Problem::bad_field("chain", detail).with_received(gov_core::text::escape(&chain))
    })?;
    let digest = terms
        .digest(&agent_id, session_id.as_ref())
        .map_err(|error| Problem::bad_field("arguments", error.to_string()))?;
    let asked_by = token.agent_id.as_ref().map_or_else(|| token.id.to_string(), AgentId::to_string);
    let request = GrantRequest { agent_id, session_id, terms, digest, chain, reason, asked_by };
    let kept = parts.gate.ask_for(request).await?;
    let history = parts.desk.history(kept.approval.id).await?;
    let approval = ApprovalView::new(&kept.approval, history);
    Ok((StatusCode::CREATED, Json(Decided { approval, record: kept.recorded.into() })))
}

impl From<GrantError> for Problem {
    fn from(error: GrantError) -> Self {
        let detail = error.to_string();
        match error {
            GrantError::Secret { argument } => {
                let argument = gov_core::text::escape(&argument);
                Self::bad_field(format!("arguments.{argument}"), detail)
            }
            GrantError::Halted(_) => Self::new(Code::Conflict, detail),
            GrantError::Desk(error) => error.into(),
        }
    }
}

/// An agent's token asks for its own agent, and any other for one that is registered.
fn whose(parts: &Parts, token: &Token, named: Option<&AgentId>) -> Result<AgentId, Problem> {
    match (&token.agent_id, named) {
        (Some(own), Some(named)) if own != named => Err(anothers(own)),
        (Some(own), _) => Ok(own.clone()),
        (None, Some(named)) if parts.directory.knows_agent(named) => Ok(named.clone()),
        (None, Some(named)) => {
            let detail = "`agent_id` is not registered";
            Err(Problem::bad_field("agent_id", detail).with_received(named))
        }
        (None, None) => Err(super::decision::missing("agent_id")),
    }
}

fn anothers(own: &AgentId) -> Problem {
    let detail = format!("this token is for `{own}` alone");
    Problem::new(Code::Forbidden, detail).with_field("agent_id")
}
