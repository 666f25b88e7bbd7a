//! `GET /`: everything at a glance; `GET /live`: the part of it that changes.

use std::sync::Arc;

use axum::{
    extract::{Query, State},
    http::{HeaderMap, StatusCode, Uri},
    response::Response,
};
use gov_core::ApprovalId;

use super::{Parts, Refusal, html, outcome, view, visitor};
use crate::page::{
    session::{Use, Visitor},
    template::{Done, HomePage, LivePart},
};

/// The whole page; the login for who has no session.
pub(super) async fn home(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Response, Refusal> {
    let visitor = visitor(&parts, &headers, Use::Acts).ok_or(Refusal::LogIn)?;
    let page = HomePage {
        visitor: view::visitor(&parts, &visitor),
        done: done(&parts, &uri, &visitor).await,
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

/// What became of the request that the visitor has just answered, which stands in the query.
async fn done(parts: &Parts, uri: &Uri, visitor: &Visitor) -> Option<Done> {
    let Query(query) = Query::<Vec<(String, String)>>::try_from_uri(uri).ok()?;
    let id: ApprovalId = query.iter().find(|(name, _)| name == "done")?.1.parse().ok()?;
    // If it cannot be read, the page below says so.
    let approval = parts.page.desk.find(id).await.ok()??;
    outcome::of_edit(parts, &approval, visitor)
}
