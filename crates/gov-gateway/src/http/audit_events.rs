//! `GET /v1/audit/events`: what happened. Scopes auditor, operator and admin.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State},
    http::{HeaderMap, Uri},
};
use gov_retention::event_store::StoreError;

use super::{
    Parts, auth,
    problem::{Code, Problem},
};
use crate::{
    events::{EventList, EventQuestion, QuestionError},
    identity::Scope,
};

const READERS: [Scope; 3] = [Scope::Auditor, Scope::Operator, Scope::Admin];

/// One page: the newest first, unless the oldest are asked for.
pub(super) async fn list(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<EventList>, Problem> {
    auth::token(&parts, &headers, &READERS)?;
    let Query(parameters) = Query::<Vec<(String, String)>>::try_from_uri(&uri)
        .map_err(|error| Problem::bad_field("query", error.to_string()))?;
    let question = EventQuestion::read(parameters.iter().map(|(name, value)| (&**name, &**value)))?;
    Ok(Json(EventList::read(parts.event_store.as_ref(), &question).await?))
}

impl From<QuestionError> for Problem {
    fn from(error: QuestionError) -> Self {
        let detail = error.to_string();
        Self::bad_field(error.field, detail).with_received(error.received)
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "audit events cannot be read");
        Self::new(Code::Unavailable, error.to_string())
    }
}
