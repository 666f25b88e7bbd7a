//! `/approvals/{id}`: one request by itself, and the answer to it.

use std::sync::Arc;

use axum::{
    extract::{Form, Path, State, rejection::FormRejection},
    http::{HeaderMap, StatusCode},
    response::Response,
};
use gov_core::{ActionDigest, ApprovalId, PersonId, hex};
use gov_escalation::{
    approval::{Approval, Decider, Verdict, Vote},
    approvals::{DecideError, Decision},
};
use serde::Deserialize;

use super::{Parts, Refusal, form, html, outcome, see_other, view, visitor};
use crate::{
    approvals::DeskError,
    identity::Scope,
    page::{
        card::Card,
        session::{Use, Visitor},
        template::{ApprovalPage, Done},
    },
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionForm {
    csrf: String,
    digest: String,
    decision: String,
    comment: String,
}

/// The request, and what came of it.
pub(super) async fn show(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let visitor = visitor(&parts, &headers, Use::Acts).ok_or(Refusal::LogIn)?;
    let approval = find(&parts, &id).await?;
    let outcome = outcome::of_answer(&parts, &approval, &visitor);
    let card = card(&parts, &visitor, &approval);
    Ok(page(&parts, &visitor, card, StatusCode::OK, outcome))
}

/// Takes the visitor's answer, and goes back to the page. Who decides is the session's person.
///
/// A request that is answered already by others or in another way, or is not the one that was shown,
/// is shown as it is now, 409.
pub(super) async fn decide(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: Result<Form<DecisionForm>, FormRejection>,
) -> Result<Response, Refusal> {
    let (form, _) = form::read(&headers, form)?;
    let (visitor, person_id) = decider(&parts, &headers, &form.csrf)?;
    let id = parse(&id)?;
    let decision = decision(&form).ok_or_else(|| {
        let detail = "the form is not as the page made it; open the page and try again";
        Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "The form cannot be read", detail)
    })?;
    let (verdict, digest) = (decision.verdict, decision.digest);
    let decided = parts.page.desk.decide(id, decision, Decider { person_id }).await;
    let refused = match decided {
        Ok(_) => return Ok(see_other(&format!("/?done={id}"))),
        Err(DeskError::Decide(DecideError::Refused(refusal))) => Ok(refusal),
        Err(error @ DeskError::Decide(DecideError::NotAllowed { .. })) => Err(error),
        Err(error) => return Err(not_decided(&error)),
    };
    let approval = find(&parts, &id.to_string()).await?;
    let said = |it: &Vote| it.person == person_id && it.verdict == verdict;
    if approval.request.digest == digest && approval.votes.iter().any(said) {
        // Sent twice, as by a double click: it counts.
        return Ok(see_other(&format!("/?done={id}")));
    }
    let refusal = refused.map_err(|error| not_decided(&error))?;
    let told = format!("Your answer does not count: {refusal}.");
    let outcome = outcome::of_refused(&parts, &approval, &told);
    let card = card(&parts, &visitor, &approval);
    Ok(page(&parts, &visitor, card, StatusCode::CONFLICT, Some(outcome)))
}

/// Who answers by a form of their own session's page, and as which person.
pub(super) fn decider(
    parts: &Parts,
    headers: &HeaderMap,
    csrf: &str,
) -> Result<(Visitor, PersonId), Refusal> {
    let visitor = visitor(parts, headers, Use::Acts).ok_or(Refusal::LogIn)?;
    form::prove(visitor.csrf, csrf)?;
    let person = visitor.token.person_id.filter(|_| visitor.token.scope == Scope::Approver);
    let person = person.ok_or_else(|| {
        let detail = "only an approver's session decides; log in with an approver's token";
        Refusal::new(StatusCode::FORBIDDEN, "Not with this session", detail)
    })?;
    Ok((visitor, person))
}

fn decision(form: &DecisionForm) -> Option<Decision> {
    let verdict =
        [Verdict::Approve, Verdict::Reject].into_iter().find(|it| it.as_str() == form.decision)?;
    let comment = Some(form::written(&form.comment)).filter(|it| !it.is_empty());
    Some(Decision { verdict, digest: ActionDigest::from_bytes(hex::parse(&form.digest)?), comment })
}

fn parse(id: &str) -> Result<ApprovalId, Refusal> {
    id.parse().map_err(|_| no_such())
}

pub(super) async fn find(parts: &Parts, id: &str) -> Result<Approval, Refusal> {
    match parts.page.desk.find(parse(id)?).await {
        Ok(found) => found.ok_or_else(no_such),
        Err(error) => Err(not_decided(&error)),
    }
}

pub(super) fn card(parts: &Parts, visitor: &Visitor, approval: &Approval) -> Card {
    view::card(parts, approval, parts.clock.now(), visitor)
}

pub(super) fn page(
    parts: &Parts,
    visitor: &Visitor,
    card: Card,
    status: StatusCode,
    outcome: Option<Done>,
) -> Response {
    let page = ApprovalPage {
        visitor: view::visitor(parts, visitor),
        csrf: visitor.csrf.to_text(),
        card,
        outcome,
    };
    html(status, &page)
}

fn no_such() -> Refusal {
    Refusal::new(StatusCode::NOT_FOUND, "No such request", "there is no request of this name")
}

pub(super) fn not_decided(error: &DeskError) -> Refusal {
    let (status, title) = match error {
        DeskError::Decide(DecideError::NotFound(_)) => return no_such(),
        DeskError::Decide(DecideError::NotAllowed { .. }) => {
            (StatusCode::FORBIDDEN, "Somebody else has to decide")
        }
        DeskError::Decide(DecideError::Comment(_)) => {
            (StatusCode::UNPROCESSABLE_ENTITY, "The comment cannot be kept")
        }
        DeskError::NotLogged(_) => (StatusCode::SERVICE_UNAVAILABLE, "Not yet in the signed log"),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "The approvals cannot be reached"),
    };
    if status == StatusCode::SERVICE_UNAVAILABLE {
        tracing::error!(error = error as &dyn std::error::Error, "the page cannot decide");
    }
    Refusal::new(status, title, &error.to_string())
}
