//! Any event there and back, and any bytes refused or understood.

use std::{fmt::Debug, str::FromStr};

use gov_audit_buffer::{
    BufferId, EncodedEvent,
    cloud_event::{self, OnItsWay},
};
use gov_core::{AuditEvent, AuditEventKind, EventId, Payload, Timestamp};
use proptest::{collection, option, prelude::*, sample};
use uuid::Uuid;

/// What may be called so, by its rules: no control character, no white space at its ends.
fn any_name<T: FromStr<Err: Debug> + Debug>() -> impl Strategy<Value = T> {
    "[^\\p{Cc}\\s]([^\\p{Cc}]{0,20}[^\\p{Cc}\\s])?".prop_map(|text| text.parse().unwrap())
}

fn any_payload() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![
        3 => "\\{\"[a-z]{0,8}\":(null|-?[0-9]{1,9}|\"[^\\p{Cc}\"\\\\]{0,30}\")\\}".prop_map(String::into_bytes),
        2 => ".{0,60}".prop_map(String::into_bytes),
        2 => collection::vec(any::<u8>(), 0..80),
        1 => "[\\[\\]{},:\" \n0-9a-z]{0,40}".prop_map(String::into_bytes),
    ];
    bytes.boxed()
}

fn any_kind() -> impl Strategy<Value = AuditEventKind> {
    let kind = prop_oneof![3 => sample::select(AuditEventKind::ALL).prop_map(|it| it.to_string()), 1 => ".{0,20}".boxed()];
    kind.prop_map(|text| text.parse().unwrap())
}

prop_compose! {
    fn any_event()(
        id in any::<u128>(),
        at in 0..=Timestamp::MAX.as_micros(),
        kind in any_kind(),
        agent_id in option::of(any_name()),
        session_id in option::of(any_name()),
        team_id in option::of(any_name()),
        subjects in collection::btree_map(".{0,9}", ".{0,30}", 0..4),
        trace_id in option::of(prop_oneof!["[0-9a-f]{32}", ".{0,20}"]),
        payload in any_payload(),
        salt in any::<[u8; 16]>(),
    ) -> AuditEvent {
        AuditEvent {
            id: EventId::from_uuid(Uuid::from_u128(id)),
            at: Timestamp::from_micros(at).unwrap(),
            kind, agent_id, session_id, team_id, subjects, trace_id,
            payload: Payload::from_parts(payload, salt),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_event_comes_back_the_same_with_its_commitment_and_its_hash(
        event in any_event(),
        node in ".{0,20}",
        buffer in any::<u128>(),
        buffer_seq in any::<u64>(),
    ) {
        let encoded = EncodedEvent::of(&event, &node).unwrap();
        prop_assert!(!encoded.json.contains(&b'\n'), "more than one line");
        prop_assert_eq!(encoded.decode().unwrap(), event.clone());
        let hash = encoded.decode().unwrap().hash().unwrap();
        prop_assert_eq!(hash, event.hash().unwrap());

        let place = OnItsWay { buffer_id: BufferId::from_uuid(Uuid::from_u128(buffer)), buffer_seq };
        let placed = place.written_into(&encoded);
        prop_assert_eq!(OnItsWay::read_from(&placed).unwrap(), Some(place));
        prop_assert_eq!(cloud_event::decode(&placed).unwrap(), event);
    }

    /// Every attribute is one that any `CloudEvents` library takes.
    #[test]
    fn what_is_written_keeps_to_the_rules_of_cloud_events(event in any_event(), node in ".{0,20}") {
        let json = cloud_event::encode(&event, &node).unwrap();
        let json: serde_json::Map<_, _> = match serde_json::from_slice(&json) {
            Ok(json) => json,
            // A payload may be a number that no reader of numbers can hold.
            Err(error) => { prop_assert!(error.to_string().contains("number")); return Ok(()) }
        };
        for (name, value) in json.iter().filter(|(name, _)| *name != "data" && *name != "data_base64") {
            prop_assert!(name.len() <= 20 && name.bytes().all(|it| it.is_ascii_lowercase()), "{}", name);
            prop_assert!(value.is_string(), "{}", name);
        }
        for name in ["id", "source", "type", "specversion", "time", "datacontenttype", "govsalt"] {
            prop_assert!(json[name].as_str().is_some_and(|it| !it.is_empty()), "{}", name);
        }
        prop_assert!(json["source"].as_str().is_some_and(|it| it.is_ascii() && !it.contains(' ')));
        prop_assert_ne!(json.contains_key("data"), json.contains_key("data_base64"));
    }

    /// Whatever is done to a good event, it is refused or is an event that can be written again.
    #[test]
    fn no_bytes_make_the_reader_panic_and_what_it_takes_can_be_written(
        event in any_event(),
        changes in collection::vec((any::<sample::Index>(), any::<u8>()), 0..4),
        cut in option::of(any::<sample::Index>()),
    ) {
        let mut json = cloud_event::encode(&event, "n-1").unwrap();
        for (index, byte) in changes {
            let at = index.index(json.len());
            json[at] = byte;
        }
        json.truncate(cut.map_or(json.len(), |it| it.index(json.len())));
        if let Ok(read) = cloud_event::decode(&json) {
            let again = cloud_event::encode(&read, "n-1").unwrap();
            prop_assert_eq!(cloud_event::decode(&again).unwrap(), read);
        }
        let _ = OnItsWay::read_from(&json);
    }
}
