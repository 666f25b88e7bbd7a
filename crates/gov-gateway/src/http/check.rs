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

/// 200 with the decision, also where it is no: the question was answered.
pub(super) async fn check(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Answer>, Problem> {
    let token = auth::token(&parts, &headers, &[Scope::Agent])?;
    let bytes = body::read(&headers, body).await?;
    let request = CheckRequest::parse(&bytes)?;
    if token.agent_id.as_ref() != Some(&request.agent_id) {
        return Err(Problem::new(Code::Forbidden, "this token speaks for another agent")
            .with_field("agent_id")
            .with_received(&request.agent_id));
    }
    parts.gate.check(request).await.map(Json).map_err(Problem::from)
}

impl From<CheckError> for Problem {
    fn from(error: CheckError) -> Self {
        match error {
            CheckError::NotRecorded(it) => {
                let detail = format!("{it}; the action must not happen");
                Self::new(Code::NotRecorded, detail).refusing()
            }
            CheckError::NotRegistered(it) => {
                tracing::error!(error = &it as &dyn std::error::Error, "agent not registered");
                let detail = "the agent could not be registered; the action must not happen";
                Self::new(Code::Unavailable, detail).refusing()
            }
        }
    }
}
