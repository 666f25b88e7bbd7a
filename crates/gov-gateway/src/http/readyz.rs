//! `GET /readyz`: whether the server can do its work, part by part, with reasons. No token: the
//! reasons name no agent, token or action.

use std::sync::Arc;

use axum::{Json, extract::State, http::StatusCode};
use gov_core::HealthState;
use serde::Serialize;

use super::Parts;

#[derive(Debug, Serialize)]
pub(super) struct Readiness {
    status: &'static str,
    parts: Vec<Part>,
}

#[derive(Debug, Serialize)]
struct Part {
    name: &'static str,
    #[serde(flatten)]
    health: HealthState,
}

/// 200 `ready` or `degraded`; 503 `not-ready` while a part is dead.
pub(super) async fn readyz(State(parts): State<Arc<Parts>>) -> (StatusCode, Json<Readiness>) {
    let parts: Vec<_> =
        parts.health.iter().map(|it| Part { name: it.name(), health: it.health() }).collect();
    let (code, status) = if !parts.iter().all(|it| it.health.is_ready()) {
        (StatusCode::SERVICE_UNAVAILABLE, "not-ready")
    } else if parts.iter().all(|it| it.health == HealthState::Healthy) {
        (StatusCode::OK, "ready")
    } else {
        (StatusCode::OK, "degraded")
    };
    (code, Json(Readiness { status, parts }))
}
