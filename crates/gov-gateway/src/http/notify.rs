//! `/v1/notify`: who is told, and whether it arrives. Operators and admins enable and try;
//! auditors look.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
};

use super::{
    Parts, auth,
    problem::{Code, Problem},
};
use crate::{
    identity::Scope,
    logged::Changed,
    notifications::{Enabled, NotificationsError, TargetView, Tried},
    registry::List,
};

const READERS: [Scope; 3] = [Scope::Operator, Scope::Auditor, Scope::Admin];
const KEEPERS: [Scope; 2] = [Scope::Operator, Scope::Admin];

/// Every target, by name.
pub(super) async fn list(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
) -> Result<Json<List<TargetView>>, Problem> {
    auth::token(&parts, &headers, &READERS)?;
    Ok(Json(parts.notifications.list().await?))
}

/// Lets a target have messages again, which is on record before it has.
pub(super) async fn enable(
    State(parts): State<Arc<Parts>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Changed<Enabled>>, Problem> {
    let actor = auth::token(&parts, &headers, &KEEPERS)?;
    parts.notifications.must_know(&name).await?;
    let record = parts.registry.enabling(&name, &actor.id.to_string()).await?;
    let view = parts.notifications.enable(&name).await?;
    tracing::info!(target_name = name, by = %actor.id, "a target of messages is enabled");
    Ok(Json(Changed { view, record }))
}

/// Sends it one message that is about no approval.
pub(super) async fn try_once(
    State(parts): State<Arc<Parts>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Tried>, Problem> {
    auth::token(&parts, &headers, &KEEPERS)?;
    Ok(Json(parts.notifications.try_once(&name).await?))
}

impl From<NotificationsError> for Problem {
    fn from(error: NotificationsError) -> Self {
        match error {
            NotificationsError::NotFound(_) => {
                Self::new(Code::NotFound, error.to_string()).with_field("name")
            }
            NotificationsError::Store(_) => {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    "no answer about targets"
                );
                Self::new(Code::Unavailable, error.to_string())
            }
        }
    }
}
