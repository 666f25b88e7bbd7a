//! `GET /log/{origin}/…`: who reads the log, and what there is not.

use crate::{
    check_door::REFUSED,
    http::{self, Reply},
    running::Running,
};

impl Running {
    /// The log's name, as it stands in its public key.
    fn origin(&self) -> String {
        let path = self.home.path().join("gov/keys/audit-log.e1.vkey");
        let vkey = std::fs::read_to_string(path).unwrap();
        vkey.split_once('+').unwrap().0.to_owned()
    }

    async fn log_file(&self, name: &str, token: &str) -> Reply {
        self.get(&format!("/log/{}/{name}", self.origin()), token).await
    }

    /// How many records the log's checkpoint stands for.
    async fn log_size(&self) -> u64 {
        let checkpoint = self.log_file("checkpoint", &self.admin).await.body;
        checkpoint.lines().nth(1).unwrap().parse().unwrap()
    }

    /// What the log answers while it does not grow, and its size then, which `name` may use as
    /// `{next}`: records of what happened before are committed a moment later.
    async fn log_file_at_rest(&self, name: &str) -> (u64, Reply) {
        let mut size = self.log_size().await;
        for _ in 0..256 {
            let name = name.replace("{next}", &(size + 1).to_string());
            let reply = self.log_file(&name, &self.admin).await;
            let before = std::mem::replace(&mut size, self.log_size().await);
            if before == size {
                return (size, reply);
            }
        }
        panic!("the log never rests");
    }
}

const FILES: [&str; 5] =
    ["checkpoint", "vkey", "tile/0/000.p/1", "tile/entries/000.p/1", "proof/1"];

#[tokio::test]
async fn only_who_audits_operates_or_administers_reads_the_log() {
    let it = Running::start("").await;
    let auditor = it.create_token(r#"{"scope":"auditor"}"#).await;
    let operator = it.create_token(r#"{"scope":"operator"}"#).await;
    for file in FILES {
        assert_eq!(it.log_file(file, &it.agent).await.problem().0, 403, "{file}");
        assert_eq!(it.log_file(file, "gov_x_y").await.problem().0, 401, "{file}");
        for token in [&auditor, &operator, &it.admin] {
            assert_eq!(it.log_file(file, token).await.status, 200, "{file}");
        }
    }
    // Who may not read it does not learn what there is either.
    assert_eq!(it.log_file("tile/9", &it.agent).await.problem().0, 403);
    assert_eq!(it.get("/log/other.example/gov/e1/vkey", &it.agent).await.problem().0, 403);
}

#[tokio::test]
async fn the_epochs_are_listed_for_who_reads_the_log() {
    let it = Running::start("").await;
    assert_eq!(it.get("/log", &it.agent).await.problem().0, 403);
    let listed = it.get("/log", &it.admin).await.json();
    let [epoch] = listed["items"].as_array().unwrap().as_slice() else { panic!("{listed}") };
    assert_eq!(epoch["origin"], it.origin());
    assert_eq!((&epoch["epoch"], &epoch["current"]), (&1.into(), &true.into()));
    assert!(epoch["size"].as_u64().is_some_and(|it| it > 0) && listed["next"].is_null());
    let (status, _, _, json) = it.log_file("first-checkpoint", &it.admin).await.problem();
    assert_eq!(status, 404);
    assert!(json["detail"].as_str().unwrap().ends_with("was not handed over: it is the first"));
}

#[tokio::test]
async fn a_public_log_is_read_by_all_and_the_rest_by_nobody_more() {
    let it = Running::start("log.public = true").await;
    let host = [format!("host: {}", it.address)];
    for file in FILES {
        let route = format!("GET /log/{}/{file}", it.origin());
        assert_eq!(http::send(it.address, &route, &host, b"").await.status, 200, "{file}");
    }
    let dlq = http::send(it.address, "GET /v1/audit/dlq", &host, b"").await;
    assert_eq!(dlq.problem().0, 401);
    let foreign = ["host: evil.example".to_owned()];
    let route = format!("GET /log/{}/vkey", it.origin());
    assert_eq!(http::send(it.address, &route, &foreign, b"").await.problem().0, 403);
}

#[tokio::test]
async fn tiles_are_cached_for_ever_by_whom_they_are_for_and_checkpoints_by_nobody() {
    let it = Running::start("").await;
    for (file, kind, cached) in [
        ("checkpoint", "text/plain; charset=utf-8", "no-store"),
        ("vkey", "text/plain; charset=utf-8", "no-store"),
        ("proof/1", "text/plain; charset=utf-8", "no-store"),
        ("tile/0/000.p/1", "application/octet-stream", "private, max-age=31536000, immutable"),
        (
            "tile/entries/000.p/1",
            "application/octet-stream",
            "private, max-age=31536000, immutable",
        ),
    ] {
        let reply = it.log_file(file, &it.admin).await;
        let has = |line: String| reply.head.lines().any(|it| it == line);
        assert!(has(format!("content-type: {kind}")), "{reply:?}");
        assert!(has(format!("cache-control: {cached}")), "{reply:?}");
    }
    let it = Running::start("log.public = true").await;
    let reply = it.log_file("tile/0/000.p/1", &it.admin).await;
    assert!(reply.head.contains("cache-control: public, max-age=31536000, immutable"), "{reply:?}");
}

#[tokio::test]
async fn what_there_is_not_is_said_in_so_many_words() {
    let it = Running::start("").await;
    it.check_command(REFUSED).await;
    for file in [
        "tile/0/000.p/{next}",
        "tile/0/000",
        "tile/1/000.p/1",
        "tile/63/000",
        "tile/entries/000.p/{next}",
        "proof/{next}",
        "proof/0",
        "proof/18446744073709551615",
    ] {
        let (size, reply) = it.log_file_at_rest(file).await;
        assert!((1..256).contains(&size), "{size}");
        let (status, code, _, json) = reply.problem();
        assert_eq!((status, &*code), (404, "not-found"), "{file}: {json}");
        let beyond = format!("has {size} records, and this is beyond them");
        assert!(json["detail"].as_str().unwrap().contains(&beyond), "{file}: {json}");
    }
    for file in [
        "proof/01",
        "tile/0/0",
        "tile/0/000.p/256",
        "tile/0/x000/001",
        "tile/64/000",
        "tile/0/../0/000",
        "payload/000",
        "checkpoint/",
        "",
    ] {
        let (status, code, _, json) = it.log_file(file, &it.admin).await.problem();
        assert_eq!((status, &*code), (404, "not-found"), "{file}: {json}");
        let detail = json["detail"].as_str().unwrap();
        assert!(detail.contains("an epoch has `checkpoint`, `vkey`"), "{file}: {json}");
    }
    let origin = it.origin();
    for path in [
        format!("/log/{origin}2/checkpoint"),
        format!("/log/{}/checkpoint", origin.replace("/gov/e1", "/gov/e2")),
        format!("/log/{origin}"),
        "/log/checkpoint".to_owned(),
        "/log/%ff/checkpoint".to_owned(),
        "/log//checkpoint".to_owned(),
    ] {
        let (status, code, _, json) = it.get(&path, &it.admin).await.problem();
        assert_eq!((status, &*code), (404, "not-found"), "{path}");
        let detail = json["detail"].as_str().unwrap();
        assert!(detail.starts_with("no epoch of the signed log has this origin"), "{path}: {json}");
    }
    let posted = it.post(&format!("/log/{origin}/checkpoint"), &it.admin, "").await;
    assert_eq!(posted.problem().0, 405);
}
