//! The kill switch: what is refused while everything is halted, who throws it, and that it lasts.

use std::{net::SocketAddr, time::Duration};

use gov_core::{Clock as _, SystemClock, Timestamp};
use rustix::process::Signal;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    check_door::{ALLOWED, ASKED, REFUSED},
    deciders::Deciding,
    http,
    process::{Place, database},
    running::Running,
};

/// Longer than anything here takes, and shorter than patience.
const LIMIT: Duration = Duration::from_mins(1);

const SMOKE: &str = r#"{"reason":"smoke in the server room"}"#;

async fn part(it: &Running) -> Value {
    let host = [format!("host: {}", it.address)];
    let ready = http::send(it.address, "GET /readyz", &host, b"").await;
    assert_eq!(ready.status, 200, "{ready:?}");
    let json = ready.json();
    let parts = json["parts"].as_array().unwrap();
    parts.iter().find(|it| it["name"] == "halt").unwrap().clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_it_is_halted_every_check_is_refused_on_record_with_the_reason() {
    let it = Running::start("").await;
    assert_eq!(it.get("/v1/halt", &it.admin).await.json()["halted"], false);
    assert_eq!(part(&it).await["state"], "healthy");
    let halted = it.post("/v1/halt", &it.admin, SMOKE).await;
    let json = halted.json();
    assert_eq!(halted.status, 200, "{json}");
    assert_eq!((&json["halted"], &json["changed"]), (&json!(true), &json!(true)));
    assert_eq!(json["record"]["durability"], "durable");
    for command in [ALLOWED, REFUSED, ASKED] {
        let answer = it.check_command(command).await.json();
        assert_eq!(answer["decision"], "refuse", "{command}: {answer}");
        assert_eq!(answer["rule_id"], "halted", "{command}: {answer}");
        let reason = answer["reason"].as_str().unwrap();
        assert!(reason.contains("smoke in the server room"), "{reason}");
        assert_eq!(answer["record"]["durability"], "durable");
    }
    let (part, shown) = (part(&it).await, it.get("/v1/halt", &it.admin).await.json());
    assert_eq!(part["state"], "degraded", "{part}");
    assert!(part["reason"].as_str().unwrap().contains("`gov resume`"), "{part}");
    assert!(!part["reason"].as_str().unwrap().contains("smoke"), "it is for everybody: {part}");
    assert_eq!(shown["reason"], "smoke in the server room");
    assert!(shown["who"].as_str().unwrap().starts_with("tok_"), "{shown}");

    let resumed = it.post("/v1/resume", &it.admin, r#"{"reason":"a toaster"}"#).await.json();
    assert_eq!((&resumed["halted"], &resumed["changed"]), (&json!(false), &json!(true)));
    assert_eq!(it.check_command(ALLOWED).await.json()["decision"], "allow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_is_neither_used_nor_lost_while_it_is_halted() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    it.approve(&id).await;
    let waiting = it.it.check_command(&format!("{ASKED} other")).await.json();
    it.it.post("/v1/halt", &it.it.admin, SMOKE).await;
    for answer in [it.check_named(&id, ASKED).await, it.it.check_command(ASKED).await.json()] {
        assert_eq!(answer["rule_id"], "halted", "{answer}");
    }
    it.it.check_command(&format!("{ASKED} other")).await;
    assert_eq!(it.approval(&id).await["status"], "approved");
    let other = waiting["approval"]["id"].as_str().unwrap();
    assert_eq!(it.approval(other).await["status"], "pending", "the halt says nothing about it");
    it.it.post("/v1/resume", &it.it.admin, SMOKE).await;
    assert_eq!(it.check_named(&id, ASKED).await["decision"], "allow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn halting_twice_keeps_the_first_time_and_says_so() {
    let it = Running::start("").await;
    let operator = it.create_token(r#"{"scope":"operator"}"#).await;
    let nothing = it.post("/v1/resume", &operator, SMOKE).await.json();
    assert_eq!((&nothing["halted"], &nothing["changed"]), (&json!(false), &json!(false)));
    let first = it.post("/v1/halt", &operator, SMOKE).await.json();
    let second = it.post("/v1/halt", &it.admin, r#"{"reason":"more smoke"}"#).await.json();
    assert_eq!((&second["changed"], second.get("record")), (&json!(false), None));
    for name in ["halted", "halted_at", "reason", "who"] {
        assert_eq!(second[name], first[name], "{name}");
    }
    let resume = async || it.post("/v1/resume", &operator, SMOKE).await.json()["changed"].clone();
    assert_eq!((resume().await, resume().await), (json!(true), json!(false)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_who_runs_the_server_halts_it_and_not_without_a_reason() {
    let it = Deciding::start("").await;
    let auditor = it.it.create_token(r#"{"scope":"auditor"}"#).await;
    for path in ["/v1/halt", "/v1/resume"] {
        for token in [&it.it.agent, &it.ann, &auditor] {
            let (status, _, field, _) = it.it.post(path, token, SMOKE).await.problem();
            assert_eq!((status, &*field), (403, "scope"), "{path}");
        }
        assert_eq!(it.it.post(path, "", SMOKE).await.problem().0, 401);
        for (body, status, field) in [
            ("{", 400, ""),
            ("[]", 422, "body"),
            ("{}", 422, "reason"),
            (r#"{"reason":7}"#, 422, "reason"),
            (r#"{"reason":" "}"#, 422, "reason"),
            (r#"{"reason":"x","until":"y"}"#, 422, "until"),
        ] {
            let (got, _, got_field, json) = it.it.post(path, &it.it.admin, body).await.problem();
            assert_eq!((got, &*got_field), (status, field), "{path} {body}: {json}");
        }
    }
    assert_eq!(it.it.get("/v1/halt", &it.it.agent).await.problem().0, 403);
    for token in [&it.ann, &auditor] {
        assert_eq!(it.it.get("/v1/halt", token).await.json()["halted"], false);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halt_lasts_over_a_restart() {
    let it = Running::start("").await;
    it.post("/v1/halt", &it.admin, SMOKE).await;
    let (admin, agent) = (it.admin.clone(), it.agent.clone());
    let (_, home) = it.stop().await;
    let it = Running::start_on(home, "", admin, agent).await;
    assert_eq!(it.check_command(ALLOWED).await.json()["rule_id"], "halted");
    assert_eq!(part(&it).await["state"], "degraded");
}

/// The last halt of a data directory, in microseconds: when it began, and for how long it was.
fn last_halt(home: &TempDir) -> (i64, i64) {
    let db = database(&home.path().join("gov"), "gov.db");
    let last = "select halted_at, resumed_at - halted_at from gateway_halt";
    db.query_row(last, (), |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

/// The approval once `done`; the clocks follow a halt within moments.
async fn shown(it: &Running, id: &str, token: &str, done: impl Fn(&Value) -> bool) -> Value {
    let start = SystemClock.now();
    loop {
        let json = it.get(&format!("/v1/approvals/{id}"), token).await.json();
        if done(&json) {
            return json;
        }
        assert!(SystemClock.now().since(start) < LIMIT, "{json}");
        tokio::task::yield_now().await;
    }
}

/// Whether the metrics of a server process have this line, within seconds.
fn says(address: SocketAddr, token: &str, line: &str) -> bool {
    let headers = [format!("host: {address}"), format!("authorization: Bearer {token}")];
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let start = SystemClock.now();
    while SystemClock.now().since(start) < LIMIT {
        let reply = runtime.block_on(http::send(address, "GET /metrics", &headers, b""));
        if reply.body.lines().any(|it| it == line) {
            return true;
        }
    }
    false
}

fn micros(time: &Value) -> i64 {
    time.as_str().unwrap().parse::<Timestamp>().unwrap().as_micros()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clocks_of_what_waits_stand_still_and_get_exactly_the_time_back() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let before = it.approval(&id).await;
    assert_eq!(before.get("halted_at"), None);
    let halted = it.it.post("/v1/halt", &it.it.admin, SMOKE).await.json();
    let still = shown(&it.it, &id, &it.ann, |it| it["halted_at"] == halted["halted_at"]).await;
    assert_eq!(still["expires_at"], before["expires_at"]);

    it.it.post("/v1/resume", &it.it.admin, SMOKE).await;
    let after = shown(&it.it, &id, &it.ann, |it| it.get("halted_at").is_none()).await;
    let (_, span) = last_halt(&it.it.home);
    assert!(span > 0);
    assert_eq!(micros(&after["expires_at"]), micros(&before["expires_at"]) + span);
}

/// A process that dies between the two commits leaves what the next one makes good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clocks_follow_at_the_next_start_what_they_have_missed() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let before = micros(&it.approval(&id).await["expires_at"]);
    let (ann, Deciding { it, .. }) = (it.ann.clone(), it);
    let (admin, agent) = (it.admin.clone(), it.agent.clone());
    let (_, home) = it.stop().await;
    let stored = |home: &TempDir, sql: &str| {
        database(&home.path().join("gov"), "gov.db").execute(sql, ()).unwrap();
    };
    let at = SystemClock.now().as_micros();
    stored(
        &home,
        &format!(
            "insert into gateway_halt (one, halted_at, reason, who) values (1, {at}, 'x', 'y')"
        ),
    );
    let it = Running::start_on(home, "", admin.clone(), agent.clone()).await;
    let still = it.get(&format!("/v1/approvals/{id}"), &ann).await.json();
    assert_eq!(micros(&still["halted_at"]), at, "before anything may fire");
    let (_, home) = it.stop().await;

    stored(&home, "update gateway_halt set resumed_at = halted_at + 5000000");
    let it = Running::start_on(home, "", admin.clone(), agent.clone()).await;
    let after = async |it: &Running| {
        let json = it.get(&format!("/v1/approvals/{id}"), &ann).await.json();
        assert_eq!(json.get("halted_at"), None, "{json}");
        micros(&json["expires_at"])
    };
    assert_eq!(after(&it).await, before + 5_000_000);
    let (_, home) = it.stop().await;
    let it = Running::start_on(home, "", admin, agent).await;
    assert_eq!(after(&it).await, before + 5_000_000, "given back twice");
}

#[test]
fn gov_halts_and_resumes_the_files_and_the_server_that_runs_on_them() {
    let place = Place::new();
    place.run(&["init"]);
    let halt = ["halt", "--reason", "smoke"];
    let ran = place.run(&halt);
    assert!(ran.code == 0 && ran.out.starts_with("every check is refused since "), "{ran:?}");
    let clocks = |what: &str| -> Option<i64> {
        let db = database(&place.data_dir(), "gov.db");
        db.query_row(&format!("select {what} from escalation_clock"), (), |it| it.get(0)).unwrap()
    };
    let halted_at = clocks("halted_at");
    assert!(halted_at.is_some(), "no server runs that would stop them");
    let again = place.run(&halt);
    assert_eq!(clocks("halted_at"), halted_at);
    assert!(again.out.contains("is refused already, since "), "{again:?}");
    assert!(again.out.contains("by gov halt: smoke"), "{again:?}");
    for (arguments, message) in
        [(&["halt", "--reason", " "][..], "must be 1 to 512 bytes long"), (&["halt"], "--reason")]
    {
        let ran = place.run(arguments);
        assert!(ran.code == 2 && ran.err.contains(message), "{ran:?}");
    }

    let made = place.run(&["tokens", "create", "--scope", "operator", "--json"]);
    let made: Value = serde_json::from_str(&made.out).unwrap();
    let it = place.serve(&[]);
    let (url, operator) = (it.url(), made["token"].as_str().unwrap());
    let server = [("GOV_URL", &*url), ("GOV_TOKEN", operator)];
    assert!(says(it.address, operator, "gov_halted 1"), "the metric of a halt at the start");
    let settings = place.path("settings.json");
    let doctor = ["doctor", "--settings", settings.to_str().unwrap()];
    let doctor = place.run_with(&server, &doctor);
    assert!(doctor.out.contains("everything is halted since "), "{doctor:?}");
    let ran = place.run_with(&server, &["resume", "--reason", "a toaster"]);
    assert_eq!(
        (ran.code, &*ran.out),
        (0, "checks are judged again\nconfirmed 1 of 1\n"),
        "{ran:?}"
    );
    let ran = place.run_with(&server, &["resume", "--reason", "a toaster", "--json"]);
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!((&json["halted"], &json["changed"]), (&json!(false), &json!(false)));
    assert!(says(it.address, operator, "gov_halted 0"), "the metric of its end");
    assert_eq!(it.end(Signal::TERM).0, Some(0));
    assert_eq!(clocks("halted_at"), None);
    let given_back = clocks("given_back");
    place.run(&halt);
    place.run(&["resume", "--reason", "a toaster"]);
    assert!(clocks("given_back") > given_back);
    assert_eq!(clocks("halted_at"), None);
}
