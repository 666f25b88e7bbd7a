//! The page's routes: for people in a browser, with a session instead of a bearer token.
//!
//! What changes something is a form of a page of ours, which [`form`] proves; who may is asked of
//! the session by [`visitor`].

use std::sync::Arc;

use askama::Template;
use axum::{
    Router,
    body::Body,
    extract::DefaultBodyLimit,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};

use super::Parts;
use crate::page::{
    session::{Use, Visitor},
    shown::Shown,
    template::{LoginPage, ProblemPage},
};

mod approval;
mod assets;
mod cookie;
mod edit;
mod form;
mod home;
mod login;
mod outcome;
mod view;

/// The largest form, in bytes: a comment is the longest thing in one.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// The largest form that holds an action, in bytes: as much as the API takes.
const MAX_EDIT_BYTES: usize = super::body::MAX_BYTES;

/// What a page may load and do: its own sheet and script, its own forms; nothing inline, nothing
/// from elsewhere, in nobody's frame.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; \
                      connect-src 'self'; img-src 'self' data:; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

pub(super) fn routes() -> Router<Arc<Parts>> {
    Router::new()
        .route("/", get(home::home))
        .route("/live", get(home::live))
        .route("/login", get(login::ask).post(login::log_in))
        .route("/logout", post(login::log_out))
        .route("/approvals/{id}", get(approval::show))
        .route("/approvals/{id}/decision", post(approval::decide))
        .route(
            "/approvals/{id}/edit",
            post(edit::edit).layer(DefaultBodyLimit::max(MAX_EDIT_BYTES)),
        )
        .route("/assets/{name}", get(assets::asset))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

/// A request that a page does not answer with what was asked for.
#[derive(Debug)]
enum Refusal {
    /// Nobody is logged in: to the form.
    LogIn,
    /// Nobody is logged in, and it is a script that asks.
    SessionOver,
    /// Something else is wrong: in words.
    Problem(StatusCode, Box<ProblemPage>),
}

impl Refusal {
    fn new(status: StatusCode, title: &'static str, detail: &str) -> Self {
        let way_on = ("/".to_owned(), "To the page");
        let page = ProblemPage { title, detail: Shown::line(detail), way_on };
        Self::Problem(status, Box::new(page))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::LogIn => see_other("/login"),
            Self::SessionOver => {
                unauthenticated(html(StatusCode::UNAUTHORIZED, &LoginPage { problem: None }))
            }
            Self::Problem(status, page) => html(status, &*page),
        }
    }
}

/// Who stands behind the request's session.
fn visitor(parts: &Parts, headers: &HeaderMap, use_: Use) -> Option<Visitor> {
    let cookie = cookie::session(headers)?;
    parts.page.sessions.visitor(&cookie, &parts.directory, parts.clock.now(), use_)
}

/// A page as it is sent.
fn html(status: StatusCode, page: &impl Template) -> Response {
    // Only a template that calls something that fails fails, and ours call nothing.
    let text = page.render().unwrap_or_default();
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        // With `no-referrer` a browser would say `Origin: null` in our own forms.
        (header::REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// To another page, by GET.
fn see_other(path: &str) -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SEE_OTHER;
    if let Ok(path) = HeaderValue::from_str(path) {
        response.headers_mut().insert(header::LOCATION, path);
    }
    response
}

/// What RFC 9110 wants beside a 401.
fn unauthenticated(mut response: Response) -> Response {
    let scheme = HeaderValue::from_static("Bearer");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, scheme);
    response
}
