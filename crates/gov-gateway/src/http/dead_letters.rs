//! `/v1/audit/dlq`: what the signed log did not take. Operators and admins hand it in again or give
//! it up; auditors look.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, Uri},
};
use gov_core::{RecordId, json};
use gov_deferred_audit::dead_letter::{DeadLetter, DeadLetterError};
use serde_json::Value;

use super::{
    Parts, auth, body,
    paging::Pages,
    problem::{Code, Problem},
};
use crate::{
    dead_letters::{DeadLetterList, DeadLetterRow, DeadLetterView, DiscardView, ReplayView},
    identity::Scope,
};

const READERS: [Scope; 3] = [Scope::Auditor, Scope::Operator, Scope::Admin];
const KEEPERS: [Scope; 2] = [Scope::Operator, Scope::Admin];

const PAGES: Pages = Pages { unasked: 50, most: 200 };

/// One page, the longest dead first.
pub(super) async fn list(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<DeadLetterList>, Problem> {
    auth::token(&parts, &headers, &READERS)?;
    let (after, limit) = PAGES.read(&uri)?;
    let letters = parts.dead_letters.list(after, limit).await?;
    let last = letters.last().map(DeadLetter::place);
    // A page of large letters is shorter than its limit, so only the next one tells.
    let more = match last {
        Some(last) => !parts.dead_letters.list(Some(last), 1).await?.is_empty(),
        None => false,
    };
    let next = last.filter(|_| more).map(|it| it.to_string());
    Ok(Json(DeadLetterList { items: letters.iter().map(DeadLetterRow::from).collect(), next }))
}

/// One letter, whole.
pub(super) async fn get(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<DeadLetterView>, Problem> {
    auth::token(&parts, &headers, &READERS)?;
    let id = parse(&id)?;
    let letter = parts.dead_letters.get(id).await?;
    let letter = letter.ok_or_else(|| {
        Problem::new(Code::NotFound, format!("`{id}` is no dead letter")).with_field("id")
    })?;
    Ok(Json(DeadLetterView::from(&letter)))
}

/// What became of it: also one that stays dead is an answer.
pub(super) async fn replay(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Json<ReplayView>, Problem> {
    let actor = auth::token(&parts, &headers, &KEEPERS)?;
    let id = parse(&id)?;
    tracing::info!(%id, by = %actor.id, "a dead letter is handed in again");
    let replayed = parts.dead_letters.replay_one(id).await?;
    Ok(Json(ReplayView::of(id, &replayed)))
}

/// The record that says that it was given up.
pub(super) async fn discard(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<DiscardView>, Problem> {
    let actor = auth::token(&parts, &headers, &KEEPERS)?;
    let id = parse(&id)?;
    let reason = reason(&body::read(&headers, body).await?)?;
    let discarded = parts.dead_letters.discard(id, &actor.id.to_string(), &reason).await?;
    Ok(Json(DiscardView::of(id, discarded)))
}

fn parse(id: &str) -> Result<RecordId, Problem> {
    id.parse().map_err(|error: gov_core::id::ParseIdError| {
        let shown = gov_core::text::escape(&error.received).into_owned();
        let detail = "`id` must be the id of a record, `rec_` and 32 lower-case hex digits";
        Problem::bad_field("id", detail).with_received(shown)
    })
}

/// Reads `{"reason"}`.
pub(super) fn reason(body: &[u8]) -> Result<String, Problem> {
    let Value::Object(mut fields) = json::parse_value(body)? else {
        return Err(Problem::bad_field("body", "the body must be an object with `reason`"));
    };
    let reason = match fields.remove("reason") {
        Some(Value::String(text)) => text,
        Some(_) => return Err(Problem::bad_field("reason", "`reason` must be a text")),
        None => return Err(Problem::bad_field("reason", "missing field `reason`")),
    };
    match fields.keys().next() {
        None => Ok(reason),
        Some(unknown) => {
            let shown = gov_core::text::escape(unknown).into_owned();
            Err(Problem::bad_field(shown.clone(), format!("unknown field `{shown}`")))
        }
    }
}

impl From<DeadLetterError> for Problem {
    fn from(error: DeadLetterError) -> Self {
        let detail = error.to_string();
        match error {
            DeadLetterError::NotFound { .. } => Self::new(Code::NotFound, detail).with_field("id"),
            DeadLetterError::InTheLog { .. } => Self::new(Code::Conflict, detail).with_field("id"),
            DeadLetterError::NoReason => Self::bad_field("reason", detail),
            DeadLetterError::TooLarge(it) => Self::bad_field(it.what, detail)
                .with_limit(it.limit)
                .with_received(format_args!("{} bytes", it.got)),
            DeadLetterError::Refused { .. } => Self::new(Code::NotRecorded, detail),
            DeadLetterError::Log(error) => error.into(),
            _ => {
                tracing::error!(error = &error as &dyn std::error::Error, "dead letters");
                Self::new(Code::Unavailable, detail)
            }
        }
    }
}
