//! Whose requests are taken, and what is read out of them.

use serde_json::{Value, json};

use super::*;

const TIMESTAMP: &str = "1531420618";

/// The example of Slack's documentation.
const BODY: &str = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow\
    &channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner\
    &command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands\
    %2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN\
    &trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c";

const SIGNATURE: &str = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503";

fn key() -> SlackKey {
    SlackKey::new(&Secret::from("8f742231b10e8888abcd99yyyzzz85a5".to_owned())).unwrap()
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_micros((1_531_420_618 + seconds) * 1_000_000).unwrap()
}

fn verified(timestamp: &str, signature: &str, body: &str) -> Result<(), DoorError> {
    key().verify(timestamp, signature, body.as_bytes(), at(0))
}

#[test]
fn the_example_of_slacks_documentation_is_slacks() {
    assert_eq!(verified(TIMESTAMP, SIGNATURE, BODY), Ok(()));
}

#[test]
fn what_is_changed_or_signed_by_another_is_refused() {
    let other = SIGNATURE.replace("a211", "a212");
    assert_eq!(verified(TIMESTAMP, &other, BODY), Err(DoorError::Signature));
    assert_eq!(verified("1531420619", SIGNATURE, BODY), Err(DoorError::Signature));
    assert_eq!(verified(TIMESTAMP, SIGNATURE, &format!("{BODY}&")), Err(DoorError::Signature));
    let stranger = SlackKey::new(&Secret::from("other".to_owned())).unwrap();
    let seen = stranger.verify(TIMESTAMP, SIGNATURE, BODY.as_bytes(), at(0));
    assert_eq!(seen, Err(DoorError::Signature));
}

#[test]
fn what_is_no_signature_is_refused() {
    for signature in ["", "v0=", "v0=a2", &SIGNATURE.replace("v0", "v1"), &SIGNATURE[3..]] {
        assert_eq!(verified(TIMESTAMP, signature, BODY), Err(DoorError::Headers), "{signature}");
    }
    let wide = format!("v0={}", "é".repeat(32));
    assert_eq!(verified(TIMESTAMP, &wide, BODY), Err(DoorError::Headers));
    for timestamp in ["", "-1", "+1531420618", " 1531420618", "soon", "99999999999999999999"] {
        assert_eq!(verified(timestamp, SIGNATURE, BODY), Err(DoorError::Headers), "{timestamp}");
    }
    assert_eq!(SlackKey::new(&Secret::from(String::new())).unwrap_err(), DoorError::Secret);
}

#[test]
fn a_request_counts_for_five_minutes() {
    for (seconds, wanted) in
        [(300, Ok(())), (301, Err(DoorError::Stale)), (-300, Ok(())), (-301, Err(DoorError::Stale))]
    {
        let seen = key().verify(TIMESTAMP, SIGNATURE, BODY.as_bytes(), at(seconds));
        assert_eq!(seen, wanted, "{seconds}");
    }
}

fn form(payload: &Value) -> Vec<u8> {
    let mut url = Url::parse("http://form/").unwrap();
    url.query_pairs_mut().append_pair("payload", &payload.to_string());
    url.query().unwrap().as_bytes().to_vec()
}

const ID: &str = "apr_019b76da80007000800000000000000a";

fn click(action_id: &str) -> Value {
    json!({
        "type": "block_actions", "user": {"id": "U2CERLKJA", "name": "roadrunner"},
        "actions": [{"action_id": action_id, "value": format!("{ID} {}", "0f".repeat(32))}],
        "response_url": "https://hooks.slack.com/actions/T1/2/3",
    })
}

#[test]
fn a_click_says_who_wants_what() {
    for (action_id, verdict) in [(APPROVE, Verdict::Approve), (REJECT, Verdict::Reject)] {
        let wanted = Click {
            user: "U2CERLKJA".to_owned(),
            approval_id: ID.parse().unwrap(),
            digest: ActionDigest::from_bytes([0x0f; 32]),
            verdict,
            response_url: Some("https://hooks.slack.com/actions/T1/2/3".to_owned()),
        };
        assert_eq!(Click::parse(&form(&click(action_id))), Ok(Some(wanted)));
    }
}

#[test]
fn who_follows_the_link_decides_nothing() {
    let mut link = click(SEE);
    link["actions"][0]["value"] = Value::Null;
    link["actions"][0].as_object_mut().unwrap().remove("value");
    assert_eq!(Click::parse(&form(&link)), Ok(None));
}

#[test]
fn what_is_no_click_on_our_buttons_is_refused() {
    let mut two = click(APPROVE);
    two["actions"] = json!([two["actions"][0], two["actions"][0]]);
    let mut other = click(APPROVE);
    other["type"] = json!("view_submission");
    let mut bad = Vec::new();
    for value in ["apr_1 00", ID, &format!("{ID} 00"), &format!("{ID} {}", "0F".repeat(32)), ""] {
        let mut it = click(APPROVE);
        it["actions"][0]["value"] = json!(value);
        bad.push(form(&it));
    }
    bad.extend([form(&two), form(&other), form(&click("gov_else")), form(&json!({}))]);
    for body in bad {
        assert_eq!(Click::parse(&body), Err(DoorError::Payload));
    }
    for body in ["", "payload=", "payload={}", "x=1", "\u{0}"] {
        assert_eq!(Click::parse(body.as_bytes()), Err(DoorError::Payload), "{body}");
    }
    let twice = [form(&click(APPROVE)), form(&click(REJECT))].join(&b'&');
    assert_eq!(Click::parse(&twice), Err(DoorError::Payload));
    assert_eq!(Click::parse(&[0xff]), Err(DoorError::Payload));
}

#[test]
fn a_click_decides_about_a_configured_risk_only() {
    let low = ["low".to_owned()];
    assert!(may_click(&low, Some("low")));
    assert!(!may_click(&low, Some("high")));
    assert!(!may_click(&low, None));
    assert!(!may_click(&[], Some("low")));
}
