//! `/v1/agents`: who asks, and whose they are. Scope admin changes; operators and auditors look.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::HeaderMap,
};
use gov_core::AgentId;

use super::{Parts, auth, body, people::READERS, problem::Problem};
use crate::{
    identity::Scope,
    logged::Changed,
    registry::{AgentList, AgentView, NewOwners},
};

/// Every registered agent, by id.
pub(super) async fn list(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
) -> Result<Json<AgentList>, Problem> {
    auth::token(&parts, &headers, &READERS)?;
    Ok(Json(parts.registry.agents()))
}

/// The agent with these owners and no other.
pub(super) async fn own(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Changed<AgentView>>, Problem> {
    let actor = auth::token(&parts, &headers, &[Scope::Admin])?;
    let id: AgentId = id.parse().map_err(|error| Problem::bad_field("id", format!("{error}")))?;
    let NewOwners(owners) = NewOwners::parse(&body::read(&headers, body).await?)?;
    Ok(Json(parts.registry.own_agent(&id, &owners, &actor.id.to_string()).await?))
}
