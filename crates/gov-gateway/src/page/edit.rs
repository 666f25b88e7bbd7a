//! The form in which a person changes what is asked for.

use gov_core::{AgentAction, redact::holds_fingerprint};
use gov_escalation::approval::Approval;
use serde::Deserialize as _;
use serde_json::Value;

use super::{action::pretty, card::May, shown::Shown};

/// The longest action that is edited on the page, in bytes of its JSON. A form spells out a line
/// break in six, so that the largest form is below a MiB.
const MOST_BYTES: usize = 128 * 1024;

/// What the person before the page may make of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Editing {
    /// Nothing: it is a grant, or not theirs to decide about.
    No,
    /// Another one, and not here, because of this.
    NotHere(&'static str),
    /// Another one, on the request's own page.
    Elsewhere,
    /// Another one, by this form.
    Here(EditForm),
}

/// The form: nothing of the action is missing in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EditForm {
    /// The action as JSON, or what the person made of it.
    pub action: Shown,
    /// Why, in their own words.
    pub comment: Shown,
    /// Whether the agent said something beside the action, which stays.
    pub has_context: bool,
    /// Why the last try does not count.
    pub problem: Option<Shown>,
}

impl Editing {
    /// What is offered of an approval to who may decide about it, or not.
    #[must_use]
    pub fn of(approval: &Approval, may: &May) -> Self {
        let request = &approval.request;
        if *may != May::Decide || request.grant.is_some() {
            return Self::No;
        }
        let readable = |it: &&Value| AgentAction::deserialize(*it).is_ok();
        let Some(action) = request.content.get("action").filter(readable) else {
            return Self::NotHere(
                "It cannot be edited here, because it is no action that gov knows.",
            );
        };
        if holds_fingerprint(&request.content) {
            return Self::NotHere(
                "It cannot be edited here, because a part of it is redacted: `gov approvals edit` \
                 takes all of it from a file.",
            );
        }
        let action = Shown::json(&pretty(action));
        if action.as_str().len() > MOST_BYTES {
            return Self::NotHere(
                "It is too long to be edited here: `gov approvals edit` takes it from a file.",
            );
        }
        let has_context = request.content.get("context").is_some_and(|it| !it.is_null());
        Self::Here(EditForm { action, comment: Shown::default(), has_context, problem: None })
    }

    /// As it may stand in a list.
    #[must_use]
    pub fn listed(self) -> Self {
        match self {
            Self::Here(_) | Self::Elsewhere => Self::Elsewhere,
            Self::No | Self::NotHere(_) => Self::No,
        }
    }
}

impl EditForm {
    /// The form with what the person has made of it, and why that does not count.
    #[must_use]
    pub fn again(self, action: &str, comment: &str, problem: Shown) -> Self {
        let (action, comment) = (Shown::json(action), Shown::lines(comment));
        Self { action, comment, problem: Some(problem), ..self }
    }
}
