//! A message as Slack's blocks.
//!
//! What an agent wrote is always `plain_text`: it can neither link, nor call people, nor look like
//! our own words. Source of the limits: Slack's reference of Block Kit.

use serde_json::{Value, json};

use super::door::{APPROVE, REJECT, SEE, may_click};
use crate::approval::Notification;

/// A text of a section has at most 3000 characters; some are kept for saying what is missing.
const SHOWN: usize = 2800;

/// A field of a section has at most 2000 characters.
const FIELD: usize = 300;

pub(super) fn body(message: &Notification, link: Option<&str>, clickable: &[String]) -> Value {
    let text = |name: &str| message.content.get(name).and_then(Value::as_str).unwrap_or("-");
    let question = match message.rung {
        0 => "An agent asks for approval",
        _ => "Nobody has answered: an agent still asks for approval",
    };
    let field = |name: &str, key: &str| plain(&cut(&format!("{name}: {}", text(key)), FIELD));
    let mut blocks = vec![
        json!({"type": "header", "text": plain(question)}),
        json!({"type": "section", "fields": [
            field("Agent", "agent_id"),
            field("Risk", "risk"),
            field("Rule", "rule_id"),
            field("Asked", "audience"),
            field("Until", "expires_at"),
        ]}),
        json!({"type": "section", "text": plain(&cut(&format!("Why: {}", text("reason")), SHOWN))}),
        json!({"type": "section", "text": plain(&action(message, link))}),
    ];
    let mut buttons = Vec::new();
    let value = |name: &str| message.content.get(name).and_then(Value::as_str);
    // A click says which action was shown, so one without a digest cannot be clicked.
    if let Some(digest) = value("digest").filter(|_| may_click(clickable, value("risk"))) {
        buttons.extend([
            button(message, digest, "Approve", APPROVE, "primary"),
            button(message, digest, "Reject", REJECT, "danger"),
        ]);
    }
    if let Some(link) = link {
        buttons.push(json!({
            "type": "button", "action_id": SEE, "text": plain("See all"), "url": link,
        }));
    }
    if !buttons.is_empty() {
        blocks.push(json!({"type": "actions", "elements": buttons}));
    }
    json!({"text": question, "blocks": blocks})
}

/// The whole action, or its beginning and where the rest is.
fn action(message: &Notification, link: Option<&str>) -> String {
    let action = message.content.get("action").unwrap_or(&Value::Null);
    // A value that was read is written.
    let whole = serde_json::to_string_pretty(action).unwrap_or_default();
    let length = whole.chars().count();
    if length <= SHOWN {
        return whole;
    }
    let rest = match link {
        Some(_) => "the rest is behind `See all`".to_owned(),
        None => format!("`gov approvals show {}` shows all", message.approval_id),
    };
    format!("{}\n… {SHOWN} of {length} characters: {rest}", cut(&whole, SHOWN))
}

fn button(
    message: &Notification,
    digest: &str,
    label: &str,
    action_id: &str,
    style: &str,
) -> Value {
    json!({
        "type": "button", "action_id": action_id, "style": style, "text": plain(label),
        "value": format!("{} {digest}", message.approval_id),
    })
}

fn plain(text: &str) -> Value {
    json!({"type": "plain_text", "text": text, "emoji": false})
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}

#[cfg(test)]
mod tests {
    use gov_core::{ApprovalId, NotificationId, Timestamp};

    use super::*;

    fn message(risk: &str, command: &str) -> Notification {
        Notification {
            id: NotificationId::at(Timestamp::UNIX_EPOCH),
            approval_id: ApprovalId::at(Timestamp::UNIX_EPOCH),
            rung: 0,
            notifier: "chat".to_owned(),
            content: json!({
                "agent_id": "coder", "risk": risk, "rule_id": "ask", "reason": "<!channel> why",
                "action": {"command": command}, "digest": "00ff",
            }),
        }
    }

    fn buttons(body: &Value) -> Vec<&str> {
        let elements = body["blocks"][4]["elements"].as_array().map_or(&[][..], Vec::as_slice);
        elements.iter().filter_map(|it| it["action_id"].as_str()).collect()
    }

    #[test]
    fn only_the_configured_risks_have_buttons_that_decide() {
        let low = ["low".to_owned()];
        assert_eq!(buttons(&body(&message("low", "ls"), None, &low)), [APPROVE, REJECT]);
        let link = Some("https://gov.example/approvals/apr_1");
        assert_eq!(buttons(&body(&message("high", "ls"), link, &low)), ["gov_see"]);
        assert_eq!(buttons(&body(&message("low", "ls"), None, &[])), [""; 0]);
        assert_eq!(buttons(&body(&message("-", "ls"), None, &low)), [""; 0]);
        let dash = ["-".to_owned()];
        let mut unstated = message("-", "ls");
        unstated.content["risk"] = Value::Null;
        assert_eq!(buttons(&body(&unstated, None, &dash)), [""; 0], "no risk is not a low one");
    }

    #[test]
    fn a_button_names_the_approval_and_the_very_action_that_is_shown() {
        let (low, mut message) = (["low".to_owned()], message("low", "ls"));
        let shown = body(&message, None, &low);
        let value = format!("{} 00ff", message.approval_id);
        assert_eq!(shown["blocks"][4]["elements"][0]["value"], value);
        assert_eq!(shown["blocks"][4]["elements"][1]["value"], value);
        // A message of before this was told.
        message.content["digest"] = Value::Null;
        assert_eq!(buttons(&body(&message, None, &low)), [""; 0]);
    }

    #[test]
    fn nothing_that_an_agent_wrote_is_markup() {
        let body =
            body(&message("low", "<!here> <https://evil.example|ok>"), None, &[]).to_string();
        assert!(!body.contains("mrkdwn"), "{body}");
        assert!(body.contains("<!here>"), "{body}");
    }

    #[test]
    fn a_long_action_says_what_is_missing_and_where_it_is() {
        let message = message("low", &"é".repeat(9000));
        for (link, rest) in [(Some("https://g/"), "`See all`"), (None, "`gov approvals show apr_")]
        {
            let body = body(&message, link, &[]);
            let text = body["blocks"][3]["text"]["text"].as_str().unwrap();
            assert!(text.chars().count() < 3000 && text.contains(rest), "{text}");
        }
    }
}
