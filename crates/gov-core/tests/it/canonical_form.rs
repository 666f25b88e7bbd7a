//! Our canonical bytes against another implementation of RFC 8785.
//!
//! The other one is the Python package `rfc8785`. `GOV_TEST_PYTHON` names a Python that has it;
//! `cargo xtask test` makes one.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

use gov_core::{canonical, json};
use proptest::{collection, prelude::*, strategy::ValueTree as _, test_runner::TestRunner};
use serde_json::Value;

const JUDGE: &str = "
import json, sys, rfc8785
for line in sys.stdin.buffer:
    sys.stdout.write(rfc8785.dumps(json.loads(line)).hex() + '\\n')
";

/// Any JSON that passes the border: numbers within ±(2⁵³ − 1), every kind of text.
fn any_value() -> impl Strategy<Value = Value> {
    let number = prop_oneof![
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        (-1e15..1e15).prop_map(Value::from),
        prop::num::f64::NORMAL
            .prop_filter("within the border", |it| it.abs() <= json::MAX_NUMBER)
            .prop_map(Value::from),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number,
        any::<String>().prop_map(Value::from),
        "[\u{0}-\u{7f}\u{80}\u{d7ff}\u{e000}\u{ffff}\u{10000}\u{10ffff}]{0,6}"
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            collection::hash_map(any::<String>(), inner, 0..6)
                .prop_map(|map| Value::from(serde_json::Map::from_iter(map))),
        ]
    })
}

#[test]
fn another_implementation_writes_the_same_bytes() {
    let Some(python) = python() else { return };
    let mut runner = TestRunner::deterministic();
    let values: Vec<Value> =
        (0..2_000).map(|_| any_value().new_tree(&mut runner).unwrap().current()).collect();
    let mut judge = Command::new(python)
        .args(["-c", JUDGE])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = judge.stdin.take().unwrap();
    let lines: Vec<u8> = values
        .iter()
        .flat_map(|value| [serde_json::to_vec(value).unwrap(), b"\n".to_vec()].concat())
        .collect();
    // Its answers would fill the pipe while we still write.
    let writer = std::thread::spawn(move || stdin.write_all(&lines));
    let output = judge.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "the judge failed: {}", output.status);

    let theirs = String::from_utf8(output.stdout).unwrap();
    assert_eq!(theirs.lines().count(), values.len());
    for (value, theirs) in values.iter().zip(theirs.lines()) {
        let ours = gov_core::hex::Hex(&canonical::value_to_bytes(value)).to_string();
        assert_eq!(ours, theirs, "{value}");
    }
}

/// What was read strictly and written canonically reads back as the same value.
#[test]
fn canonical_bytes_read_back_as_the_same_value() {
    let mut runner = TestRunner::deterministic();
    for _ in 0..2_000 {
        let value = any_value().new_tree(&mut runner).unwrap().current();
        let bytes = canonical::value_to_bytes(&value);
        let again = json::parse_value(&bytes).unwrap();
        assert_eq!(canonical::value_to_bytes(&again), bytes, "{value}");
    }
}

fn python() -> Option<String> {
    if let Ok(python) = std::env::var("GOV_TEST_PYTHON") {
        return Some(python);
    }
    let missing = "the RFC 8785 comparison needs GOV_TEST_PYTHON, a Python that has the package \
                   rfc8785 (`cargo xtask test` makes one)";
    assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
    // Not `eprintln!`: the test harness swallows it.
    std::io::stderr().write_all(format!("skipped: {missing}\n").as_bytes()).unwrap();
    None
}
