//! `POST /approvals/{id}/edit`: another action in the place of what is asked for, by a form.

use std::sync::Arc;

use axum::{
    extract::{Form, Path, State, rejection::FormRejection},
    http::HeaderMap,
    response::Response,
};
use gov_core::{ApprovalId, PersonId, json};
use gov_escalation::approval::{Approval, Decider};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    Parts, Refusal,
    approval::{card, decider, find, not_decided, page},
    form, outcome, see_other,
};
use crate::{
    approvals::DeskError,
    check::{EditError, EditRequest},
    http::{Problem, approvals::edit::read},
    page::{edit::Editing, session::Visitor, shown::Shown},
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EditedForm {
    csrf: String,
    digest: String,
    action: String,
    comment: String,
}

/// Why nothing was edited.
enum Unedited {
    /// For the person to see beside the form.
    Problem(Problem),
    /// For a page of its own.
    Refusal(Refusal),
}

/// Puts what the visitor has made of a request in its place, with their yes, and goes back to the
/// page.
///
/// What does not count is told beside the form, in which everything stays as it was typed; where
/// nothing can be edited any more, beside the request as it is now.
pub(super) async fn edit(
    State(parts): State<Arc<Parts>>,
    Path(id): Path<String>,
    headers: HeaderMap,
    form: Result<Form<EditedForm>, FormRejection>,
) -> Result<Response, Refusal> {
    let (form, _) = form::read(&headers, form)?;
    let (visitor, person_id) = decider(&parts, &headers, &form.csrf)?;
    let approval = find(&parts, &id).await?;
    match edited(&parts, &approval, &form, person_id).await {
        Ok(id) => Ok(see_other(&format!("/?done={id}"))),
        Err(Unedited::Refusal(refusal)) => Err(refusal),
        Err(Unedited::Problem(problem)) => {
            let approval = find(&parts, &id).await?;
            Ok(again(&parts, &visitor, &approval, &form, &problem))
        }
    }
}

/// The approval in the place of the one that was edited.
async fn edited(
    parts: &Parts,
    approval: &Approval,
    form: &EditedForm,
    person_id: PersonId,
) -> Result<ApprovalId, Unedited> {
    let wanted = wanted(form).map_err(Unedited::Problem)?;
    Ok(parts.gate.edit(approval, wanted, Decider { person_id }).await?.approval.id)
}

/// The form as the API would be sent it. Line breaks of the form lay the JSON out, and stand in no
/// text of it.
fn wanted(form: &EditedForm) -> Result<EditRequest, Problem> {
    let action = json::parse_value(form.action.as_bytes()).map_err(|error| {
        Problem::bad_field("action", format!("the action cannot be read: {error}"))
    })?;
    let digest = Value::from(form.digest.as_str());
    let comment = Value::from(form::written(&form.comment));
    let fields = [("digest", digest), ("action", action), ("comment", comment)];
    read(Map::from_iter(fields.map(|(name, it)| (name.to_owned(), it))))
}

fn again(
    parts: &Parts,
    visitor: &Visitor,
    approval: &Approval,
    form: &EditedForm,
    problem: &Problem,
) -> Response {
    let told = format!("Your edit does not count: {}.", problem.detail());
    let mut card = card(parts, visitor, approval);
    let outcome = match card.edit {
        Editing::Here(it) => {
            let comment = form::written(&form.comment);
            card.edit = Editing::Here(it.again(&form.action, &comment, Shown::line(&told)));
            None
        }
        _ => Some(outcome::of_refused(parts, approval, &told)),
    };
    page(parts, visitor, card, problem.status(), outcome)
}

impl From<EditError> for Unedited {
    fn from(error: EditError) -> Self {
        let error = match error {
            EditError::Desk(DeskError::Decide(error)) => match Problem::try_from(error) {
                Ok(problem) => return Self::Problem(problem),
                Err(error) => DeskError::Decide(error),
            },
            EditError::Desk(error) => error,
            other => return Self::Problem(other.into()),
        };
        Self::Refusal(not_decided(&error))
    }
}
