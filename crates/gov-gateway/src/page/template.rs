//! The pages, filled in.

use askama::Template;

use super::{
    card::{Card, May},
    edit::Editing,
    live::{Listed, Live},
    shown::Shown,
};

/// `/login`.
#[derive(Debug, Template)]
#[template(path = "login.html")]
pub struct LoginPage {
    /// Why the last try was not accepted.
    pub problem: Option<Shown>,
}

/// `/`.
#[derive(Debug, Template)]
#[template(path = "home.html")]
pub struct HomePage {
    /// Who looks.
    pub visitor: VisitorView,
    /// What has just been done.
    pub done: Option<Done>,
    /// Everything that changes.
    pub live: Live,
}

/// What the home page asks for every two seconds.
#[derive(Debug, Template)]
#[template(path = "live.html")]
pub struct LivePart {
    /// Everything that changes.
    pub live: Live,
}

/// `/approvals/{id}`: one request by itself.
#[derive(Debug, Template)]
#[template(path = "approval.html")]
pub struct ApprovalPage {
    /// Who looks.
    pub visitor: VisitorView,
    /// What the forms carry.
    pub csrf: String,
    /// The request.
    pub card: Card,
    /// What came of it, where it no longer waits.
    pub outcome: Option<Done>,
}

/// Something went wrong, or cannot be done: what, and the way on.
#[derive(Debug, Template)]
#[template(path = "problem.html")]
pub struct ProblemPage {
    /// In a few words.
    pub title: &'static str,
    /// In a sentence.
    pub detail: Shown,
    /// Where one goes on from here, with the words of the link.
    pub way_on: (String, &'static str),
}

/// Who looks at the page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VisitorView {
    /// The person's name, or the token's id.
    pub name: Shown,
    /// What the token is for.
    pub scope: &'static str,
    /// What the forms carry.
    pub csrf: String,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Its colour's name.
    pub tone: &'static str,
    /// In a sentence.
    pub text: Shown,
    /// The path of the request that it was edited into.
    pub edited: Option<String>,
}

#[cfg(test)]
mod tests;
