//! `GET /`: everything at a glance; `GET /live`: the part of it that changes.

use std::sync::Arc;

use axum::{
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};

use super::{Parts, Refusal, html, view, visitor};
use crate::page::{
    session::Use,
    template::{HomePage, LivePart},
};

/// The whole page; the login for who has no session.
pub(super) async fn home(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let visitor = visitor(&parts, &headers, Use::Acts).ok_or(Refusal::LogIn)?;
    let page = HomePage {
        visitor: view::visitor(&parts, &visitor),
        done: None,
        live: view::live(&parts, &visitor).await,
    };
    Ok(html(StatusCode::OK, &page))
}

/// What the open page fetches again and again; 401 once the session is over.
pub(super) async fn live(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let visitor = visitor(&parts, &headers, Use::Watches).ok_or(Refusal::SessionOver)?;
    Ok(html(StatusCode::OK, &LivePart { live: view::live(&parts, &visitor).await }))
}
