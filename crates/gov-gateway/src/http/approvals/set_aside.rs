//! `/v1/approvals/set-aside`, and closing what stands there: for admins.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::HeaderMap,
};
use gov_core::ApprovalId;
use gov_escalation::approvals::MAX_COMMENT_BYTES;
use serde::Serialize;

use super::{
    super::{
        Parts, auth, body, dead_letters,
        problem::{Code, Problem},
    },
    parse,
};
use crate::{approvals::SetAsideList, check::RecordRef, identity::Scope};

/// What an admin is answered who closed one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(in crate::http) struct Discarded {
    id: ApprovalId,
    record: RecordRef,
}

/// All of them.
pub(in crate::http) async fn list(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
) -> Result<Json<SetAsideList>, Problem> {
    auth::token(&parts, &headers, &[Scope::Admin])?;
    Ok(Json(parts.desk.set_aside().await?))
}

/// The record that says that it was closed, and why.
pub(in crate::http) async fn discard(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Discarded>, Problem> {
    let actor = auth::token(&parts, &headers, &[Scope::Admin])?;
    let id = parse(&id)?;
    let reason = dead_letters::reason(&body::read(&headers, body).await?)?;
    let reason = reason.trim();
    if !(1..=MAX_COMMENT_BYTES).contains(&reason.len()) {
        let detail = format!("`reason` must be 1 to {MAX_COMMENT_BYTES} bytes long");
        return Err(Problem::bad_field("reason", detail).with_received(reason.len()));
    }
    tracing::warn!(%id, by = %actor.id, "an approval that cannot be read is closed");
    let recorded = parts.desk.discard(id, &actor.id.to_string(), reason).await?;
    let record = recorded.ok_or_else(|| {
        let detail = format!("no approval `{id}` is set aside");
        Problem::new(Code::NotFound, detail).with_field("id")
    })?;
    Ok(Json(Discarded { id, record: record.into() }))
}
