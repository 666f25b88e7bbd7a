//! What went wrong, for programs and people: RFC 9457 problem details.

use std::{fmt::Display, time::Duration};

use axum::{
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use gov_core::json::JsonError;
use serde::{Serialize, Serializer};

use crate::{
    config::span,
    identity::AuthError,
    reason::{MAX_REASON_BYTES, ReasonError},
};

/// How much of what was received is repeated, in characters.
const SHOWN: usize = 64;

/// When to try again what cannot be done now, in seconds.
const RETRY_AFTER_SECONDS: &str = "1";

/// The kinds of problems: each asks for another next move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// The body is no JSON that can be judged: correct it.
    BadJson,
    /// A field is missing, unknown or out of its limits: correct it.
    BadField,
    /// The body is beyond its limit: send less.
    TooLarge,
    /// No token, or none that is accepted: send another.
    Unauthenticated,
    /// The token, the host or the origin does not allow it: ask who runs the server.
    Forbidden,
    /// There is no such thing.
    NotFound,
    /// The route knows other methods.
    MethodNotAllowed,
    /// It cannot be done to what is there.
    Conflict,
    /// The decision could not be recorded, so the answer is refuse: try again.
    NotRecorded,
    /// The answer took too long: try again.
    Timeout,
    /// A part of the server does not work: see `/readyz`.
    Unavailable,
}

impl Code {
    fn parts(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::BadJson => ("bad-json", StatusCode::BAD_REQUEST, "The body cannot be read"),
            Self::BadField => {
                ("bad-field", StatusCode::UNPROCESSABLE_ENTITY, "A field is not accepted")
            }
            Self::TooLarge => {
                ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "The request is too large")
            }
            Self::Unauthenticated => {
                ("unauthenticated", StatusCode::UNAUTHORIZED, "A valid token is needed")
            }
            Self::Forbidden => ("forbidden", StatusCode::FORBIDDEN, "This is not allowed"),
            Self::NotFound => ("not-found", StatusCode::NOT_FOUND, "There is no such thing"),
            Self::MethodNotAllowed => (
                "method-not-allowed",
                StatusCode::METHOD_NOT_ALLOWED,
                "The route knows other methods",
            ),
            Self::Conflict => ("conflict", StatusCode::CONFLICT, "It is not in that state"),
            Self::NotRecorded => (
                "not-recorded",
                StatusCode::SERVICE_UNAVAILABLE,
                "The decision could not be recorded",
            ),
            Self::Timeout => {
                ("timeout", StatusCode::SERVICE_UNAVAILABLE, "The answer took too long")
            }
            Self::Unavailable => {
                ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "The server cannot do this now")
            }
        }
    }
}

/// A problem as it is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    code: Code,
    detail: String,
    field: Option<String>,
    limit: Option<u64>,
    received: Option<String>,
    refusing: bool,
}

#[derive(Serialize)]
struct Wire<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    received: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    decision: Option<&'a str>,
}

impl Problem {
    /// A problem in our own words.
    #[must_use]
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        let detail = detail.into();
        Self { code, detail, field: None, limit: None, received: None, refusing: false }
    }

    /// A field that is not accepted.
    #[must_use]
    pub fn bad_field(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..Self::new(Code::BadField, detail) }
    }

    /// The token's scope does not allow it.
    #[must_use]
    pub fn wrong_scope(has: &str, wanted: &str) -> Self {
        Self::new(Code::Forbidden, format!("this needs a token with scope {wanted}"))
            .with_field("scope")
            .with_received(has)
    }

    /// There is no such route.
    #[must_use]
    pub fn no_route() -> Self {
        Self::new(Code::NotFound, "no such route; the check is `POST /v1/actions/check`")
    }

    /// The route knows other methods; they stand in the header `Allow`.
    #[must_use]
    pub fn wrong_method() -> Self {
        Self::new(Code::MethodNotAllowed, "the header `Allow` names the methods of this route")
    }

    /// The answer took longer than `limit`.
    #[must_use]
    pub fn timeout(limit: Duration) -> Self {
        let limit = span::show(limit);
        Self::new(Code::Timeout, format!("no answer within `server.request_timeout` = {limit}"))
    }

    /// The status it is answered with.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.code.parts().1
    }

    /// What is wrong, and the way out.
    #[must_use]
    pub fn detail(&self) -> &str {
        &self.detail
    }

    /// Names the field concerned.
    #[must_use]
    pub fn with_field(self, field: impl Into<String>) -> Self {
        Self { field: Some(field.into()), ..self }
    }

    /// Names the limit that was broken.
    #[must_use]
    pub fn with_limit(self, limit: u64) -> Self {
        Self { limit: Some(limit), ..self }
    }

    /// Repeats what was received, shortened.
    #[must_use]
    pub fn with_received(self, received: impl Display) -> Self {
        let received = received.to_string();
        let shown = match received.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}…", received.get(..end).unwrap_or_default()),
            None => received,
        };
        Self { received: Some(shown), ..self }
    }

    /// Says more.
    #[must_use]
    pub fn saying(self, more: &str) -> Self {
        Self { detail: format!("{}; {more}", self.detail), ..self }
    }

    /// Says in so many words that the action must not happen.
    #[must_use]
    pub fn refusing(self) -> Self {
        Self { refusing: true, ..self }
    }
}

/// With the limit where the text is beyond one.
impl From<JsonError> for Problem {
    fn from(error: JsonError) -> Self {
        let limit = if error.problem.starts_with("number must") {
            Some(9_007_199_254_740_991)
        } else if error.problem.starts_with("nesting must") {
            u64::try_from(gov_core::json::MAX_DEPTH).ok()
        } else {
            None
        };
        let field = (!error.field.is_empty()).then_some(error.field);
        Self { field, limit, ..Self::new(Code::BadJson, error.problem) }
    }
}

impl From<ReasonError> for Problem {
    fn from(error: ReasonError) -> Self {
        let problem = Self::bad_field("reason", error.to_string());
        match error {
            ReasonError::Length(bytes) => {
                let received = format_args!("{bytes} bytes");
                problem.with_limit(MAX_REASON_BYTES as u64).with_received(received)
            }
            ReasonError::Control(_) => problem,
        }
    }
}

impl From<AuthError> for Problem {
    fn from(error: AuthError) -> Self {
        Self::new(Code::Unauthenticated, error.to_string()).with_field("Authorization")
    }
}

/// As the body of an answer, and inside one that is about several things.
impl Serialize for Problem {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (code, status, title) = self.code.parts();
        let wire = Wire {
            r#type: format!("urn:gov:problem:{code}"),
            title,
            status: status.as_u16(),
            detail: &self.detail,
            code,
            field: self.field.as_deref(),
            limit: self.limit,
            received: self.received.as_deref(),
            decision: self.refusing.then_some("refuse"),
        };
        wire.serialize(serializer)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        // A struct of texts and numbers always serialises.
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER_SECONDS));
        }
        if self.code == Code::Unauthenticated {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
