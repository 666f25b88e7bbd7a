//! `GET /metrics`: Prometheus text. Scope operator, auditor or admin, unless
//! `server.metrics_public`.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, HeaderName, header},
};

use super::{Parts, auth, problem::Problem};
use crate::identity::Scope;

/// What is counted, with HELP and TYPE for each name.
pub(super) async fn metrics(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
) -> Result<([(HeaderName, &'static str); 1], String), Problem> {
    if !parts.metrics_public {
        auth::token(&parts, &headers, &[Scope::Operator, Scope::Auditor, Scope::Admin])?;
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], parts.meters.render()))
}
