//! What the hook makes of the server's answer.

use std::fmt::Write as _;

use gov_core::{ApprovalId, text};
use serde::Deserialize;

use crate::client::{Reply, problem::Problem};

/// How a block begins that the policy decided.
pub const REFUSED: &str = "gov refused this action";
/// How a block begins that waits for a human.
pub const HELD_BACK: &str = "gov holds this action back";
/// How a block begins that nobody decided.
pub const NOT_JUDGED: &str = "gov could not judge this action";
/// How a warning begins.
pub const WARNED: &str = "gov allows this, with a warning";

/// What becomes of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ruling {
    /// It may go on.
    Allow,
    /// It may go on, with this said about it.
    Note(String),
    /// It must not go on, for this reason, which the model reads.
    Block(String),
}

/// The answer of `POST /v1/actions/check`, as far as the hook uses it.
#[derive(Deserialize)]
struct Checked {
    decision: String,
    rule_id: Option<String>,
    reason: Option<String>,
    policy_version: Option<u64>,
    approval: Option<Named>,
    record: Option<Named>,
}

#[derive(Deserialize)]
struct Named {
    id: String,
}

impl Ruling {
    /// Blocks what could not be judged; `why` says what is wrong and the way out.
    #[must_use]
    pub fn in_doubt(why: &str) -> Self {
        Self::Block(format!(
            "{NOT_JUDGED}, so it is blocked: {}. Do not try to get around this; \
             tell the user, who can put it right (`gov doctor` finds what is wrong).",
            text::escape(why)
        ))
    }

    /// Reads the server's answer. Only a 200 with a decision that is known can allow anything.
    #[must_use]
    pub fn of(reply: &Reply) -> Self {
        if reply.status != 200 {
            return Self::in_doubt(&Problem::of(reply).to_string());
        }
        let checked: Checked = match serde_json::from_slice(&reply.body) {
            Ok(checked) => checked,
            Err(error) => return Self::in_doubt(&format!("the server's answer is odd: {error}")),
        };
        match checked.decision.as_str() {
            "allow" => Self::Allow,
            "warn" => Self::Note(format!("{WARNED}: {}.", checked.because())),
            "refuse" => Self::Block(format!(
                "{REFUSED}: {}. Do not try to get around it: choose another way, or \
                 ask the user, who can change the policy.",
                checked.because()
            )),
            "require_approval" => Self::Block(format!(
                "{HELD_BACK}: a human must approve it first: {}. Tell the user, who can look at \
                 it and answer {}; you cannot. Once it is approved, make the very same call again: \
                 it then goes on, once.",
                checked.because(),
                checked.how()
            )),
            other => {
                Self::in_doubt(&format!("the server answered with an unknown decision `{other}`"))
            }
        }
    }
}

impl Checked {
    /// How a person answers. An id that is none is not made part of a command.
    fn how(&self) -> String {
        let id = self.approval.as_ref().map_or("", |it| it.id.as_str());
        match id.parse::<ApprovalId>() {
            Ok(id) => format!("in a terminal with `gov approvals approve {id}`, or on gov's page"),
            Err(_) => "on gov's page".to_owned(),
        }
    }

    /// The reason, and in brackets what names it: rule, policy version, approval, record.
    fn because(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or("the policy gives no reason");
        let mut said = text::escape(reason).trim_end_matches('.').to_owned();
        let version = self.policy_version.map(|it| it.to_string());
        let id = |it: &Option<Named>| it.as_ref().map(|it| it.id.clone());
        let names = [
            ("rule", self.rule_id.clone()),
            ("policy version", version),
            ("approval", id(&self.approval)),
            ("record", id(&self.record)),
        ];
        let mut before = " (";
        for (what, name) in names {
            let Some(name) = name else { continue };
            // Writing to a `String` cannot fail.
            let _ = write!(said, "{before}{what} {}", text::escape(&name));
            before = ", ";
        }
        if before == ", " {
            said.push(')');
        }
        said
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ruling(status: u16, body: &str) -> Ruling {
        Ruling::of(&Reply { status, body: body.as_bytes().to_vec() })
    }

    fn blocked(status: u16, body: &str) -> String {
        match ruling(status, body) {
            Ruling::Block(reason) => reason,
            other => panic!("{status} {body} became {other:?}"),
        }
    }

    #[test]
    fn a_refusal_blocks_and_names_rule_policy_and_record() {
        let reason = blocked(
            200,
            r#"{"decision":"refuse","rule_id":"no-rm","reason":"it deletes too much.",
               "policy_version":3,"record":{"id":"rec_1","index":7,"durability":"durable"}}"#,
        );
        let expected = "gov refused this action: it deletes too much (rule no-rm, policy version \
                        3, record rec_1). ";
        assert!(reason.starts_with(expected), "{reason}");
    }

    #[test]
    fn what_waits_for_a_human_blocks_and_says_so() {
        let reason = blocked(
            200,
            r#"{"decision":"require_approval","reason":"a push","approval":
               {"id":"apr_0198f0aa000070008000000000000001","status":"pending"}}"#,
        );
        let id = "apr_0198f0aa000070008000000000000001";
        for part in [
            format!("a human must approve it first: a push (approval {id})"),
            format!("`gov approvals approve {id}`"),
            "make the very same call again: it then goes on, once".to_owned(),
        ] {
            assert!(reason.contains(&part), "{reason}");
        }
        let odd = r#"{"decision":"require_approval","approval":{"id":"$(rm -rf ~)"}}"#;
        assert!(!blocked(200, odd).contains("gov approvals approve"));
    }

    #[test]
    fn a_warning_lets_the_call_go_on_with_a_note() {
        let note = ruling(200, r#"{"decision":"warn","reason":"an unlisted host","rule_id":"h"}"#);
        let expected = "gov allows this, with a warning: an unlisted host (rule h).";
        assert_eq!(note, Ruling::Note(expected.to_owned()));
        assert_eq!(ruling(200, r#"{"decision":"allow"}"#), Ruling::Allow);
    }

    #[test]
    fn nothing_but_a_plain_yes_is_a_yes() {
        for (status, body) in [
            (200, ""),
            (200, "allow"),
            (200, "{}"),
            (200, r#"{"decision":"Allow"}"#),
            (200, r#"{"decision":true}"#),
            (200, r#"{"decision":"allow","decision":"allow"}"#),
            (200, r#"["allow"]"#),
            (201, r#"{"decision":"allow"}"#),
            (204, ""),
            (302, r#"{"decision":"allow"}"#),
            (401, r#"{"decision":"allow","detail":"no token"}"#),
            (503, r#"{"decision":"refuse","detail":"the log is full","code":"not-recorded"}"#),
        ] {
            let reason = blocked(status, body);
            assert!(reason.starts_with("gov could not judge this action"), "{reason}");
            assert!(reason.contains("gov doctor"), "{reason}");
        }
    }

    #[test]
    fn what_comes_from_outside_cannot_steer_the_terminal() {
        let reason =
            blocked(200, r#"{"decision":"refuse","reason":"\u001b[2J","rule_id":"\u202e"}"#);
        assert!(!reason.contains(['\u{1b}', '\u{202e}']), "{reason}");
    }
}
