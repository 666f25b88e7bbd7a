//! `/v1/people/{id}/stand-ins`: who decides for a person who is away. The person themselves, or an
//! admin, says so.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};

use super::{
    Parts, auth, body,
    problem::{Code, Problem},
};
use crate::{
    identity::Scope,
    logged::Changed,
    registry::{NewStandIn, PersonView},
};

/// 201 with the person, and who stands in for them.
pub(super) async fn name(
    State(parts): State<Arc<Parts>>,
    Path(called): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Changed<PersonView>>), Problem> {
    let actor = actor(&parts, &headers, &called)?;
    let new = NewStandIn::parse(&body::read(&headers, body).await?)?;
    let named = parts.registry.name_stand_in(&called, new, &actor).await?;
    Ok((StatusCode::CREATED, Json(named)))
}

/// The person, for whom nobody stands in any more.
pub(super) async fn end(
    State(parts): State<Arc<Parts>>,
    Path(called): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Changed<PersonView>>, Problem> {
    let actor = actor(&parts, &headers, &called)?;
    Ok(Json(parts.registry.end_stand_ins(&called, &actor).await?))
}

/// Who it is, as the history names them, if they may.
fn actor(parts: &Parts, headers: &HeaderMap, called: &str) -> Result<String, Problem> {
    let token = auth::token(parts, headers, &[Scope::Approver, Scope::Admin])?;
    if token.scope == Scope::Approver {
        let person = parts.directory.find_person(called).map(|it| it.id);
        // Who is not there looks like somebody else.
        if person.is_none() || person != token.person_id {
            let detail = "only the person themselves, or an admin, names who stands in for them";
            return Err(Problem::new(Code::Forbidden, detail).with_field("person"));
        }
    }
    Ok(token.id.to_string())
}
