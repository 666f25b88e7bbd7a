//! `GET /v1/whoami`: whose token this is. Any scope.

use std::sync::Arc;

use axum::{Json, extract::State, http::HeaderMap};
use gov_core::{AgentId, PersonId, Role, Timestamp, TokenId};
use serde::Serialize;

use super::{Parts, auth, problem::Problem};
use crate::identity::{PersonName, Scope};

/// The token of the request.
#[derive(Debug, Serialize)]
pub(super) struct WhoAmI {
    token_id: TokenId,
    scope: Scope,
    agent_id: Option<AgentId>,
    person: Option<Person>,
    expires_at: Option<Timestamp>,
}

#[derive(Debug, Serialize)]
struct Person {
    id: PersonId,
    name: PersonName,
    roles: Vec<Role>,
}

/// What the token is for, and the person behind an approver's.
pub(super) async fn whoami(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
) -> Result<Json<WhoAmI>, Problem> {
    let token = auth::token(&parts, &headers, &Scope::ALL)?;
    let person = token.person_id.and_then(|it| parts.directory.person(it));
    Ok(Json(WhoAmI {
        token_id: token.id,
        scope: token.scope,
        agent_id: token.agent_id.clone(),
        person: person.map(|it| Person {
            id: it.id,
            name: it.name.clone(),
            roles: it.roles.clone(),
        }),
        expires_at: token.expires_at,
    }))
}
