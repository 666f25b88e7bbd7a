//! Servers that share a PostgreSQL: what one changes is in force at the others, and who cannot
//! know refuses.

use std::{fmt::Write as _, sync::Arc, time::Duration};

use gov_core::{Clock as _, SystemClock, Timestamp};
use gov_gateway::server::{Ended, Server};
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, PgPool};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    check_door::{ALLOWED, ASKED, REFUSED},
    http,
    process::Place,
    running::{AGENT, config},
};

/// Longer than anything here takes, and shorter than patience.
const LIMIT: Duration = Duration::from_mins(1);

/// An empty database, reached from beside and by its servers.
struct Shared {
    pool: PgPool,
    url: String,
    name: String,
    home: tempfile::TempDir,
}

impl Shared {
    /// `None` where there is no PostgreSQL to test with, which has been said.
    async fn new() -> Option<Self> {
        let pool = gov_store::fresh_database::postgres(&[]).await?;
        let name: String =
            sqlx::query_scalar("select current_database()").fetch_one(&pool).await.unwrap();
        let server = std::env::var("GOV_TEST_POSTGRES_URL").unwrap();
        let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
        Some(Self { pool, url, name, home: tempfile::tempdir().unwrap() })
    }

    async fn server(&self, more: &str) -> Node {
        let home = tempfile::tempdir().unwrap();
        let mut text = format!("database.url = \"{}\"\n", self.url);
        writeln!(text, "log.key_dir = '{}'", self.home.path().join("keys").display()).unwrap();
        text.push_str(more);
        let server = Server::start(&config(&home, &text), Arc::new(SystemClock)).await.unwrap();
        let started = server.started();
        let address = started.address;
        let admin = started.admin_token.as_ref().map(gov_gateway::identity::TokenSecret::to_text);
        let shutdown = CancellationToken::new();
        let task = tokio::spawn(server.run(shutdown.clone()));
        Node { address, admin, shutdown, task, _home: home }
    }

    async fn two(&self) -> Two {
        let (a, b) = (self.server("").await, self.server("").await);
        let admin = a.admin.clone().unwrap();
        let (_, agent) = a.token(&admin).await;
        let asked = async || b.check(&agent, ALLOWED).await;
        until("the new token counts there", asked, |(status, _)| *status == 200).await;
        Two { a, b, admin, agent }
    }
}

/// Two servers that know an agent's token.
struct Two {
    a: Node,
    b: Node,
    admin: String,
    agent: String,
}

/// One server.
struct Node {
    address: std::net::SocketAddr,
    admin: Option<String>,
    shutdown: CancellationToken,
    task: JoinHandle<Ended>,
    _home: tempfile::TempDir,
}

impl Node {
    async fn ask(&self, route: &str, token: &str, body: &str) -> (u16, Value) {
        let headers = [
            format!("host: {}", self.address),
            format!("authorization: Bearer {token}"),
            format!("content-length: {}", body.len()),
        ];
        let reply = http::send(self.address, route, &headers, body.as_bytes()).await;
        (reply.status, reply.json())
    }

    async fn check(&self, token: &str, command: &str) -> (u16, Value) {
        let action = json!({"kind": "bash", "command": command, "cwd": "/home/me/p"});
        let body = json!({"agent_id": AGENT, "action": action}).to_string();
        self.ask("POST /v1/actions/check", token, &body).await
    }

    /// Makes a token for the agent.
    async fn token(&self, admin: &str) -> (String, String) {
        let body = json!({"scope": "agent", "agent_id": AGENT}).to_string();
        let (status, json) = self.ask("POST /v1/tokens", admin, &body).await;
        assert_eq!(status, 201, "{json}");
        let text = |key: &str| json[key].as_str().unwrap().to_owned();
        (text("id"), text("token"))
    }

    async fn stop(self) -> Ended {
        self.shutdown.cancel();
        self.task.await.unwrap()
    }
}

