//! `/v1/approvals`: who waits for whom, and what people answer.
//!
//! Whoever decides or watches sees all; an agent sees its own by their ids. Deciding is for
//! approvers alone, and it is always the token's person who does. Withdrawing is for whoever asked,
//! decides or runs the server.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State},
    http::{HeaderMap, Uri},
};
use gov_core::{ApprovalId, PersonId};
use gov_escalation::{approval::Decider, approvals::DecideError, transition::Refusal};

use super::{
    Parts, auth, body,
    problem::{Code, Problem},
};
use crate::{
    approvals::{ApprovalList, ApprovalRow, ApprovalView, Decided, DeskError, Kept},
    identity::{Scope, Token},
};

mod bulk;
mod cancel;
mod decision;
pub(super) mod edit;
pub(super) mod grants;
mod question;
pub(super) mod set_aside;

use self::question::{ListQuestion, wait};
pub(super) use self::{bulk::decide_all, cancel::cancel, edit::edit};

/// The longest `?wait=`.
pub const LONGEST_WAIT: Duration = Duration::from_mins(1);

const READERS: [Scope; 4] = [Scope::Approver, Scope::Operator, Scope::Auditor, Scope::Admin];

/// One page, the newest first.
pub(super) async fn list(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<ApprovalList>, Problem> {
    auth::token(&parts, &headers, &READERS)?;
    let ListQuestion { filter, before, limit } = ListQuestion::read(&parameters(&uri)?)?;
    // One more says whether there is a next page.
    let mut found = parts.desk.list(&filter, before, limit.saturating_add(1)).await?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| more).map(|it| it.id.to_string());
    Ok(Json(ApprovalList { items: found.iter().map(ApprovalRow::from).collect(), next }))
}

/// One approval, whole; with `?wait=` once it is answered.
pub(super) async fn get(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<Json<ApprovalView>, Problem> {
    let [approver, operator, auditor, admin] = READERS;
    let scopes = [Scope::Agent, approver, operator, auditor, admin];
    let token = auth::token(&parts, &headers, &scopes)?;
    let id = parse(&id)?;
    let wait = wait(&parameters(&uri)?)?;
    let desk = &parts.desk;
    let mut approval = desk.find(id).await?.ok_or_else(|| unknown(id))?;
    // Another agent's is as if it were not there.
    let own = token.agent_id.as_ref().is_none_or(|it| *it == approval.request.agent_id);
    if !own {
        return Err(unknown(id));
    }
    if let Some(wait) = wait {
        let until = parts.clock.now() + wait.min(parts.longest_wait);
        approval = desk.wait(id, until).await?.ok_or_else(|| unknown(id))?;
    }
    Ok(Json(ApprovalView::new(&approval, desk.history(id).await?)))
}

/// The approval after the decision, which is kept and on record.
pub(super) async fn decide(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Decided>, Problem> {
    let person_id = person(&parts, &headers)?;
    let id = parse(&id)?;
    let decision = decision::parse(&body::read(&headers, body).await?)?;
    kept(&parts, parts.desk.decide(id, decision, Decider { person_id }).await?).await
}

/// Who decides: the token's person, and nobody else.
fn person(parts: &Parts, headers: &HeaderMap) -> Result<PersonId, Problem> {
    person_of(&*auth::token(parts, headers, &[Scope::Approver])?)
}

/// An approver's token without a person cannot be made; one that was stored so decides nothing.
fn person_of(token: &Token) -> Result<PersonId, Problem> {
    token.person_id.ok_or_else(|| {
        Problem::new(Code::Forbidden, "this token names no person").with_field("person")
    })
}

/// The approval after a change, with what happened to it.
async fn kept(parts: &Parts, kept: Kept) -> Result<Json<Decided>, Problem> {
    let history = parts.desk.history(kept.approval.id).await?;
    Ok(Json(Decided {
        approval: ApprovalView::new(&kept.approval, history),
        record: kept.recorded.into(),
    }))
}

fn parameters(uri: &Uri) -> Result<Vec<(String, String)>, Problem> {
    Query::<Vec<(String, String)>>::try_from_uri(uri)
        .map(|Query(parameters)| parameters)
        .map_err(|error| Problem::bad_field("query", error.to_string()))
}

fn parse(id: &str) -> Result<ApprovalId, Problem> {
    id.parse().map_err(|error: gov_core::id::ParseIdError| {
        let shown = gov_core::text::escape(&error.received).into_owned();
        let detail = "`id` must be the id of an approval, `apr_` and 32 lower-case hex digits";
        Problem::bad_field("id", detail).with_received(shown)
    })
}

fn unknown(id: ApprovalId) -> Problem {
    Problem::new(Code::NotFound, format!("no approval `{id}`")).with_field("id")
}

impl From<DeskError> for Problem {
    fn from(error: DeskError) -> Self {
        let error = match error {
            DeskError::Decide(error) => match Self::try_from(error) {
                Ok(problem) => return problem,
                Err(error) => DeskError::Decide(error),
            },
            DeskError::Withdraw(status) => {
                let problem = Self::new(Code::Conflict, error.to_string()).with_field("status");
                return problem.with_received(status.as_str());
            }
            other => other,
        };
        let detail = error.to_string();
        tracing::error!(error = &error as &dyn std::error::Error, "approvals");
        match error {
            DeskError::NotLogged(_) => Self::new(Code::NotRecorded, detail),
            _ => Self::new(Code::Unavailable, detail),
        }
    }
}

/// A decision that does not count, unless the store is to blame.
impl TryFrom<DecideError> for Problem {
    type Error = DecideError;

    fn try_from(error: DecideError) -> Result<Self, DecideError> {
        let detail = error.to_string();
        match error {
            DecideError::NotFound(id) => Ok(unknown(id)),
            DecideError::NotAllowed { .. } | DecideError::Refused(Refusal::OthersAsked) => {
                Ok(Self::new(Code::Forbidden, detail).with_field("person"))
            }
            DecideError::Comment(_) => Ok(Self::bad_field("comment", detail)),
            DecideError::Refused(Refusal::OtherDigest) => {
                let detail = format!("{detail}: look at what is asked, and decide about that");
                Ok(Self::new(Code::Conflict, detail).with_field("digest"))
            }
            DecideError::Refused(Refusal::Status(status)) => {
                let detail = format!("{detail}, so nobody can decide about it any more");
                let problem = Self::new(Code::Conflict, detail).with_field("status");
                Ok(problem.with_received(status.as_str()))
            }
            DecideError::Refused(Refusal::SameAction) => Ok(Self::bad_field("action", detail)),
            DecideError::Refused(Refusal::AskedAlready) => {
                let detail = format!("{detail}: decide about that one");
                Ok(Self::new(Code::Conflict, detail).with_field("action"))
            }
            DecideError::Refused(Refusal::NotCovered) => {
                let detail = "a grant is not edited: reject it, and let another one be asked for";
                Ok(Self::bad_field("id", detail))
            }
            DecideError::Refused(Refusal::VotedBefore) => {
                let detail = format!("{detail}, so somebody else must decide");
                Ok(Self::new(Code::Conflict, detail).with_field("person"))
            }
            other => Err(other),
        }
    }
}
