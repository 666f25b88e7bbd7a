//! `POST /v1/actions/check`: may this agent do this now? Scope agent, for the token's own agent.

use std::sync::Arc;

use axum::{Json, body::Body, extract::State, http::HeaderMap};

use super::{
    Parts, auth, body,
    problem::{Code, Problem},
};
use crate::{
    check::{Answer, CheckError, CheckRequest},
    identity::Scope,
};

const KEY: &str = "idempotency-key";

/// The longest key.
const MAX_KEY_BYTES: usize = 256;

/// 200 with the decision, also where it is no: the question was answered.
pub(super) async fn check(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Answer>, Problem> {
    let token = auth::token(&parts, &headers, &[Scope::Agent])?;
    let bytes = body::read(&headers, body).await?;
    let key = idempotency_key(&headers)?;
    let request = CheckRequest { idempotency_key: key, ..CheckRequest::parse(&bytes)? };
    if token.agent_id.as_ref() != Some(&request.agent_id) {
        return Err(Problem::new(Code::Forbidden, "this token speaks for another agent")
            .with_field("agent_id")
            .with_received(&request.agent_id));
    }
    parts.gate.check(request).await.map(Json).map_err(Problem::from)
}

/// The caller's own key for this question.
fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let key = value.to_str().unwrap_or_default();
    let fits = (1..=MAX_KEY_BYTES).contains(&key.len()) && values.next().is_none();
    if fits {
        return Ok(Some(key.to_owned()));
    }
    let detail = format!(
        "the header `Idempotency-Key` must come once, as 1 to {MAX_KEY_BYTES} visible ASCII \
         characters"
    );
    Err(Problem::bad_field("Idempotency-Key", detail).with_limit(MAX_KEY_BYTES as u64))
}

impl From<CheckError> for Problem {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::NotRecorded(it) => {
                let detail = format!("{it}; the action must not happen");
                Self::new(Code::NotRecorded, detail).refusing()
            }
            CheckError::Approval(it) => {
                let problem = Self::from(it);
                problem.saying("the action must not happen").refusing()
            }
            CheckError::NotRegistered(it) => {
                tracing::error!(error = &it as &dyn std::error::Error, "agent not registered");
                let detail = "the agent could not be registered; the action must not happen";
                Self::new(Code::Unavailable, detail).refusing()
            }
        }
    }
}
