//! What a page looks like to a browser, whatever agents send.

use std::collections::BTreeMap;

use gov_core::{
    ActionDigest, ApprovalId, AuditEvent, AuditEventKind, Clock as _, EventId, Payload,
    clock::ManualClock,
};
use gov_escalation::{
    approval::{Approval, ApprovalRequest},
    chain::Chain,
    clock::RunningClock,
    transition,
};
use serde_json::{Value, json};

use super::*;
use crate::page::{
    live::{LogView, PartView},
    row::Row,
};

/// What an agent would like a browser to read as more than text.
const HOSTILE: &str =
    "</pre><script>alert(1)</script><img src=x onerror=alert(1)>\"'&\u{202e}\u{1b}[2J";

fn approval(content: Value, reason: &str) -> Approval {
    let now = ManualClock::default().now();
    let request = ApprovalRequest {
        digest: ActionDigest::from_bytes([0x5a; 32]),
        agent_id: "coder<b>".parse().unwrap(),
        session_id: Some("s<b>".parse().unwrap()),
        team_id: Some("t<b>".parse().unwrap()),
        action_kind: "bash".to_owned(),
        content,
        rule_id: "ask-force-push".parse().unwrap(),
        reason: reason.to_owned(),
        risk: Some("high".to_owned()),
        policy_version: 3,
        chain: Chain::standard(),
        grant: None,
        edited_from: None,
    };
    transition::open(ApprovalId::at(now), request, None, RunningClock::default(), now).approval
}

fn event(kind: AuditEventKind, content: &Value) -> AuditEvent {
    let now = ManualClock::default().now();
    AuditEvent {
        id: EventId::at(now),
        at: now,
        kind,
        agent_id: Some("coder<b>".parse().unwrap()),
        session_id: None,
        team_id: None,
        subjects: BTreeMap::from([("rule_id".to_owned(), "r<b>".to_owned())]),
        trace_id: None,
        payload: Payload::seal(content).unwrap(),
    }
}

fn home(approval: &Approval, event: &AuditEvent) -> String {
    let now = ManualClock::default().now();
    let card = Card::of(approval, now, May::Decide, |_| None);
    let row = Row::of(event, str::to_owned).unwrap();
    let page = HomePage {
        visitor: VisitorView {
            name: Shown::line("ann<b>"),
            scope: "approver",
            csrf: "c0ffee".to_owned(),
        },
        done: None,
        live: Live {
            now: now.into(),
            csrf: "c0ffee".to_owned(),
            halt: None,
            cards: Listed::Items { items: vec![card], more: false },
            rows: Listed::Items { items: vec![row], more: false },
            log: LogView::new("example.org/gov/e1", 1204, Some(now)),
            parts: vec![PartView {
                name: "policy".to_owned(),
                state: "dead",
                reason: Some(Shown::line("<b>")),
            }],
        },
    };
    page.render().unwrap()
}

#[test]
fn nothing_that_an_agent_sends_becomes_markup_or_steers_the_eye() {
    for action in [
        json!({"kind": "bash", "command": HOSTILE, "cwd": HOSTILE}),
        json!({"kind": "tool_call", "server": HOSTILE, "tool": HOSTILE,
               "arguments": {HOSTILE: HOSTILE.repeat(50)}}),
        json!({"kind": HOSTILE, HOSTILE: HOSTILE}),
    ] {
        let content = json!({"action": action, "context": {HOSTILE: HOSTILE}});
        let told = json!({
            "action": action, "comment": HOSTILE, "actor": HOSTILE, "reason": HOSTILE,
        });
        let event = event(AuditEventKind::ApprovalRejected, &told);
        let html = home(&approval(content, HOSTILE), &event);
        for evil in ["<script>alert", "<img src=x", "<b>\"", "coder<b>", "r<b>", "ann<b>"] {
            assert!(!html.contains(evil), "{evil}: {html}");
        }
        assert!(!html.contains(['\u{202e}', '\u{1b}']), "{html}");
        assert!(html.contains("\\u{202e}") && html.contains("&#60;script&#62;alert(1)"), "{html}");
    }
}

#[test]
fn everything_that_was_asked_is_there_however_long_it_is() {
    let lines: Vec<_> = (0..500).map(|it| format!("echo {it}")).collect();
    let command = lines.join("\n") + "\nrm -rf / # at the very end";
    let content = json!({"action": {"kind": "bash", "command": command}, "context": {"a": "b c"}});
    let html = home(&approval(content, "why"), &event(AuditEventKind::ActionAllowed, &json!({})));
    assert!(html.contains("Show all: 501 lines"), "{html}");
    assert_eq!(
        html.matches("rm -rf / # at the very end").count(),
        3,
        "as it is, as JSON, and to edit"
    );
    assert!(html.contains("&#34;b c&#34;"), "the context too");
    assert!(html.contains(&"5a".repeat(32)), "the digest");
}

#[test]
fn during_a_halt_no_countdown_runs() {
    let content = json!({"action": {"kind": "bash", "command": "ls"}});
    let (mut approval, event) =
        (approval(content, "why"), event(AuditEventKind::ActionAllowed, &json!({})));
    assert!(home(&approval, &event).contains("data-until"));
    approval.clock.halted_at = Some(approval.submitted_at);
    let html = home(&approval, &event);
    assert!(html.contains("15 min 0 s left when the halt ends"), "{html}");
    assert!(!html.contains("data-until"), "{html}");
}

#[test]
fn a_form_carries_the_sessions_secret_and_the_digest_that_is_seen() {
    let content = json!({"action": {"kind": "bash", "command": "ls"}});
    let approval = approval(content, "why");
    let event = event(AuditEventKind::ActionAllowed, &json!({}));
    let html = home(&approval, &event);
    let action = format!(r#"action="/approvals/{}/decision""#, approval.id);
    let form = html.split(&action).nth(1).unwrap().split("</form>").next().unwrap();
    assert!(form.contains(r#"name="csrf" value="c0ffee""#), "{form}");
    assert!(form.contains(&format!(r#"name="digest" value="{}""#, "5a".repeat(32))), "{form}");
    for verdict in ["approve", "reject"] {
        assert!(form.contains(&format!(r#"name="decision" value="{verdict}""#)), "{form}");
    }
}

#[test]
fn no_template_switches_escaping_off_or_holds_script_or_style() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut seen = 0;
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        for word in ["safe", "escape", "style=", "<style", "onclick", "onsubmit", "javascript:"] {
            assert!(!text.contains(word), "{}: {word}", path.display());
        }
        let scripts = text.matches("<script").count();
        assert_eq!(scripts, text.matches(r#"<script src="/assets/"#).count(), "{}", path.display());
        seen += 1;
    }
    assert!(seen > 5, "the templates are where this test looks");
}
