//! Whatever an agent sends is carried as it is, or refused with the limit by its name.

use gov_core::{ActionPath, AgentAction, Clock as _, Decision, SystemClock};
use gov_deferred_audit::{
    DeferredAuditEvent, Durability, SubmitError, close_and_flush, record::MAX_PAYLOAD_BYTES,
};
use proptest::{prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::{Value, json};

use crate::support::{Fixture, assert_balanced};

/// Text of every length up to beyond a mebibyte, most of it short.
fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => ".{0,60}",
        1 => (".{1,9}", 1..400_usize).prop_map(|(text, times)| text.repeat(times)),
        1 => (1..=20_u32).prop_map(|n| 2_usize.pow(n) + 900).prop_map(|bytes| "y".repeat(bytes)),
    ]
}

/// Any JSON: wide, deep, and deeper than anything may be.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        3 => Just(Value::Null),
        3 => any::<bool>().prop_map(Value::from),
        3 => any::<i32>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        3 => (-1.0..1.0).prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        3 => any_text().prop_map(Value::from),
    ];
    let wide = leaf.prop_recursive(6, 60, 8, |inside| {
        prop_oneof![
            prop::collection::vec(inside.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map(".{0,9}", inside, 0..8)
                .prop_map(|map| map.into_iter().collect()),
        ]
    });
    (wide, prop_oneof![4 => Just(0), 1 => 0..70, 1 => 60..400]).prop_map(|(inner, depth)| {
        (0..depth).fold(inner, |it, n| if n % 2 == 0 { json!([it]) } else { json!({ "k": it }) })
    })
}

fn any_action() -> impl Strategy<Value = AgentAction> {
    let path = prop::collection::vec(any::<u8>(), 0..300).prop_map(ActionPath::new);
    prop_oneof![
        (any_text(), prop::option::of(any_text()))
            .prop_map(|(command, cwd)| AgentAction::Bash { command, cwd }),
        (path, prop::option::of(prop_oneof![any::<u32>().prop_map(u64::from), any::<u64>()]))
            .prop_map(|(path, byte_estimate)| AgentAction::FilesystemWrite { path, byte_estimate }),
        (any_text(), prop::collection::vec(any_text(), 0..4))
            .prop_map(|(binary, args)| AgentAction::ProcessSpawn { binary, args }),
        (any_text(), any_json()).prop_map(|(tool, arguments)| AgentAction::ToolCall {
            server: None,
            tool,
            arguments
        }),
        (any_text(), any_json())
            .prop_map(|(custom_kind, payload)| AgentAction::Custom { custom_kind, payload }),
    ]
}

/// The error names what is too large, its limit, and that it was more; or says that the action has
/// no canonical form.
fn names_its_limit(error: &SubmitError) -> bool {
    match error {
        SubmitError::TooLarge { what, limit, got } => !what.is_empty() && got > limit,
        SubmitError::Seal(_) => true,
        _ => false,
    }
}

#[tokio::test]
async fn whatever_is_submitted_is_carried_as_it_is_or_refused_with_its_limit() {
    let mut runner = TestRunner::deterministic();
    let it = Fixture::new();
    let (queue, supervisor) = it.start();
    let (agent, mut taken, mut refused) = ("agent".parse().unwrap(), Vec::new(), 0);
    for _ in 0..600 {
        let shape = (any_action(), any_text(), any::<u8>());
        let (action, reason, way) = shape.new_tree(&mut runner).unwrap().current();
        let decision = Decision::Refuse { rule_id: "no".parse().unwrap(), reason };
        if way % 2 == 0 {
            // The short way says only whether.
            if queue.submit_refusal(&agent, &action, &decision) {
                taken.push((action, decision));
            } else {
                refused += 1;
            }
            continue;
        }
        let now = SystemClock.now();
        let event = DeferredAuditEvent::from_refusal(&agent, &action, &decision, now).unwrap();
        let durability = if way % 4 == 1 { Durability::Spooled } else { Durability::Memory };
        let record = event.into_record(queue.mint());
        let reached_the_queue = record.is_ok();
        match record.and_then(|record| queue.try_submit(record, durability)) {
            Ok(_) => taken.push((action, decision)),
            Err(error) => {
                assert!(names_its_limit(&error), "{error:?}");
                refused += u32::from(reached_the_queue);
            }
        }
    }
    let _ = close_and_flush(&queue, supervisor).await;
    assert_balanced(&queue);
    assert_eq!(queue.metrics().send_failures(), u64::from(refused));
    let rows = it.log.lock().rows.clone();
    assert_eq!(rows.len(), taken.len());
    for (row, (action, decision)) in rows.iter().zip(&taken) {
        let stored = gov_core::json::parse_value(row.payload.as_bytes()).unwrap();
        let sent = serde_json::to_value(action).unwrap();
        assert_eq!(same(&stored["action"]), same(&sent));
        assert_eq!(row.verdict.as_ref().unwrap().reason.as_deref(), decision.reason());
        assert!(row.payload.as_bytes().len() <= MAX_PAYLOAD_BYTES);
    }
    assert!(taken.len() > 200 && refused > 50, "{} taken, {refused} refused", taken.len());
}

/// One form for equal values: a whole number may come back without its point.
fn same(value: &Value) -> Vec<u8> {
    gov_core::canonical::value_to_bytes(value)
}