/// Asks again and again until `done`; what is waited for is another server's next look.
async fn until<T>(what: &str, mut ask: impl AsyncFnMut() -> T, done: impl Fn(&T) -> bool) -> T {
    let start = SystemClock.now();
    loop {
        let answer = ask().await;
        if done(&answer) {
            return answer;
        }
        assert!(SystemClock.now().since(start) < LIMIT, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_servers_that_start_at_once_on_an_empty_database_one_founds_it() {
    let Some(shared) = Shared::new().await else { return };
    let (a, b) = tokio::join!(shared.server(""), shared.server(""));
    let admins = [&a.admin, &b.admin].into_iter().flatten().count();
    assert_eq!(admins, 1, "one admin token was made");
    let count = |table: &str| format!("select count(*) from {table}");
    for table in ["gateway_policy", "gateway_token"] {
        let rows = sqlx::query_scalar::<_, i64>(AssertSqlSafe(count(table)));
        assert_eq!(rows.fetch_one(&shared.pool).await.unwrap(), 1, "{table}");
    }
    for server in [a, b] {
        assert_eq!(server.stop().await, Ended::Clean);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_one_server_changes_is_in_force_at_the_other() {
    let Some(shared) = Shared::new().await else { return };
    let (a, b) = (shared.server("").await, shared.server("").await);
    let admin = a.admin.clone().unwrap();
    assert_eq!(b.admin, None, "there was one already");

    let (id, agent) = a.token(&admin).await;
    let allowed = async || b.check(&agent, ALLOWED).await;
    until("the new token counts there", allowed, |(status, _)| *status == 200).await;
    let (_, refused) = b.check(&agent, REFUSED).await;
    assert_eq!(refused["decision"], "refuse");

    let text = r#"@id("all") permit (principal, action, resource);"#;
    let body = json!({ "text": text }).to_string();
    let (status, json) = a.ask("POST /v1/policies", &admin, &body).await;
    assert_eq!((status, &json["record"]["durability"]), (201, &json!("durable")), "{json}");
    let judged = async || b.check(&agent, REFUSED).await.1;
    let now = until("the new policy counts there", judged, |it| it["decision"] == "allow").await;
    assert_eq!(now["policy_version"], 2);

    let (status, _) = b.ask(&format!("POST /v1/tokens/{id}/revoke"), &admin, "").await;
    assert_eq!(status, 200);
    let (status, json) = b.check(&agent, ALLOWED).await;
    assert_eq!(status, 401, "its own change counts at once: {json}");
    let asked = async || a.check(&agent, ALLOWED).await;
    until("the withdrawn token counts nowhere", asked, |(status, _)| *status == 401).await;
    for server in [a, b] {
        assert_eq!(server.stop().await, Ended::Clean);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halt_at_one_server_is_one_at_the_other_and_either_ends_it() {
    let Some(shared) = Shared::new().await else { return };
    let Two { a, b, admin, agent } = shared.two().await;
    let ends = async |it: &Node| {
        let (_, json) = it.check(&agent, ASKED).await;
        let at = json["approval"]["expires_at"].as_str().map(|it| it.parse::<Timestamp>().unwrap());
        at.ok_or(json)
    };
    let before = ends(&a).await.unwrap();
    let (_, first) = a.ask("POST /v1/halt", &admin, r#"{"reason":"smoke"}"#).await;
    assert_eq!(a.check(&agent, ALLOWED).await.1["rule_id"], "halted", "its own counts at once");
    let asked = async || b.check(&agent, ALLOWED).await;
    until("the halt counts there", asked, |(_, json)| json["rule_id"] == "halted").await;
    let (_, second) = b.ask("POST /v1/halt", &admin, r#"{"reason":"more smoke"}"#).await;
    assert_eq!((&second["changed"], &second["halted_at"]), (&json!(false), &first["halted_at"]));
    let (_, resumed) = b.ask("POST /v1/resume", &admin, r#"{"reason":"a toaster"}"#).await;
    assert_eq!((&resumed["halted"], &resumed["changed"]), (&json!(false), &json!(true)));
    let asked = async || a.check(&agent, ALLOWED).await;
    until("it goes on there", asked, |(_, json)| json["decision"] == "allow").await;
    // Both have heard of it, and it counts once.
    let given_back = "select (extract(epoch from resumed_at - halted_at) * 1000000)::bigint
                      from gateway_halt";
    let given_back: i64 = sqlx::query_scalar(given_back).fetch_one(&shared.pool).await.unwrap();
    let after = before + Duration::from_micros(given_back.unsigned_abs());
    let ended = until("its end counts there", async || ends(&b).await, |it| *it == Ok(after)).await;
    assert_eq!(ended, Ok(after));
    for server in [a, b] {
        assert_eq!(server.stop().await, Ended::Clean);
    }
    let clock = "select given_back from escalation_clock where halted_at is null";
    let clock: i64 = sqlx::query_scalar(clock).fetch_one(&shared.pool).await.unwrap();
    assert_eq!(clock, given_back, "given back twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_halt_and_a_policy_that_all_servers_confirm_count_at_each_at_once() {
    let Some(shared) = Shared::new().await else { return };
    let Two { a, b, admin, agent } = shared.two().await;
    let both = json!({"servers": 2, "of": 2});
    let halted = async || {
        a.ask("POST /v1/resume", &admin, r#"{"reason":"again"}"#).await;
        a.ask("POST /v1/halt", &admin, r#"{"reason":"smoke"}"#).await.1
    };
    // On a machine under load the other one may need more than an answer waits.
    until("both confirm the halt", halted, |it| it["confirmed"] == both).await;
    assert_eq!(b.check(&agent, ALLOWED).await.1["rule_id"], "halted");
    a.ask("POST /v1/resume", &admin, r#"{"reason":"a toaster"}"#).await;
    let body = json!({"text": r#"@id("all") permit (principal, action, resource);"#}).to_string();
    let put = async || a.ask("POST /v1/policies", &admin, &body).await.1;
    let put = until("both confirm the policy", put, |it| it["confirmed"] == both).await;
    assert_eq!(b.check(&agent, REFUSED).await.1["policy_version"], put["version"]);

    assert_eq!(b.stop().await, Ended::Clean);
    let (_, alone) = a.ask("POST /v1/halt", &admin, r#"{"reason":"smoke"}"#).await;
    assert_eq!(alone["confirmed"], json!({"servers": 1, "of": 1}), "who has left counts no more");
    assert_eq!(a.stop().await, Ended::Clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_cannot_ask_refuses_as_stale_and_goes_on_by_itself() {
    let Some(shared) = Shared::new().await else { return };
    let it = shared.server("durability.refuse = \"spooled\"").await;
    let (_, agent) = it.token(it.admin.as_ref().unwrap()).await;
    assert_eq!(it.check(&agent, ALLOWED).await.1["decision"], "allow");

    // Nobody gets in, and who is in is thrown out.
    let server = std::env::var("GOV_TEST_POSTGRES_URL").unwrap();
    let beside = PgPool::connect(&server).await.unwrap();
    shared.pool.close().await;
    let door = async |open: bool| {
        let alter = format!("alter database {} allow_connections {open}", shared.name);
        sqlx::query(AssertSqlSafe(alter)).execute(&beside).await.unwrap();
    };
    door(false).await;
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1")
        .bind(&shared.name)
        .execute(&beside)
        .await
        .unwrap();
    let asked = async || it.check(&agent, ALLOWED).await;
    let stale = |(_, json): &(u16, Value)| json["rule_id"] == "state-stale";
    let (status, json) = until("it goes stale", asked, stale).await;
    assert_eq!((status, &json["decision"]), (200, &json!("refuse")), "{json}");
    let ready = async || it.ask("GET /readyz", "", "").await;
    let (status, json) = ready().await;
    assert!(status == 503 && json.to_string().contains("everything is refused"), "{json}");

    door(true).await;
    let asked = async || it.check(&agent, ALLOWED).await;
    until("it goes on", asked, |(_, json)| json["decision"] == "allow").await;
    until("it is ready", ready, |(status, _)| *status == 200).await;
    assert_eq!(it.stop().await, Ended::Clean);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_work_on_the_shared_database_beside_its_servers() {
    let Some(shared) = Shared::new().await else { return };
    let it = shared.server("").await;
    let place = Place::new();
    let file = place.write("url", &shared.url);
    let url = format!("file:{}", file.display());
    let (made, place) = tokio::task::spawn_blocking(move || {
        let run = |arguments: &[&str]| {
            let ran = place.run(&[arguments, &["--json", "--database-url", &url]].concat());
            assert_eq!(ran.code, 0, "{ran:?}");
            serde_json::from_str::<Value>(&ran.out).unwrap()
        };
        run(&["people", "add", "Ann", "--role", "ops"]);
        let made = run(&["tokens", "create", "--scope", "approver", "--person", "Ann"]);
        assert_eq!(run(&["people", "list"])["items"][0]["name"], "Ann");
        assert_eq!(run(&["policies", "list"])["items"][0]["version"], 1);
        (made, place)
    })
    .await
    .unwrap();
    assert!(!place.data_dir().exists(), "it needs no directory");
    let token = made["token"].as_str().unwrap();
    let me = async || it.ask("GET /v1/whoami", token, "").await;
    let (_, me) = until("the server hears of it", me, |(status, _)| *status == 200).await;
    assert_eq!(me["person"]["name"], "Ann");
    let show = "select count(*) from gateway_feed where cursor >= 4";
    let logged = async || sqlx::query_scalar::<_, i64>(show).fetch_one(&shared.pool).await.unwrap();
    until("the server's log has the changes", logged, |it| *it == 1).await;
    assert_eq!(it.stop().await, Ended::Clean);
}
