//! The chains that policies ask: configured, or the policy is refused.

use serde_json::json;

use crate::{
    process::Place,
    running::{Running, config},
};

pub(crate) const ASKS: &str = "@id(\"all\")\npermit (principal, action, resource);\n\n\
    @id(\"prod\")\n@outcome(\"require_approval\")\n@chain(\"prod\")\n\
    forbid (principal, action, resource)\nwhen { context.argv0.contains(\"deploy\") };\n";
const UNKNOWN: &str = "line 4, column 1: `prod`: `@chain(\"prod\")` is not configured; known are \
                       `default`; add `[chains.prod]` to the configuration";
pub(crate) const PROD: &str = "[chains.prod]\ntimeout = \"1h\"\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_asks_an_unknown_chain_is_refused_and_changes_nothing() {
    let it = Running::start("").await;
    let body = json!({ "text": ASKS }).to_string();
    let (status, code, field, json) = it.post("/v1/policies", &it.admin, &body).await.problem();
    assert_eq!((status, &*code, &*field), (422, "bad-field", "text"));
    assert!(json["detail"].as_str().unwrap().starts_with(UNKNOWN), "{json}");
    assert_eq!(it.get("/v1/policies/active", &it.admin).await.json()["version"], 1);

    let it = Running::start(PROD).await;
    assert_eq!(it.post("/v1/policies", &it.admin, &body).await.status, 201);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_policy_that_asks_people_who_are_not_there_is_refused_until_they_are() {
    let it = Running::start("[[chains.prod.rungs]]\nroles = [\"ops\"]\nquorum = 2\n").await;
    let body = json!({ "text": ASKS }).to_string();
    for (name, missing) in
        [("ann", "nobody is there who may answer"), ("ben", "it needs 2 people"), ("", "")]
    {
        let reply = it.post("/v1/policies", &it.admin, &body).await;
        if missing.is_empty() {
            assert_eq!(reply.status, 201);
            continue;
        }
        let (status, code, _, json) = reply.problem();
        assert_eq!((status, &*code), (422, "bad-field"));
        let detail = json["detail"].as_str().unwrap();
        let wanted = "line 4, column 1: `prod`: `@chain(\"prod\")` would only ever time out";
        assert!(detail.starts_with(wanted) && detail.contains(missing), "{detail}");
        let person = json!({"name": name, "roles": ["ops"]}).to_string();
        assert_eq!(it.post("/v1/people", &it.admin, &person).await.status, 201);
    }
}

#[test]
fn on_the_files_too_a_policy_asks_only_chains_that_are_configured() {
    let place = Place::new();
    let policy = place.write("own.cedar", ASKS);
    let policy = policy.to_str().unwrap();
    let with = place.write("with.toml", PROD);
    let without = place.write("without.toml", "");
    let (with, without) = (with.to_str().unwrap(), without.to_str().unwrap());
    let dir = place.data_dir();
    let dir = dir.to_str().unwrap();

    let check = ["policies", "check", policy];
    let ran = place.run(&check);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.contains("require_approval  chain prod"), "{ran:?}");
    assert!(ran.out.contains("if its chains are configured: `--config FILE`"), "{ran:?}");
    place.run(&[&check[..], &["--config", without]].concat()).failed(1, UNKNOWN);
    let ran = place.run(&[&check[..], &["--config", with]].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.out.ends_with("2 rules; the policy can be activated\n"), "{ran:?}");

    place.run(&["init"]);
    let at = |config| ["--data-dir", dir, "--config", config];
    let activate = ["policies", "activate", policy];
    place.run(&[&activate[..], &at(without)].concat()).failed(1, UNKNOWN);
    assert_eq!(place.run(&[&activate[..], &at(with)].concat()).code, 0);

    // What is active asks for it, so neither a start nor a way back is without it.
    let ran = place.serve_in_vain(&["--config", without]);
    assert!(ran.err.contains("the stored policy, version 2, cannot be loaded"), "{ran:?}");
    assert!(ran.err.contains(UNKNOWN), "{ran:?}");
    let own = place.write("plain.cedar", "@id(\"a\") permit (principal, action, resource);");
    let plain = ["policies", "activate", own.to_str().unwrap()];
    assert_eq!(place.run(&[&plain[..], &at(without)].concat()).code, 0);
    let rollback = ["policies", "rollback"];
    place.run(&[&rollback[..], &at(without)].concat()).failed(1, UNKNOWN);
    assert_eq!(place.run(&[&rollback[..], &at(with)].concat()).code, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_that_escalates_late_is_said_of_and_works() {
    let rungs = |after: &str| {
        format!(
            "[chains.prod]\ntimeout = \"10m\"\n[[chains.prod.rungs]]\n[[chains.prod.rungs]]\nafter = \"{after}\"\n"
        )
    };
    for (after, state) in [("5m", "healthy"), ("6m", "degraded")] {
        let it = Running::start(&rungs(after)).await;
        let ready = it.get("/readyz", &it.admin).await;
        let json = ready.json();
        let chains = json["parts"].as_array().unwrap().iter().find(|it| it["name"] == "chains");
        let chains = chains.unwrap();
        assert_eq!((ready.status, &chains["state"]), (200, &json!(state)), "{after}: {json}");
        let said = chains["reason"].as_str().unwrap_or_default();
        assert_eq!(said.contains("the first escalation of `prod` comes when"), after == "6m");
    }
    let file = Some(("gov.toml".into(), rungs("9m")));
    let sources = gov_gateway::config::Sources { file, ..Default::default() };
    let error = gov_gateway::config::load(&sources).unwrap_err().to_string();
    assert!(error.contains("`chains.prod`: rung 1 must be asked before nine tenths"), "{error}");
}

#[test]
fn the_chains_of_a_server_that_was_told_nothing_are_the_default_one() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(config(&home, "").chains.into_keys().collect::<Vec<_>>(), ["default"]);
}
