//! `POST /v1/slack/actions`: a click in Slack. There is no token: Slack signs the very bytes.
//!
//! A click decides what the page would, as the person whose Slack account it is, and about the
//! risks of `slack.risks` only. Whoever clicks is told what became of it, and nobody else.

use std::sync::Arc;

use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, header},
};
use gov_core::text::escape;
use gov_escalation::{
    approval::{Approval, Decider, Status},
    approvals::{DecideError, Decision},
    notifier::slack::{
        SlackReply,
        door::{Click, DoorError, SlackKey, may_click},
        ephemeral,
    },
};
use serde_json::{Value, json};

use super::{
    Parts, body,
    problem::{Code, Problem},
};
use crate::{
    approvals::{DeskError, still_needed},
    identity::{Person, SlackUser},
};

const TIMESTAMP: &str = "x-slack-request-timestamp";
const SIGNATURE: &str = "x-slack-signature";
const FORM: &str = "application/x-www-form-urlencoded";

/// What the history says of where an answer came from.
const COMMENT: &str = "by a click in Slack";

/// What a click needs.
#[derive(Clone, Debug)]
pub struct SlackDoor {
    /// Checks that it is Slack.
    pub key: SlackKey,
    /// Tells whoever clicked.
    pub reply: SlackReply,
    /// The risks that a click may decide.
    pub risks: Vec<String>,
    /// Where people find the page.
    pub public_url: Option<String>,
}

/// 200 whatever becomes of the click: what does is said to whoever clicked.
pub(super) async fn act(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, Problem> {
    let door = parts.slack.as_ref().ok_or_else(|| {
        let detail = "no clicks are taken here; `slack.signing_secret` lets Slack send them";
        Problem::new(Code::NotFound, detail)
    })?;
    let (timestamp, signature) = (one(&headers, TIMESTAMP)?, one(&headers, SIGNATURE)?);
    let bytes = body::read(&headers, body).await?;
    door.key.verify(timestamp, signature, &bytes, parts.clock.now())?;
    is_form(&headers)?;
    // Who follows the link has decided nothing yet.
    let Some(click) = Click::parse(&bytes)? else { return Ok(Json(json!({}))) };
    let text = door.answer(&parts, &click).await?;
    if let Some(url) = &click.response_url
        && let Err(error) = door.reply.send(url, &text).await
    {
        tracing::warn!(reason = error.reason(), "whoever clicked in Slack is not told");
    }
    Ok(Json(ephemeral(&text)))
}

impl SlackDoor {
    /// Decides, if this click may, and says what became of it.
    async fn answer(&self, parts: &Parts, click: &Click) -> Result<String, Problem> {
        let user: Option<SlackUser> = click.user.parse().ok();
        let Some(person) = user.and_then(|it| parts.directory.person_by_slack(&it)) else {
            let user = escape(&click.user);
            return Ok(format!(
                "Nothing is decided: nobody here is `{user}` in Slack. An admin ties a person to a \
                 member with `gov people slack`."
            ));
        };
        let Some(approval) = parts.desk.find(click.approval_id).await? else {
            return Ok("Nothing is decided: there is no such request any more.".to_owned());
        };
        let risk = approval.request.risk.as_deref();
        if !may_click(&self.risks, risk) {
            let risk =
                risk.map_or("a risk that is not stated".to_owned(), |it| format!("risk {it}"));
            let page = self.page(&approval);
            return Ok(format!("Nothing is decided: a click does not decide about {risk}. {page}"));
        }
        let comment = Some(COMMENT.to_owned());
        let decision = Decision { verdict: click.verdict, digest: click.digest, comment };
        let decider = Decider { person_id: person.id };
        match parts.desk.decide(approval.id, decision, decider).await {
            Ok(kept) => Ok(outcome(parts, &kept.approval)),
            Err(DeskError::Decide(DecideError::Store(error))) => {
                Err(DeskError::Decide(DecideError::Store(error)).into())
            }
            Err(DeskError::Decide(error)) => {
                let now = parts.desk.find(approval.id).await?.unwrap_or(approval);
                Ok(self.not_counted(parts, &now, &person, click, &error))
            }
            Err(error) => Err(error.into()),
        }
    }

    fn not_counted(
        &self,
        parts: &Parts,
        approval: &Approval,
        person: &Person,
        click: &Click,
        error: &DecideError,
    ) -> String {
        // Slack may send a click again.
        let mut votes = approval.votes.iter();
        if votes.any(|it| it.person == person.id && it.verdict == click.verdict) {
            return format!("You have answered so already. {}", outcome(parts, approval));
        }
        format!("Your answer does not count: {error}. {}", self.page(approval))
    }

    fn page(&self, approval: &Approval) -> String {
        match &self.public_url {
            Some(url) => {
                format!(
                    "The page shows it all: {}/approvals/{}",
                    url.trim_end_matches('/'),
                    approval.id
                )
            }
            None => format!("Use the page, or `gov approvals show {}`.", approval.id),
        }
    }
}

/// How it stands after an answer.
fn outcome(parts: &Parts, approval: &Approval) -> String {
    let agent = escape(approval.request.agent_id.as_str());
    match approval.status {
        Status::Pending | Status::Parked => {
            let name_of = |id| parts.directory.person(id).map(|it| it.name.to_string());
            let (count, needed) = still_needed(approval, name_of);
            format!("Your answer counts, {count}. Still needed: {needed}.")
        }
        Status::Approved => format!("Approved: `{agent}` may do it once."),
        Status::Rejected => format!("Rejected: `{agent}` may not do it."),
        status => format!("It is {} now.", status.as_str()),
    }
}

/// The header's only value: of two, a proxy and we might each believe another.
fn one<'h>(headers: &'h HeaderMap, name: &'static str) -> Result<&'h str, Problem> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().and_then(|it| it.to_str().ok());
    match (value, values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(DoorError::Headers.into()),
    }
}

fn is_form(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok());
    let given = given.unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case(FORM) {
        return Ok(());
    }
    let detail = format!("the header `Content-Type` must be `{FORM}`, as Slack sends it");
    Err(Problem::bad_field("Content-Type", detail).with_received(escape(given)))
}

impl From<DoorError> for Problem {
    fn from(error: DoorError) -> Self {
        match error {
            DoorError::Payload => Self::bad_field("payload", error.to_string()),
            _ => Self::new(Code::Unauthenticated, error.to_string()).with_field(SIGNATURE),
        }
    }
}
