//! Every call of the corpus is judged, and answered as the corpus says.

use std::{collections::BTreeMap, fmt::Write as _};

use gov_core::{AgentAction, AgentId, Timestamp, json};
use gov_gateway::policy::{Judgement, PolicyInput, PolicySet, Starter};
use serde::Deserialize;
use serde_json::{Value, json};

const BENIGN: &str = include_str!("../corpus/benign.jsonl");
const HOSTILE: &str = include_str!("../corpus/hostile.jsonl");
const BORDER: &str = include_str!("../corpus/border.jsonl");

/// One line of `benign.jsonl` or `hostile.jsonl`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    category: String,
    format: Format,
    call: Value,
    balanced: Expected,
    strict: Option<Expected>,
    observe: Option<Expected>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Format {
    /// What Claude Code's `PreToolUse` hook reads on its standard input.
    Hook,
    /// The body of `POST /v1/actions/check`.
    Http,
}

#[derive(Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    decision: String,
    rule_id: Option<String>,
}

/// One line of `border.jsonl`: text that is refused before it is judged.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Malformed {
    category: String,
    text: String,
    problem: String,
}

fn lines<'t, T: Deserialize<'t>>(text: &'t str) -> Vec<T> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// The action and the context of a call, as the doors hand them to the policy.
fn question(line: &Line) -> (AgentAction, Option<Value>) {
    let call = &line.call;
    match line.format {
        Format::Http => {
            (serde_json::from_value(call["action"].clone()).unwrap(), call.get("context").cloned())
        }
        Format::Hook => (
            AgentAction::ToolCall {
                server: None,
                tool: call["tool_name"].as_str().unwrap().to_owned(),
                arguments: call["tool_input"].clone(),
            },
            Some(json!({"cwd": call["cwd"]})),
        ),
    }
}

fn judge(policy: &PolicySet, line: &Line) -> Judgement {
    let agent_id: AgentId = "coder".parse().unwrap();
    let (action, context) = question(line);
    policy.judge(&PolicyInput {
        agent_id: &agent_id,
        team_id: None,
        session_id: None,
        action: &action,
        context: context.as_ref(),
        now: Timestamp::UNIX_EPOCH,
    })
}

/// What differs from the corpus, with counts by category; empty if nothing does.
fn differences(starter: Starter, text: &str) -> String {
    let policy = PolicySet::compile(starter.text(), 1).unwrap();
    let (mut counts, mut report) = (BTreeMap::<String, usize>::new(), String::new());
    for line in lines::<Line>(text) {
        let expected = match starter {
            Starter::Balanced => Some(&line.balanced),
            Starter::Strict => line.strict.as_ref(),
            Starter::Observe => line.observe.as_ref(),
        };
        let Some(expected) = expected else { continue };
        let decision = judge(&policy, &line).decision;
        let got = Expected {
            decision: decision.name().to_owned(),
            rule_id: decision.rule_id().map(ToString::to_string),
        };
        if got != *expected {
            *counts.entry(line.category.clone()).or_default() += 1;
            let shown: String = line
                .call
                .get("tool_input")
                .or(line.call.get("action"))
                .unwrap()
                .to_string()
                .chars()
                .take(300)
                .collect();
            writeln!(
                report,
                "{}: {shown}\n    expected {expected:?}\n    got      {got:?} {:?}",
                line.category,
                decision.reason()
            )
            .unwrap();
        }
    }
    if report.is_empty() { report } else { format!("{report}by category: {counts:?}") }
}

#[test]
fn ordinary_work_is_answered_as_the_corpus_says() {
    let differences = differences(Starter::Balanced, BENIGN);
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn no_hostile_call_gets_by() {
    let differences = differences(Starter::Balanced, HOSTILE);
    assert!(differences.is_empty(), "{differences}");
}

#[test]
fn the_other_starter_policies_answer_as_the_corpus_says() {
    for starter in [Starter::Strict, Starter::Observe] {
        for text in [BENIGN, HOSTILE] {
            let differences = differences(starter, text);
            assert!(differences.is_empty(), "{}: {differences}", starter.name());
        }
    }
}

#[test]
fn what_the_border_refuses_is_never_judged() {
    for line in lines::<Malformed>(BORDER) {
        let read = json::parse_value(line.text.as_bytes()).map_err(|error| error.to_string());
        let read = read.and_then(|value| {
            serde_json::from_value::<AgentAction>(value["action"].clone())
                .map_err(|error| error.to_string())
        });
        let problem = read.expect_err(&line.text);
        assert!(problem.contains(&line.problem), "{}: {}: {problem}", line.category, line.text);
    }
}

#[test]
fn the_corpus_is_large_and_mixed() {
    let (benign, hostile) = (lines::<Line>(BENIGN), lines::<Line>(HOSTILE));
    let blocked =
        |it: &&Line| ["refuse", "require_approval"].contains(&it.balanced.decision.as_str());
    assert!(benign.len() >= 100 && hostile.len() >= 120, "{} {}", benign.len(), hostile.len());
    assert!(benign.len() + hostile.len() + lines::<Malformed>(BORDER).len() >= 300);
    assert_eq!(benign.iter().filter(blocked).count(), 0);
    for is_hook in [true, false] {
        let count = |it: &&Line| matches!(it.format, Format::Hook) == is_hook;
        assert!(benign.iter().chain(&hostile).filter(count).count() >= 40);
    }
}
