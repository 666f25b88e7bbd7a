//! `POST /v1/approvals/{id}/cancel`: a request is withdrawn before anything came of it.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::HeaderMap,
};
use gov_core::{ApprovalId, json};
use gov_escalation::{approval::Approval, approvals::Objection};
use serde_json::{Map, Value};

use super::{
    decision::{nothing_else, text},
    kept, parse, person_of, unknown,
};
use crate::{
    approvals::{Decided, DeskError},
    http::{
        Parts, auth, body,
        problem::{Code, Problem},
    },
    identity::{Scope, Token},
    reason::Reason,
};

/// What the history says where nobody said why.
const NO_REASON: &str = "withdrawn";

/// The approval, cancelled and on record.
///
/// An agent withdraws what it waits for; a person what they may decide about, and a grant that they
/// have decided about or whose agent is theirs; whoever runs the server anything, also an answer
/// that was not used yet.
pub(in crate::http) async fn cancel(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Decided>, Problem> {
    const SCOPES: [Scope; 4] = [Scope::Agent, Scope::Approver, Scope::Operator, Scope::Admin];
    let token = auth::token(&parts, &headers, &SCOPES)?;
    let id = parse(&id)?;
    let reason = reason(&body::read(&headers, body).await?)?;
    let approval = parts.desk.find(id).await?.ok_or_else(|| unknown(id))?;
    let actor = actor(&parts, &token, id, &approval)?;
    let withdrawn = parts.desk.withdraw(id, actor, reason).await?;
    kept(&parts, withdrawn).await
}

/// Who it is, as the history names them, if they may.
fn actor(
    parts: &Parts,
    token: &Token,
    id: ApprovalId,
    approval: &Approval,
) -> Result<String, Problem> {
    if let Some(agent) = &token.agent_id {
        // Another agent's is as if it were not there.
        if *agent != approval.request.agent_id {
            return Err(unknown(id));
        }
        // An answer that was given is a person's to take back.
        if !approval.status.awaits_answer() {
            return Err(DeskError::Withdraw(approval.status).into());
        }
        return Ok(agent.to_string());
    }
    if token.scope == Scope::Approver {
        let person = person_of(token)?;
        let objection = parts.desk.objection(approval, person);
        // Who has answered, and whose agent it is, may end a grant: that lets nothing happen.
        let ends = |it: &Objection| {
            matches!(it, Objection::VotedBefore(_) | Objection::OwnsAgent(_))
                && approval.request.grant.is_some()
        };
        if let Some(objection) = objection.filter(|it| !ends(it)) {
            return Err(Problem::new(Code::Forbidden, objection.to_string()).with_field("person"));
        }
        return Ok(person.to_string());
    }
    Ok(token.id.to_string())
}

/// Reads `{"reason"?}`; no body at all is one without.
fn reason(body: &[u8]) -> Result<String, Problem> {
    let mut fields = match body {
        [] => Map::new(),
        body => match json::parse_value(body)? {
            Value::Object(fields) => fields,
            _ => return Err(Problem::bad_field("body", "the body must be an object")),
        },
    };
    let reason = text(&mut fields, "reason")?.filter(|it| !it.trim().is_empty());
    nothing_else(&fields)?;
    let Some(reason) = reason else { return Ok(NO_REASON.to_owned()) };
    Ok(reason.parse::<Reason>()?.to_string())
}
