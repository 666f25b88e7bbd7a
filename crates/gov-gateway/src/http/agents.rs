//! `/v1/agents`: which agents there are, and whose. Scope admin changes; operators, auditors and
//! approvers look.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::HeaderMap,
};
use gov_core::{AgentId, json};
use serde_json::Value;

use super::{Parts, auth, body, problem::Problem};
use crate::{
    identity::Scope,
    logged::Changed,
    registry::{AgentList, AgentView, people},
};

const READERS: [Scope; 4] = [Scope::Approver, Scope::Operator, Scope::Auditor, Scope::Admin];

/// Every registered agent, by id.
pub(super) async fn list(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
) -> Result<Json<AgentList>, Problem> {
    auth::token(&parts, &headers, &READERS)?;
    Ok(Json(parts.registry.agents()))
}

/// The agent with its new owners, of whom none decides about it.
pub(super) async fn own(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Changed<AgentView>>, Problem> {
    let actor = auth::token(&parts, &headers, &[Scope::Admin])?;
    let id: AgentId = id.parse().map_err(|error| Problem::bad_field("id", format!("{error}")))?;
    let owners = owners(&body::read(&headers, body).await?)?;
    Ok(Json(parts.registry.own_agent(&id, &owners, &actor.id.to_string()).await?))
}

/// Reads `{"owners": []}`.
fn owners(body: &[u8]) -> Result<Vec<String>, Problem> {
    let Value::Object(mut fields) = json::parse_value(body)? else {
        return Err(Problem::bad_field("body", "the body must be an object with `owners`"));
    };
    let owners = people::list(&mut fields, "owners")?
        .ok_or_else(|| Problem::bad_field("owners", "missing field `owners`"))?;
    people::nothing_else(&fields)?;
    Ok(owners)
}
