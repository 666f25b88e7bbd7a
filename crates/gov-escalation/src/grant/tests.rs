//! What a grant covers, and what it does not.

use serde_json::json;

use super::*;

fn terms(arguments: Value) -> GrantTerms {
    GrantTerms {
        server: Some("shop".to_owned()),
        tool: "refund".to_owned(),
        arguments: serde_json::from_value(arguments).unwrap(),
        calls: 20,
        lasts: Span(LONGEST),
    }
}

fn call(arguments: Value) -> Call {
    Call { server: Some("shop".to_owned()), tool: "refund".to_owned(), arguments }
}

#[test]
fn an_argument_that_is_not_named_is_not_covered() {
    let it = terms(json!({"order": "any"}));
    assert!(it.covers(&call(json!({"order": 7}))) && it.covers(&call(json!({}))));
    assert!(!it.covers(&call(json!({"order": 7, "force": true}))));
    assert!(!terms(json!({})).covers(&call(json!({"order": null}))));
    for no_object in [json!(null), json!([]), json!("order"), json!(7)] {
        assert!(!it.covers(&call(no_object)));
    }
}

#[test]
fn an_argument_with_a_limit_must_be_there() {
    for limit in [json!({"equals": null}), json!({"one_of": [1]}), json!({"at_most": 9})] {
        assert!(!terms(json!({ "order": limit })).covers(&call(json!({}))));
    }
}

#[test]
fn another_tool_or_another_servers_is_not_covered() {
    let it = terms(json!({}));
    assert!(it.covers(&call(json!({}))));
    for (server, tool) in [(None, "refund"), (Some("mall"), "refund"), (Some("shop"), "Refund")] {
        let other =
            Call { server: server.map(str::to_owned), tool: tool.to_owned(), arguments: json!({}) };
        assert!(!it.covers(&other), "{other:?}");
    }
}

#[test]
fn each_limit_admits_what_it_says_and_nothing_that_would_be_rounded() {
    for (limit, within, beyond) in [
        (json!("any"), json!([null, 1, "a", {"a": 1}]), json!([])),
        (json!({"equals": 5}), json!([5]), json!([5.0, "5", 6, null, true, [5]])),
        (json!({"equals": {"a": [1, 2]}}), json!([{"a": [1, 2]}]), json!([{"a": [2, 1]}, {}])),
        (json!({"equals": null}), json!([null]), json!([0, "", false])),
        (json!({"one_of": ["a", 1]}), json!(["a", 1]), json!(["b", "1", 1.0, ["a", 1]])),
        (json!({"at_most": 100}), json!([100, 0, -7]), json!([101, 100.0, 99.5, "1", null])),
        (json!({"at_least": 1}), json!([1, 9_007_199_254_740_991_i64]), json!([0, 1.5, 1e9, "2"])),
        (json!({"between": [1, 3]}), json!([1, 2, 3]), json!([0, 4, 2.0, u64::MAX])),
    ] {
        let it: Limit = serde_json::from_value(limit).unwrap();
        for value in within.as_array().unwrap() {
            assert!(it.admits(value), "{it:?} {value}");
        }
        for value in beyond.as_array().unwrap() {
            assert!(!it.admits(value), "{it:?} {value}");
        }
    }
}

#[test]
fn numbers_are_compared_as_they_are_and_never_as_floats() {
    let limit = Limit::AtMost(9_007_199_254_740_992);
    assert!(limit.admits(&json!(9_007_199_254_740_992_i64)));
    // The same number, if both were floats.
    assert!(!limit.admits(&json!(9_007_199_254_740_993_i64)));
    assert!(
        !Limit::Equals(json!(9_007_199_254_740_992_i64)).admits(&json!(9.007_199_254_740_992e15))
    );
}

#[test]
fn limits_that_nobody_knows_are_refused() {
    for limit in [
        json!("none"),
        json!({"at_most": 1.5}),
        json!({"at_most": "9"}),
        json!({"at_most": 9, "at_least": 1}),
        json!({"like": "a*"}),
        json!({"between": [1]}),
    ] {
        assert!(serde_json::from_value::<Limit>(limit.clone()).is_err(), "{limit}");
    }
}

#[test]
fn terms_that_nobody_may_be_asked_for_are_named() {
    let good = terms(json!({"order": "any"}));
    assert_eq!(good.check(), Ok(()));
    let long = json!({"order": {"equals": "x".repeat(MAX_TERMS_BYTES)}});
    for (bad, problem) in [
        (GrantTerms { tool: String::new(), ..good.clone() }, TermsProblem::NoTool),
        (GrantTerms { calls: 0, ..good.clone() }, TermsProblem::Calls(0)),
        (GrantTerms { calls: 21, ..good.clone() }, TermsProblem::Calls(21)),
        (
            GrantTerms { lasts: Span(Duration::ZERO), ..good.clone() },
            TermsProblem::Lasts(Duration::ZERO),
        ),
        (
            GrantTerms { lasts: Span(LONGEST + Duration::from_micros(1)), ..good.clone() },
            TermsProblem::Lasts(LONGEST + Duration::from_micros(1)),
        ),
        (terms(json!({"a": {"one_of": []}})), TermsProblem::Unkept),
        (terms(json!({"a": {"between": [2, 1]}})), TermsProblem::Unkept),
    ] {
        assert_eq!(bad.check(), Err(problem));
    }
    assert!(matches!(terms(long).check(), Err(TermsProblem::TooLong(_))));
}

#[test]
fn the_digest_binds_agent_session_and_every_term() {
    let (coder, other) = ("coder".parse().unwrap(), "other".parse().unwrap());
    let session = "s1".parse().unwrap();
    let it = terms(json!({"order": {"at_most": 5}}));
    let of = |it: &GrantTerms| it.digest(&coder, None).unwrap();
    assert_eq!(of(&it), of(&it.clone()));
    let changed = [
        GrantTerms { server: None, ..it.clone() },
        GrantTerms { tool: "pay".to_owned(), ..it.clone() },
        terms(json!({"order": {"at_most": 6}})),
        GrantTerms { calls: 19, ..it.clone() },
        GrantTerms { lasts: Span(Duration::from_mins(1)), ..it.clone() },
    ];
    let others = [it.digest(&other, None).unwrap(), it.digest(&coder, Some(&session)).unwrap()];
    for digest in changed.iter().map(of).chain(others) {
        assert_ne!(digest, of(&it));
    }
}
