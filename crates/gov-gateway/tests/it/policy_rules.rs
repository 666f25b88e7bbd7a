//! How the outcome follows from the policies that determine it.

use gov_core::{AgentAction, AgentId, Decision, SessionId, TeamId, Timestamp};
use gov_gateway::policy::{Judgement, PolicyInput, PolicySet, Risk, normalise::Protected};
use serde_json::{Value, json};

const ALL: &str = "(principal, action, resource)";

fn ask(policy: &PolicySet, action: Value, context: Option<&Value>) -> Judgement {
    let agent_id: AgentId = "coder".parse().unwrap();
    let team_id: TeamId = "payments".parse().unwrap();
    let session_id: SessionId = "s1".parse().unwrap();
    let action: AgentAction = serde_json::from_value(action).unwrap();
    policy.judge(&PolicyInput {
        agent_id: &agent_id,
        team_id: Some(&team_id),
        session_id: Some(&session_id),
        action: &action,
        context,
        now: Timestamp::from_micros(1_767_225_600_000_000).unwrap(),
    })
}

fn decide(text: &str) -> (String, Option<String>) {
    let policy = PolicySet::compile(text, 7).unwrap();
    let judgement = ask(&policy, json!({"kind": "bash", "command": "ls"}), None);
    assert_eq!(judgement.policy_version, 7);
    (judgement.decision.name().to_owned(), judgement.rule_id.map(|it| it.to_string()))
}

fn answer(decision: &str, rule: &str) -> (String, Option<String>) {
    (decision.to_owned(), Some(rule.to_owned()))
}

#[test]
fn no_policy_that_fits_is_a_refusal() {
    let text = format!("@id(\"a\") permit {ALL} when {{ context.compound }};");
    assert_eq!(decide(&text), answer("refuse", "default-deny"));
}

#[test]
fn a_forbid_without_outcome_wins_over_everything() {
    let text = format!(
        "@id(\"p\") permit {ALL}; @id(\"a\") @outcome(\"require_approval\") forbid {ALL};
         @id(\"c\") forbid {ALL}; @id(\"b\") forbid {ALL};"
    );
    assert_eq!(decide(&text), answer("refuse", "b"));
}

#[test]
fn forbids_that_all_ask_for_an_approval_ask() {
    let text = format!(
        "@id(\"p\") permit {ALL}; @id(\"z\") @outcome(\"require_approval\") @chain(\"prod\") forbid {ALL};
         @id(\"y\") @outcome(\"require_approval\") @chain(\"ops\") @risk(\"high\") forbid {ALL};"
    );
    let policy = PolicySet::compile(&text, 1).unwrap();
    let judgement = ask(&policy, json!({"kind": "bash", "command": "ls"}), None);
    let Decision::RequireApproval { rule_id, chain, reason } = judgement.decision else { panic!() };
    assert_eq!((rule_id.as_str(), chain.as_str()), ("y", "ops"));
    assert_eq!(reason, "policy `y` asks for an approval");
    assert_eq!(judgement.risk, Some(Risk::High));
}

#[test]
fn the_strictest_permit_wins_and_the_smallest_id_among_equals() {
    let warn = |id: &str| format!("@id(\"{id}\") @outcome(\"warn\") permit {ALL};");
    let ask = format!("@id(\"q\") @outcome(\"require_approval\") permit {ALL};");
    let plain = format!("@id(\"p\") permit {ALL};");
    assert_eq!(decide(&plain), answer("allow", "p"));
    assert_eq!(decide(&format!("{plain}{}{}", warn("x"), warn("w"))), answer("warn", "w"));
    assert_eq!(decide(&format!("{plain}{}{ask}", warn("a"))), answer("require_approval", "q"));
}

#[test]
fn an_error_inside_a_policy_is_a_refusal_whatever_the_others_say() {
    let text = format!(
        "@id(\"p\") permit {ALL};
         @id(\"e\") forbid {ALL} when {{ context.time * 9223372036854775807 > 0 }};"
    );
    assert_eq!(decide(&text), answer("refuse", "policy-error"));
}

#[test]
fn a_policy_sees_who_asks_when_and_about_what() {
    let text = "@id(\"p\") permit (
        principal in Team::\"payments\", action == Action::\"bash\", resource == Command::\"ls\"
    ) when {
        principal == Agent::\"coder\" && context.time == 1767225600 && context.argv0.contains(\"ls\") &&
        context has session && context.session == \"s1\" && context has risk && context.risk == \"low\" &&
        context.paths.contains(\"/w/src\") && context.arg_text == \"ls ./src\" && !context.compound
    };";
    let policy = PolicySet::compile(text, 1).unwrap();
    let action = json!({"kind": "bash", "command": "ls ./src"});
    let context = json!({"cwd": "/w", "risk": "low"});
    assert_eq!(ask(&policy, action, Some(&context)).decision, Decision::Allow);
}

#[test]
fn a_text_that_names_an_entity_stays_a_text() {
    let text = "@id(\"p\") permit (principal, action, resource) when { resource == Tool::\"t\" };
        @id(\"r\") forbid (principal == Agent::\"root\", action, resource);";
    let policy = PolicySet::compile(text, 1).unwrap();
    let entity = json!("{\"__entity\": {\"type\": \"Agent\", \"id\": \"root\"}}");
    let action = json!({"kind": "tool_call", "tool": "t", "arguments": {"who": entity, "n": 1.5}});
    assert_eq!(ask(&policy, action, None).decision, Decision::Allow);
}

#[test]
fn the_refusal_of_a_reserved_key_names_the_field() {
    let policy = PolicySet::compile(&format!("@id(\"p\") permit {ALL};"), 1).unwrap();
    let arguments = json!({"a": [{"__entity": {"type": "Agent", "id": "root"}}]});
    let action = json!({"kind": "tool_call", "tool": "t", "arguments": arguments});
    let judgement = ask(&policy, action, None);
    let reason = judgement.decision.reason().unwrap_or_default().to_owned();
    assert_eq!(judgement.rule_id.unwrap().as_str(), "unparsable-action");
    assert!(reason.contains("`action.arguments.a[0].__entity`"), "{reason}");
}

#[test]
fn the_places_of_this_very_gov_are_protected() {
    let text =
        format!("@id(\"p\") permit {ALL}; @id(\"g\") forbid {ALL} when {{ context.touches_gov }};");
    let protected = Protected {
        port: 9000,
        data_dir: Some("/srv/g".into()),
        binary: Some("/opt/g/govern".into()),
    };
    let policy = PolicySet::compile(&text, 1).unwrap().with_protected(protected);
    for (command, refused) in [
        ("ls /srv/g/keys", true),
        ("rm -r /srv", true),
        ("curl localhost:9000", true),
        ("/opt/g/govern --help", true),
        ("curl localhost:7180", false),
        ("ls /srv/gg", false),
    ] {
        let decision = ask(&policy, json!({"kind": "bash", "command": command}), None).decision;
        assert_eq!(decision.is_refusal(), refused, "{command}");
    }
}
