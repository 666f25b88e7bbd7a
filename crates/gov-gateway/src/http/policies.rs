//! `/v1/policies`: look at the policy, and change it. Scope admin changes; operators and auditors
//! look.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, StatusCode},
};
use gov_core::json;
use serde_json::Value;

use super::{
    Parts, auth, body,
    problem::{Code, Problem},
};
use crate::{
    identity::Scope,
    logged::Changed,
    policies::{ActivatedView, PoliciesError, PolicyList, PolicyText},
    policy::PolicyError,
};

const READERS: [Scope; 3] = [Scope::Operator, Scope::Auditor, Scope::Admin];

/// 201 with the new version, which the next check is judged by.
pub(super) async fn activate(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Changed<ActivatedView>>), Problem> {
    let actor = auth::token(&parts, &headers, &[Scope::Admin])?;
    let text = text(&body::read(&headers, body).await?)?;
    let activated = parts.policies.activate(text, &actor.id.to_string()).await?;
    Ok((StatusCode::CREATED, Json(activated)))
}

/// 201 with a new version that has the text before the active one.
pub(super) async fn roll_back(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<Changed<ActivatedView>>), Problem> {
    let actor = auth::token(&parts, &headers, &[Scope::Admin])?;
    let activated = parts.policies.roll_back(&actor.id.to_string()).await?;
    Ok((StatusCode::CREATED, Json(activated)))
}

/// Every version without its text, the newest first.
pub(super) async fn list(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
) -> Result<Json<PolicyList>, Problem> {
    auth::token(&parts, &headers, &READERS)?;
    Ok(Json(parts.policies.list().await?))
}

/// The active policy with its text.
pub(super) async fn active(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
) -> Result<Json<PolicyText>, Problem> {
    auth::token(&parts, &headers, &READERS)?;
    Ok(Json(parts.policies.active().await?))
}

/// Reads `{"text"}`.
fn text(body: &[u8]) -> Result<String, Problem> {
    let Value::Object(mut fields) = json::parse_value(body)? else {
        return Err(Problem::bad_field("body", "the body must be an object with a `text`"));
    };
    let text = match fields.remove("text") {
        Some(Value::String(text)) => text,
        Some(_) => return Err(Problem::bad_field("text", "`text` must be a text")),
        None => return Err(Problem::bad_field("text", "missing field `text`")),
    };
    match fields.keys().next() {
        None => Ok(text),
        Some(unknown) => {
            let shown = gov_core::text::escape(unknown);
            Err(Problem::bad_field(shown.clone(), format!("unknown field `{shown}`")))
        }
    }
}

impl From<PoliciesError> for Problem {
    fn from(error: PoliciesError) -> Self {
        let detail = error.to_string();
        match error {
            PoliciesError::Text(PolicyError::TooLong { limit, received }) => {
                Self::bad_field("text", detail)
                    .with_limit(u64::try_from(limit).unwrap_or(u64::MAX))
                    .with_received(format_args!("{received} bytes"))
            }
            PoliciesError::Text(_) => Self::bad_field("text", detail),
            PoliciesError::None => Self::new(Code::NotFound, detail),
            PoliciesError::NoEarlier | PoliciesError::Overtaken => {
                Self::new(Code::Conflict, detail)
            }
            PoliciesError::Store(_) => {
                tracing::error!(error = &error as &dyn std::error::Error, "policies");
                Self::new(Code::Unavailable, detail)
            }
        }
    }
}
