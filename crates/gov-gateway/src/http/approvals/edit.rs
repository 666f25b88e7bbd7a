//! `POST /v1/approvals/{id}/edit`: a person changes what is asked for, and says yes to that.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
};
use gov_core::json;
use gov_escalation::approval::Decider;
use serde_json::{Map, Value};

use super::{
    decision::{comment, digest, nothing_else},
    kept, parse, person, unknown,
};
use crate::{
    approvals::Decided,
    check::{EditError, EditRequest, read_action, read_context},
    http::{Parts, Problem, body},
};

/// The request in the place of the one that was edited, with the editor's yes.
pub(in crate::http) async fn edit(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Decided>), Problem> {
    let person_id = person(&parts, &headers)?;
    let id = parse(&id)?;
    let wanted = parse_body(&body::read(&headers, body).await?)?;
    let approval = parts.desk.find(id).await?.ok_or_else(|| unknown(id))?;
    let edited = parts.gate.edit(&approval, wanted, Decider { person_id }).await?;
    Ok((StatusCode::CREATED, kept(&parts, edited).await?))
}

/// Reads `{"digest", "action", "context"?, "comment"?}`.
fn parse_body(body: &[u8]) -> Result<EditRequest, Problem> {
    let Value::Object(fields) = json::parse_value(body)? else {
        let detail = "the body must be an object with `digest` and `action`";
        return Err(Problem::bad_field("body", detail));
    };
    read(fields)
}

/// As from a body, of fields that are read already.
pub(in crate::http) fn read(mut fields: Map<String, Value>) -> Result<EditRequest, Problem> {
    let digest = digest(&mut fields)?;
    let action = read_action(&mut fields)?;
    // An absent one is what the agent said, and a null one is none.
    let is_given = fields.contains_key("context");
    let context = read_context(&mut fields)?;
    let comment = comment(&mut fields)?;
    nothing_else(&fields)?;
    Ok(EditRequest { digest, action, context: is_given.then_some(context), comment })
}

impl From<EditError> for Problem {
    fn from(error: EditError) -> Self {
        let detail = error.to_string();
        match error {
            EditError::Refused { rule_id, .. } => {
                Self::bad_field("action", detail).with_received(rule_id)
            }
            EditError::Redacted(part) => Self::bad_field(part, detail),
            EditError::Desk(error) => error.into(),
            EditError::NotCanonical(_) => Self::bad_field("action", detail),
        }
    }
}
