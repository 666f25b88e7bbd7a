//! What a server says when it cannot answer (RFC 9457).

use std::fmt;

use gov_core::text;
use serde::Deserialize;

use super::Reply;

/// A problem document, as far as people are shown it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Problem {
    /// The HTTP status, taken from the reply itself.
    #[serde(skip)]
    pub status: u16,
    /// The stable code: `unauthenticated`, `not-recorded`, …
    pub code: String,
    /// One line for this kind of problem.
    pub title: String,
    /// One line for this very problem.
    pub detail: String,
}

impl Problem {
    /// Reads the problem out of a reply; one that holds none is shown by its status alone.
    #[must_use]
    pub fn of(reply: &Reply) -> Self {
        let read: Self = serde_json::from_slice(&reply.body).unwrap_or_default();
        Self { status: reply.status, ..read }
    }
}

/// One line; what could deceive a terminal is escaped.
impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let said = if self.detail.is_empty() { &self.title } else { &self.detail };
        match (said.as_str(), self.code.as_str()) {
            ("", "") => write!(f, "the server answered with status {}", self.status),
            (said, "") => write!(f, "{} (status {})", text::escape(said), self.status),
            ("", code) => write!(f, "{} (status {})", text::escape(code), self.status),
            (said, code) => {
                let (said, code) = (text::escape(said), text::escape(code));
                write!(f, "{said} ({code}, status {})", self.status)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(status: u16, body: &str) -> String {
        Problem::of(&Reply { status, body: body.as_bytes().to_vec() }).to_string()
    }

    #[test]
    fn a_problem_shows_its_detail_and_code() {
        let body = r#"{"title":"t","detail":"`agent_id` is unknown\u001b[2J","code":"bad-field"}"#;
        let expected = "`agent_id` is unknown\\u{1b}[2J (bad-field, status 422)";
        assert_eq!(shown(422, body), expected);
    }

    #[test]
    fn what_is_no_problem_document_shows_its_status() {
        for body in ["", "<html>", "[]", r#"{"detail":7}"#] {
            assert_eq!(shown(502, body), "the server answered with status 502");
        }
    }
}
