//! `gov serve` by itself: what it makes, and why it does not start.

use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt as _,
    sync::Arc,
};

use rustix::process::Signal;

use crate::{
    chains::{ASKS, PROD},
    check_door::REFUSED,
    lifecycle::{agent_token, check},
    process::{Place, database},
    running::{Running, config},
};
use gov_core::SystemClock;
use gov_gateway::server::{Ended, Server, StartError};

#[test]
fn without_any_configuration_it_makes_everything_and_says_so_in_five_lines() {
    let place = Place::new();
    let it = place.serve(&[]);
    let data_dir = fs::canonicalize(place.data_dir()).unwrap();
    assert!(it.lines[0].starts_with("gov 0.1.0 listens on http://127.0.0.1:"), "{:?}", it.lines);
    assert_eq!(it.lines[1], format!("data directory: {} (made now)", data_dir.display()));
    assert_eq!(it.lines[2], "policy: balanced, version 1");
    assert!(it.lines[3].starts_with("signed log: localhost.invalid/"), "{:?}", it.lines);
    assert!(it.lines[3].contains("checkpoints/checkpoints.log"), "{:?}", it.lines);
    assert!(it.admin().starts_with("gov_"), "{:?}", it.lines);
    assert_eq!(fs::metadata(&data_dir).unwrap().permissions().mode() & 0o777, 0o700);
    for key in fs::read_dir(data_dir.join("keys")).unwrap() {
        let path = key.unwrap().path();
        if path.extension().is_some_and(|it| it == "key") {
            assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
    assert_eq!(it.end(Signal::TERM).0, Some(0));

    let again = place.serve(&[]);
    assert!(again.lines[1].ends_with("(as it was)"), "{:?}", again.lines);
    assert!(again.lines[4].starts_with("tokens: as they were"), "{:?}", again.lines);
}

#[test]
fn a_port_in_use_is_3_and_leaves_nothing_behind() {
    let place = Place::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let message = format!("cannot listen on `{address}`; stop what does, or choose another");
    place.serve_in_vain(&["--listen", &address]).failed(3, &message);
    assert!(!place.data_dir().exists());
}

/// A policy of a chain that the first configuration has and the second has not.
#[tokio::test]
async fn a_start_that_fails_late_leaves_no_task_and_no_lock_behind() {
    let it = Running::start(PROD).await;
    let body = serde_json::json!({ "text": ASKS }).to_string();
    assert_eq!(it.post("/v1/policies", &it.admin, &body).await.status, 201);
    let (admin, agent) = (it.admin.clone(), it.agent.clone());
    let (ended, home) = it.stop().await;
    assert_eq!(ended, Ended::Clean);
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let before = tasks();
    for _again in 0..2 {
        let error = Server::start(&config(&home, ""), Arc::new(SystemClock)).await.unwrap_err();
        assert!(matches!(error, StartError::Policy { .. }), "{error}");
        assert_eq!(tasks(), before);
    }
    let it = Running::start_on(home, PROD, admin, agent).await;
    assert_eq!(it.check_command(REFUSED).await.status, 200);
    assert_eq!(it.stop().await.0, Ended::Clean);
}

#[test]
fn a_second_process_on_the_directory_is_3_and_names_the_first() {
    let place = Place::new();
    let it = place.serve(&[]);
    let holder = format!("is in use by process {}", it.pid());
    let others = [&["init"][..], &["migrate"], &["tokens", "create", "--scope", "admin"]];
    for ran in others.iter().map(|it| place.run(it)).chain([place.serve_in_vain(&[])]) {
        ran.failed(3, &holder);
        ran.failed(3, "set GOV_URL and GOV_TOKEN");
    }
}

#[test]
fn a_directory_that_cannot_be_made_is_3_and_a_wide_one_is_2() {
    let place = Place::new();
    let run = |dir: &str| place.serve_in_vain(&["--data-dir", dir]);
    run("/proc/gov").failed(3, "cannot use `/proc/gov` as data directory");
    let file = place.write("file", "");
    run(file.to_str().unwrap()).failed(2, "is not a directory; name another with `--data-dir`");
    let wide = place.path("wide");
    fs::create_dir(&wide).unwrap();
    fs::set_permissions(&wide, Permissions::from_mode(0o755)).unwrap();
    run(wide.to_str().unwrap()).failed(2, "must have mode 0700; received 0755: correct it with");
    assert_eq!(fs::read_dir(&wide).unwrap().count(), 0);
}

#[test]
fn a_key_that_others_can_read_is_2() {
    let place = Place::new();
    place.run(&["init"]);
    place.serve(&[]).end(Signal::TERM);
    for key in ["redaction.key", "audit-log.e1.key"] {
        let path = place.data_dir().join("keys").join(key);
        fs::set_permissions(&path, Permissions::from_mode(0o640)).unwrap();
        let ran = place.serve_in_vain(&[]);
        ran.failed(2, "0640");
        ran.failed(2, "chmod 600");
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    }
}

#[test]
fn a_newer_schema_is_5_in_either_database() {
    let place = Place::new();
    place.serve(&[]).end(Signal::TERM);
    for (file, component) in [("gov.db", "gateway"), ("audit-log.db", "audit_log")] {
        let table = format!("_{component}_migrations");
        let newer = format!(
            "insert into {table} (version, what, sha256, min_reader, applied_at)
             select max(version) + 1, 'newer', sha256, max(version) + 1, applied_at from {table}"
        );
        database(&place.data_dir(), file).execute(&newer, []).unwrap();
        let ran = place.serve_in_vain(&[]);
        ran.failed(5, "newer");
        let older = format!("delete from {table} where what = 'newer'");
        database(&place.data_dir(), file).execute(&older, []).unwrap();
    }
    place.serve(&[]);
}

#[test]
fn a_database_that_cannot_be_reached_is_3_and_its_password_is_not_repeated() {
    let place = Place::new();
    let url = "postgres://me:hunter22@127.0.0.1:1/gov";
    let file = place.write("url", &format!("{url}\n"));
    for url in [url.to_owned(), format!("file:{}", file.display())] {
        let ran = place.serve_in_vain(&["--database-url", &url]);
        ran.failed(3, "cannot reach the database `postgres://me:***@127.0.0.1:1/gov`: ");
        assert!(!ran.err.contains("hunter22"), "{ran:?}");
        place
            .run(&["tokens", "list", "--database-url", &url])
            .failed(3, "cannot reach the database");
    }
    let ran = place.serve_in_vain(&["--database-url", "mysql://me:hunter22@h/gov"]);
    ran.failed(2, "--database-url: `database.url` must be `sqlite`, `postgres://");
    assert!(!ran.err.contains("hunter22"), "{ran:?}");
}

#[test]
fn a_log_that_was_put_back_is_4_and_nothing_is_signed() {
    let place = Place::new();
    let token = agent_token(&place);
    place.serve(&[]).end(Signal::TERM);
    let log = place.data_dir().join("audit-log.db");
    let before = fs::read(&log).unwrap();
    let it = place.serve(&[]);
    assert_eq!(check(&it, &token, REFUSED)["record"]["durability"], "durable");
    assert_eq!(it.end(Signal::TERM).0, Some(0));
    fs::write(&log, before).unwrap();
    let copy = place.data_dir().join("checkpoints/checkpoints.log");
    let outside = fs::read(&copy).unwrap();
    let ran = place.serve_in_vain(&[]);
    ran.failed(4, "rollback detected: the outside copy knows");
    ran.failed(4, "gov audit accept-rollback --reason");
    assert_eq!(fs::read(&copy).unwrap(), outside, "nothing new was signed");
}

#[test]
fn a_policy_that_is_lost_is_not_replaced_in_silence() {
    let place = Place::new();
    place.run(&["init", "strict"]);
    database(&place.data_dir(), "gov.db").execute("delete from gateway_policy", []).unwrap();
    let it = place.serve(&[]);
    assert_eq!(it.lines[2], "policy: none: everything is refused, version 0");
    let (status, body) = get(it.address, "/readyz");
    assert!(status == 503 && body.contains("no policy is loaded"), "{status} {body}");
    assert_eq!(it.end(Signal::TERM).0, Some(0));
    let ran = place.run(&["init", "strict"]);
    assert!(ran.code == 0 && ran.out.contains("policy: strict"), "{ran:?}");
}

fn get(address: std::net::SocketAddr, path: &str) -> (u16, String) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let host = [format!("host: {address}")];
    let reply = runtime.block_on(crate::http::send(address, &format!("GET {path}"), &host, b""));
    (reply.status, reply.body)
}
