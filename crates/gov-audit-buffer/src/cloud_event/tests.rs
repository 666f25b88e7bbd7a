//! What is written, and what is refused.

use gov_core::AuditEventKind;
use serde_json::{Value, json};

use super::*;
use crate::EncodedEvent;

fn event(payload: &[u8]) -> AuditEvent {
    AuditEvent {
        id: "evt_019b76da80007000800000000000000a".parse().unwrap(),
        at: "2026-01-01T00:00:00.000000Z".parse().unwrap(),
        kind: AuditEventKind::ActionRefused,
        agent_id: Some("coder".parse().unwrap()),
        session_id: None,
        team_id: None,
        subjects: [("record_id".to_owned(), "rec_1".to_owned())].into(),
        trace_id: None,
        payload: Payload::from_parts(payload.to_vec(), [7; 16]),
    }
}

fn written(event: &AuditEvent) -> Value {
    serde_json::from_slice(&encode(event, "n-1").unwrap()).unwrap()
}

/// The event with one attribute set, or without it.
fn changed(attribute: &str, value: Option<Value>) -> Result<AuditEvent, DecodeError> {
    let mut json = written(&event(b"{}"));
    match value {
        Some(value) => json[attribute] = value,
        None => drop(json.as_object_mut().unwrap().remove(attribute)),
    }
    decode(json.to_string().as_bytes())
}

#[test]
fn a_payload_comes_back_byte_for_byte_whatever_it_is() {
    for (payload, is_json) in [
        (&br#"{"command":"ls"}"#[..], true),
        (b"null", true),
        (b"\"\"", true),
        (b"1e999", true),
        (br#"{"a":1,"a":2}"#, true),
        (br#"{ "a" : 1 }"#, true),
        (b"", false),
        (b" {}", false),
        (b"{} ", false),
        (b"{\n}", false),
        (b"{\t}", false),
        (b"{", false),
        (b"{}{}", false),
        (b"\xff\xfe", false),
        (b"\xef\xbb\xbf{}", false),
    ] {
        let event = event(payload);
        let json = encode(&event, "n-1").unwrap();
        assert!(!json.iter().any(u8::is_ascii_control), "{payload:?} is more than one line");
        assert_eq!(decode(&json).unwrap(), event);
        assert_eq!(json.windows(7).any(|it| it == b"\"data\":"), is_json, "{payload:?}");
    }
}

#[test]
fn what_nests_deeper_than_a_reader_would_follow_comes_back() {
    let event = event(&[[b'['; 5000], [b']'; 5000]].concat());
    assert_eq!(decode(&encode(&event, "n-1").unwrap()).unwrap(), event);
}

#[test]
fn attributes_of_others_are_passed_over_and_null_is_an_absent_one() {
    let wanted = event(b"{}");
    for (attribute, value) in [
        ("traceparent", json!("00-…")),
        ("govnew", json!({"of": "a newer gov"})),
        ("govsession", Value::Null),
        ("datacontenttype", Value::Null),
        ("data_base64", Value::Null),
    ] {
        assert_eq!(changed(attribute, Some(value)).unwrap(), wanted, "{attribute}");
    }
    assert_eq!(changed("datacontenttype", None).unwrap(), wanted);
    assert_eq!(changed("subject", None).unwrap().agent_id, None);
}

#[test]
fn a_value_that_must_not_be_is_refused_by_its_attribute() {
    for (attribute, value) in [
        ("specversion", json!("0.3")),
        ("source", json!("https://example.com/")),
        ("type", json!("com.example.event")),
        ("subject", json!("")),
        ("govsession", json!(" s")),
        ("govteam", json!("a\u{1b}")),
        ("govsubjects", json!("[]")),
        ("govsubjects", json!(r#"{"a":1}"#)),
        ("govsubjects", json!(r#"{"a":"1","a":"2"}"#)),
        ("govsalt", json!("07")),
        ("govsalt", json!("0707070707070707070707070707070G")),
        ("govsalt", json!("+7070707070707070707070707070707")),
        ("govsalt", json!("0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A")),
        ("datacontenttype", json!("text/plain")),
    ] {
        let error = changed(attribute, Some(value.clone())).unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{attribute}` must be ")), "{value}: {error}");
    }
    assert_eq!(
        changed("data_base64", Some(json!("e30="))).unwrap_err().to_string(),
        "`data` must be there, or `data_base64` in its place, and not both"
    );
    for attribute in ["specversion", "id", "source", "type", "time", "govsalt", "data"] {
        assert!(changed(attribute, None).is_err(), "{attribute} may be missing");
    }
    for (attribute, value) in [
        ("id", json!("evt_1")),
        ("time", json!("2026-01-01T00:00:00Z")),
        ("id", Value::Null),
        ("subject", json!(1)),
    ] {
        assert!(changed(attribute, Some(value.clone())).is_err(), "{attribute} may be {value}");
    }
}

#[test]
fn an_attribute_that_stands_there_twice_is_refused() {
    let json = encode(&event(b"{}"), "n-1").unwrap();
    let twice = [&json[..json.len() - 1], br#","subject":"someone-else"}"#].concat();
    assert!(matches!(decode(&twice), Err(DecodeError::Json(_))));
}

#[test]
fn a_node_is_one_segment_of_the_source_whatever_it_is_called() {
    assert_eq!(source("n-0a1b2c3d"), "/gov/n-0a1b2c3d");
    assert_eq!(source("eu/west 1?é"), "/gov/eu%2Fwest%201%3F%C3%A9");
}

#[test]
fn subjects_hold_no_character_that_an_attribute_must_not_hold() {
    let mut event = event(b"{}");
    let odd = "a\u{0}\n\u{7f}\u{9f}\u{fdd0}\u{fffe}\u{1fffe}\u{e000}\"\\é";
    event.subjects = [(odd.to_owned(), odd.to_owned())].into();
    let json = written(&event);
    let text = json["govsubjects"].as_str().unwrap();
    assert!(!text.chars().any(|it| it.is_control() || "\u{fdd0}\u{fffe}\u{1fffe}".contains(it)));
    assert!(text.contains("\\u007f\\u009f\\ufdd0\\ufffe\\ud83f\\udffe\u{e000}"), "{text}");
    assert_eq!(decode(json.to_string().as_bytes()).unwrap(), event);
}

#[test]
fn a_place_is_written_into_the_event_and_read_back() {
    let encoded = EncodedEvent::of(&event(b"{}"), "n-1").unwrap();
    let place = OnItsWay {
        buffer_id: "buf_019b76da80007000800000000000000b".parse().unwrap(),
        buffer_seq: u64::MAX,
    };
    let json = place.written_into(&encoded);
    assert_eq!(OnItsWay::read_from(&json).unwrap(), Some(place));
    assert_eq!(decode(&json).unwrap(), event(b"{}"));
    assert_eq!(OnItsWay::read_from(&encoded.json).unwrap(), None);
    for half in [r#"{"govseq":"1"}"#, r#"{"govbuffer":"buf_019b76da80007000800000000000000b"}"#] {
        assert!(OnItsWay::read_from(half.as_bytes()).is_err());
    }
    for seq in ["", "-1", "01", "+1", "1.0", "18446744073709551616"] {
        let json = json!({"govbuffer": place.buffer_id, "govseq": seq}).to_string();
        let error = OnItsWay::read_from(json.as_bytes()).unwrap_err().to_string();
        assert_eq!(error, "`govseq` must be a whole number, as text", "{seq}");
    }
}
