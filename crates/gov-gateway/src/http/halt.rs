//! `/v1/halt` and `/v1/resume`: the kill switch. Operators and admins throw it; who decides or
//! audits looks.

use std::sync::Arc;

use axum::{Json, body::Body, extract::State, http::HeaderMap};
use gov_core::json;
use serde_json::Value;

use super::{Parts, auth, body, problem::Problem};
use crate::{
    identity::Scope,
    reason::Reason,
    registry::{HaltOutcome, HaltView},
};

const SWITCHERS: [Scope; 2] = [Scope::Operator, Scope::Admin];

/// Whether everything is refused.
pub(super) async fn show(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
) -> Result<Json<HaltView>, Problem> {
    let [operator, admin] = SWITCHERS;
    auth::token(&parts, &headers, &[Scope::Approver, operator, Scope::Auditor, admin])?;
    Ok(Json(parts.registry.halted()))
}

/// Every check is refused from now on, here at once and at the other servers when they hear of it.
pub(super) async fn halt(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<HaltOutcome>, Problem> {
    let actor = auth::token(&parts, &headers, &SWITCHERS)?;
    let reason = reason(&body::read(&headers, body).await?)?;
    Ok(Json(parts.registry.halt(&reason, &actor.id.to_string()).await?))
}

/// Checks are judged again.
pub(super) async fn resume(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<HaltOutcome>, Problem> {
    let actor = auth::token(&parts, &headers, &SWITCHERS)?;
    let reason = reason(&body::read(&headers, body).await?)?;
    Ok(Json(parts.registry.resume(&reason, &actor.id.to_string()).await?))
}

/// Reads `{"reason"}`.
fn reason(body: &[u8]) -> Result<Reason, Problem> {
    let Value::Object(mut fields) = json::parse_value(body)? else {
        return Err(Problem::bad_field("body", "the body must be an object with `reason`"));
    };
    let reason = match fields.remove("reason") {
        Some(Value::String(text)) => text,
        Some(_) => return Err(Problem::bad_field("reason", "`reason` must be a text")),
        None => return Err(Problem::bad_field("reason", "missing field `reason`")),
    };
    if let Some(unknown) = fields.keys().next() {
        let shown = gov_core::text::escape(unknown).into_owned();
        return Err(Problem::bad_field(shown.clone(), format!("unknown field `{shown}`")));
    }
    Ok(reason.parse()?)
}
