//! `/v1/people`: who decides. Scope admin changes; operators and auditors look.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};

use super::{Parts, auth, body, problem::Problem};
use crate::{
    identity::Scope,
    logged::Changed,
    registry::{NewPerson, NewSlackUser, PersonChange, PersonList, PersonView},
};

/// Who may look at people and agents.
pub(super) const READERS: [Scope; 3] = [Scope::Operator, Scope::Auditor, Scope::Admin];

/// Every person, also the disabled ones, by name.
pub(super) async fn list(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
) -> Result<Json<PersonList>, Problem> {
    auth::token(&parts, &headers, &READERS)?;
    Ok(Json(parts.registry.people()))
}

/// 201 with the new person.
pub(super) async fn add(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Changed<PersonView>>), Problem> {
    let actor = auth::token(&parts, &headers, &[Scope::Admin])?;
    let new = NewPerson::parse(&body::read(&headers, body).await?)?;
    let added = parts.registry.add_person(new, &actor.id.to_string()).await?;
    Ok((StatusCode::CREATED, Json(added)))
}

/// The person of this name or id as they are now; one who is disabled is refused at once.
pub(super) async fn change(
    State(parts): State<Arc<Parts>>,
    Path(called): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Changed<PersonView>>, Problem> {
    let actor = auth::token(&parts, &headers, &[Scope::Admin])?;
    let change = PersonChange::parse(&body::read(&headers, body).await?)?;
    let changed = parts.registry.change_person(&called, change, &actor.id.to_string()).await?;
    Ok(Json(changed))
}

/// The person of this name or id, who is this one in Slack from now on.
pub(super) async fn tie_slack(
    State(parts): State<Arc<Parts>>,
    Path(called): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Changed<PersonView>>, Problem> {
    let actor = auth::token(&parts, &headers, &[Scope::Admin])?;
    let new = NewSlackUser::parse(&body::read(&headers, body).await?)?;
    Ok(Json(parts.registry.tie_slack(&called, new, &actor.id.to_string()).await?))
}
