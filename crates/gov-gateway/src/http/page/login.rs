//! `/login` and `/logout`: an access token becomes a session, and ends it.

use std::sync::Arc;

use axum::{
    extract::{Form, State, rejection::FormRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Deserialize;

use super::{
    Parts, Refusal, cookie,
    form::{self, Carriage},
    html, see_other, unauthenticated, visitor,
};
use crate::{
    identity::Scope,
    page::{session::Use, shown::Shown, template::LoginPage},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LoginForm {
    token: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogoutForm {
    csrf: String,
}

/// The form; the page for who is logged in already.
pub(super) async fn ask(State(parts): State<Arc<Parts>>, headers: HeaderMap) -> Response {
    if visitor(&parts, &headers, Use::Acts).is_some() {
        return see_other("/");
    }
    html(StatusCode::OK, &LoginPage { problem: None })
}

/// To the page with a new session; the form again, 401, for a token that is not accepted.
///
/// Tries are not limited: the secret has 256 random bits, which no number of tries finds, and
/// whoever shares an address with a person could lock them out.
pub(super) async fn log_in(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    form: Result<Form<LoginForm>, FormRejection>,
) -> Result<Response, Refusal> {
    let (LoginForm { token }, carriage) = form::read(&headers, form)?;
    if carriage == Carriage::Plaintext {
        let detail = "the token would cross the network in the clear; open this page over https, \
                      or through a tunnel to 127.0.0.1";
        return Err(Refusal::new(StatusCode::FORBIDDEN, "Not without encryption", detail));
    }
    let now = parts.clock.now();
    let token = match parts.directory.authenticate(token.trim(), now) {
        Ok(token) if token.scope == Scope::Agent => {
            return Ok(not_accepted("a token of an agent opens no page: only people look here"));
        }
        Ok(token) => token,
        Err(error) => return Ok(not_accepted(&error.to_string())),
    };
    let session = parts.page.sessions.open(token.id, now).map_err(|error| {
        tracing::error!(%error, "no session: the system gives no randomness");
        let detail = "no session can be made now; try again";
        Refusal::new(StatusCode::SERVICE_UNAVAILABLE, "Not now", detail)
    })?;
    // A session that was there before is over: the person has started anew.
    if let Some(before) = cookie::session(&headers) {
        parts.page.sessions.close(&before);
    }
    tracing::info!(token = %token.id, scope = %token.scope, "session opened");
    let secure = carriage == Carriage::Https;
    Ok(with_cookie(see_other("/"), cookie::set(&session.to_text(), secure)))
}

/// To the form, without the session.
pub(super) async fn log_out(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    form: Result<Form<LogoutForm>, FormRejection>,
) -> Result<Response, Refusal> {
    let (LogoutForm { csrf }, _) = form::read(&headers, form)?;
    let visitor = visitor(&parts, &headers, Use::Acts).ok_or(Refusal::LogIn)?;
    form::prove(visitor.csrf, &csrf)?;
    if let Some(session) = cookie::session(&headers) {
        parts.page.sessions.close(&session);
    }
    Ok(with_cookie(see_other("/login"), cookie::clear()))
}

fn not_accepted(problem: &str) -> Response {
    let page = LoginPage { problem: Some(Shown::line(problem)) };
    unauthenticated(html(StatusCode::UNAUTHORIZED, &page))
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    let Some(cookie) = cookie else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    response.headers_mut().insert(header::SET_COOKIE, cookie);
    response
}
