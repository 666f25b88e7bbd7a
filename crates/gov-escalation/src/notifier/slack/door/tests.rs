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

fn click(action_id: &str) -> Value {
    json!({
        "type": "block_actions", "user": {"id": "U2CERLKJA", "name": "roadrunner"},
        "actions": [{"action_id": action_id, "value": "apr_019b76da80007000800000000000000a"}],
    })
}

#[test]
fn a_click_says_who_wants_what() {
    for (action_id, verdict) in [(APPROVE, Verdict::Approve), (REJECT, Verdict::Reject)] {
        let it = Click::parse(&form(&click(action_id))).unwrap();
        let approval_id = "apr_019b76da80007000800000000000000a".parse().unwrap();
        assert_eq!(it, Click { user: "U2CERLKJA".to_owned(), approval_id, verdict });
    }
}

#[test]
fn what_is_no_click_on_our_buttons_is_refused() {
    let mut two = click(APPROVE);
    two["actions"] = json!([two["actions"][0], two["actions"][0]]);
    let mut other = click(APPROVE);
    other["type"] = json!("view_submission");
    let mut bad = click(APPROVE);
    bad["actions"][0]["value"] = json!("apr_1");
    for body in [form(&two), form(&other), form(&bad), form(&click("gov_see")), form(&json!({}))] {
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
fn a_click_decides_for_a_known_person_and_a_configured_risk_only() {
    let person = PersonId::at(Timestamp::UNIX_EPOCH);
    let (people, low) = (BTreeMap::from([("U2CERLKJA".to_owned(), person)]), ["low".to_owned()]);
    let it = Click::parse(&form(&click(APPROVE))).unwrap();
    assert_eq!(it.decider(&people, &low, Some("low")), Ok(person));
    assert_eq!(it.decider(&people, &low, Some("high")), Err(ClickRefused::Risk));
    assert_eq!(it.decider(&people, &low, None), Err(ClickRefused::Risk));
    assert_eq!(it.decider(&people, &[], Some("low")), Err(ClickRefused::Risk));
    let nobody = BTreeMap::new();
    assert_eq!(it.decider(&nobody, &low, Some("low")), Err(ClickRefused::Stranger));
}
