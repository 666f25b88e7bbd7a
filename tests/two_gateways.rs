//! Two gateways on one PostgreSQL, and one of them dies.

use std::{collections::BTreeMap, net::SocketAddr, path::Path, thread};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::{
    exported::entries,
    place::{AGENT, Place, chain},
    server::{Server, send},
};

/// Approvals in each story.
const APPROVALS: usize = 40;

/// The URL of an empty database; none where there is no server, which has been said.
pub(crate) fn database() -> Option<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let name: String = runtime.block_on(async {
        let pool = gov_store::fresh_database::postgres(&[]).await?;
        let name = sqlx::query_scalar("select current_database()").fetch_one(&pool).await;
        pool.close().await;
        Some(name.unwrap())
    })?;
    let server = std::env::var("GOV_TEST_POSTGRES_URL").unwrap();
    let (base, _) = server.rsplit_once('/').unwrap();
    Some(format!("{base}/{name}"))
}

fn pair(url: &str, keys: &Path) -> (Place, Place) {
    (Place::sharing(url, keys), Place::sharing(url, keys))
}

fn command(number: usize) -> String {
    format!("git push --force origin branch-{number}")
}

fn ask(address: SocketAddr, token: &str, number: usize) -> std::io::Result<Value> {
    let action = json!({"kind": "bash", "command": command(number), "cwd": "/home/me/shop"});
    let body = json!({"agent_id": AGENT, "action": action});
    Ok(send(address, token, "POST /v1/actions/check", &body)?.json)
}

/// The ids of one pending approval a command.
fn requested(server: &Server, token: &str) -> Vec<String> {
    let id = |number| {
        let answer = ask(server.address, token, number).unwrap();
        assert_eq!(answer["decision"], "require_approval", "{answer}");
        answer["approval"]["id"].as_str().unwrap().to_owned()
    };
    (0..APPROVALS).map(id).collect()
}

fn approval(server: &Server, token: &str, id: &str, wait: &str) -> Value {
    let reply = server.get(token, &format!("/v1/approvals/{id}?wait={wait}"));
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.json
}

/// How often each kind of entry is in the shared log.
fn counts(place: &Place) -> BTreeMap<String, usize> {
    let export = place.export();
    place.verify_export(&export, &[]).ok();
    let mut counts = BTreeMap::new();
    for entry in entries(&export) {
        *counts.entry(entry["kind"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    counts
}

#[test]
fn every_timer_fires_once_though_one_gateway_dies_while_they_are_due() {
    let Some(url) = database() else { return };
    let keys = tempfile::tempdir().unwrap();
    let (a, b) = pair(&url, keys.path());
    let token = a.agent_token();
    let (first, second) = (a.serve(&chain("1s", "3s")), b.serve(&chain("1s", "3s")));
    let ids = requested(&first, &token);
    // Half of the timers are due on either side of this.
    approval(&second, &token, &ids[APPROVALS / 2], "1s");
    assert_eq!(first.end(Signal::KILL).0, None, "it ended by itself");
    for id in &ids {
        assert_eq!(approval(&second, &token, id, "30s")["status"], "timed_out");
    }
    second.stop();

    let counts = counts(&b);
    for kind in ["requested", "routed", "escalated", "timed_out"] {
        assert_eq!(counts.get(&format!("approval.{kind}")), Some(&APPROVALS), "{counts:?}");
    }
}

#[test]
fn every_approval_is_consumed_once_though_both_gateways_are_asked_and_one_dies() {
    let Some(url) = database() else { return };
    let keys = tempfile::tempdir().unwrap();
    let (a, b) = pair(&url, keys.path());
    let (token, ops) = (a.agent_token(), a.approver_token("olga", &["ops"]));
    let (first, second) = (a.serve(&chain("5m", "10m")), b.serve(&chain("5m", "10m")));
    let ids = requested(&first, &token);
    for id in &ids {
        let asked = approval(&second, &ops, id, "0s");
        let body = json!({"decision": "approve", "digest": asked["digest"]});
        let decided = second.post(&ops, &format!("/v1/approvals/{id}/decision"), &body);
        assert_eq!(decided.status, 200, "{decided:?}");
    }

    let addresses = [first.address, second.address];
    let mut allowed = vec![0; APPROVALS];
    thread::scope(|it| {
        let askers: Vec<_> = addresses
            .into_iter()
            .flat_map(|address| [address; 2])
            .map(|address| {
                let token = &token;
                let answers = move || {
                    let allowed = |number: &usize| {
                        let answer = ask(address, token, *number);
                        answer.is_ok_and(|it| it["decision"] == "allow")
                    };
                    (0..APPROVALS).filter(allowed).collect::<Vec<_>>()
                };
                it.spawn(answers)
            })
            .collect();
        // Somewhere in the middle of it.
        approval(&second, &ops, &ids[APPROVALS / 2], "1s");
        assert_eq!(first.end(Signal::KILL).0, None, "it ended by itself");
        for number in askers.into_iter().flat_map(|it| it.join().unwrap()) {
            allowed[number] += 1;
        }
    });
    // What nobody has used yet, somebody uses now.
    for (number, count) in allowed.iter_mut().enumerate() {
        let answer = ask(second.address, &token, number).unwrap();
        *count += usize::from(answer["decision"] == "allow");
    }
    assert!(allowed.iter().all(|it| *it <= 1), "an approval was used twice: {allowed:?}");
    second.stop();

    let counts = counts(&b);
    assert_eq!(counts.get("approval.consumed"), Some(&APPROVALS), "{counts:?}");
    assert_eq!(counts.get("approval.approved"), Some(&APPROVALS), "{counts:?}");
}

#[test]
fn what_one_gateway_changes_the_other_goes_by_within_a_second() {
    let Some(url) = database() else { return };
    let keys = tempfile::tempdir().unwrap();
    let (a, b) = pair(&url, keys.path());
    let (token, admin) = (a.agent_token(), a.admin_token());
    let (first, second) = (a.serve(""), b.serve(""));
    let before = second.check(&token, "cargo test").json["policy_version"].clone();
    let text = r#"@id("nothing-today") @reason("closed") forbid (principal, action, resource);"#;
    let activated = first.post(&admin, "/v1/policies", &json!({ "text": text }));
    assert_eq!(activated.status, 201, "{activated:?}");
    let wanted = activated.json["version"].clone();
    assert_ne!(before, wanted);
    let told = (0..10_000).any(|_| {
        let answer = second.check(&token, "cargo test").json;
        answer["policy_version"] == wanted && answer["decision"] == "refuse"
    });
    assert!(told, "the other gateway never heard of version {wanted}");
    first.stop();
    second.stop();
}
