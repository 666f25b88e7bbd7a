//! `/v1/audit/buffer`: what waits for the sink. Operators and admins send what it refused once
//! more, or give it up; auditors look.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, Uri},
};
use gov_audit_buffer::{
    AppendError, AuditPublisher, EventBuffer,
    buffer::{BufferError, Letters},
};
use gov_core::{EventId, TokenId, json};
use serde_json::Value;

use super::{
    Parts, auth, body,
    paging::Pages,
    problem::{Code, Problem},
};
use crate::{
    audit_buffer::{BufferLetterView, BufferView, DoneView, Items, MAX_LIMIT, WaitingView},
    identity::Scope,
};

const READERS: [Scope; 3] = [Scope::Auditor, Scope::Operator, Scope::Admin];
const KEEPERS: [Scope; 2] = [Scope::Operator, Scope::Admin];

const PAGES: Pages = Pages { unasked: 20, most: MAX_LIMIT };

/// The buffer of this server, and the sink as the configuration names it.
#[derive(Clone, Debug)]
pub struct ServedBuffer {
    /// Takes events and ships them.
    pub publisher: AuditPublisher,
    /// `buffer.sink`.
    pub sink: &'static str,
}

/// How it stands.
pub(super) async fn status(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
) -> Result<Json<BufferView>, Problem> {
    auth::token(&parts, &headers, &READERS)?;
    let ServedBuffer { publisher, sink } = served(&parts)?;
    let status = publisher.buffer().status().await?;
    Ok(Json(BufferView::running(&status, publisher, sink)))
}

/// What the sink gets next.
pub(super) async fn peek(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<Items<WaitingView>>, Problem> {
    auth::token(&parts, &headers, &READERS)?;
    let (after, limit) = PAGES.read::<u64>(&uri)?;
    if after.is_some() {
        let detail = "`cursor` is no parameter: only the front of the queue is shown";
        return Err(Problem::bad_field("cursor", detail));
    }
    let waiting = served(&parts)?.publisher.buffer().peek(count(limit)).await?;
    Ok(Json(waiting.into()))
}

/// What it refused for good, the longest dead first.
pub(super) async fn dead_letters(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<Items<BufferLetterView>>, Problem> {
    auth::token(&parts, &headers, &READERS)?;
    let (after, limit) = PAGES.read(&uri)?;
    let buffer = served(&parts)?.publisher.buffer();
    let mut letters = buffer.dead_letters(after.unwrap_or(0), count(limit + 1)).await?;
    let more = letters.len() as u64 > limit;
    letters.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(Json(Items::of_letters(letters, more)))
}

/// Sends dead letters once more, behind what waits.
pub(super) async fn replay(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<DoneView>, Problem> {
    let (by, which, buffer) = order(&parts, &headers, body).await?;
    tracing::info!(?which, %by, "dead letters of the audit buffer are sent once more");
    Ok(Json(DoneView { done: buffer.replay_dead_letters(which).await? }))
}

/// Gives dead letters up.
pub(super) async fn discard(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<DoneView>, Problem> {
    let (by, which, buffer) = order(&parts, &headers, body).await?;
    tracing::warn!(?which, %by, "dead letters of the audit buffer are given up");
    Ok(Json(DoneView { done: buffer.discard_dead_letters(which).await? }))
}

/// Who asks for something to be done, to which dead letters, of which buffer.
async fn order<'a>(
    parts: &'a Parts,
    headers: &HeaderMap,
    body: Body,
) -> Result<(TokenId, Letters, &'a EventBuffer), Problem> {
    let actor = auth::token(parts, headers, &KEEPERS)?;
    let which = letters(&body::read(headers, body).await?)?;
    Ok((actor.id, which, served(parts)?.publisher.buffer()))
}

fn served(parts: &Parts) -> Result<&ServedBuffer, Problem> {
    parts.buffer.as_ref().ok_or_else(|| {
        let detail = "there is no audit buffer: `buffer.sink` is `none`, and events go into the \
                      event store at once";
        Problem::new(Code::NotFound, detail)
    })
}

fn count(limit: u64) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}

/// Reads `{"ids": ["evt_…"]}` or `{"all": true}`.
fn letters(body: &[u8]) -> Result<Letters, Problem> {
    const WANTED: &str = "the body must be `{\"ids\": [\"evt_…\"]}` or `{\"all\": true}`";
    let Value::Object(fields) = json::parse_value(body)? else {
        return Err(Problem::bad_field("body", WANTED));
    };
    let mut fields = fields.into_iter();
    let (Some((name, value)), None) = (fields.next(), fields.next()) else {
        return Err(Problem::bad_field("body", WANTED));
    };
    match (name.as_str(), value) {
        ("all", Value::Bool(true)) => Ok(Letters::All),
        ("ids", Value::Array(ids)) => ids.iter().map(id).collect::<Result<_, _>>().map(Letters::Of),
        ("all" | "ids", _) => Err(Problem::bad_field(name, WANTED)),
        _ => {
            let shown = gov_core::text::escape(&name).into_owned();
            Err(Problem::bad_field(shown.clone(), format!("unknown field `{shown}`; {WANTED}")))
        }
    }
}

fn id(value: &Value) -> Result<EventId, Problem> {
    value.as_str().and_then(|it| it.parse().ok()).ok_or_else(|| {
        let detail = "`ids` must hold ids of events, `evt_` and 32 lower-case hex digits";
        Problem::bad_field("ids", detail)
            .with_received(gov_core::text::escape(&value.to_string()).into_owned())
    })
}

impl From<BufferError> for Problem {
    fn from(error: BufferError) -> Self {
        tracing::error!(error = &error as &dyn std::error::Error, "the audit buffer");
        Self::new(Code::Unavailable, error.to_string())
    }
}

impl From<AppendError> for Problem {
    fn from(error: AppendError) -> Self {
        let detail = error.to_string();
        if !matches!(error, AppendError::Full { .. }) {
            tracing::error!(error = &error as &dyn std::error::Error, "the audit buffer");
        }
        Self::new(Code::Unavailable, detail)
    }
}
