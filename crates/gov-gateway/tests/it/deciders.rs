//! A running server with people who decide.

use gov_core::{Clock as _, PersonId, SystemClock};
use rusqlite::{Connection, params};
use serde_json::{Value, json};

use crate::{
    check_door::ASKED,
    http::{self, Reply},
    running::{AGENT, Running},
};

/// A policy that refuses everything.
pub(crate) const REFUSES: &str = "@id(\"no\") forbid (principal, action, resource);";

/// A server, and the tokens of its people.
pub(crate) struct Deciding {
    pub(crate) it: Running,
    /// Ann has the role `ops`.
    pub(crate) ann: String,
    /// Bob has the role `lead`.
    pub(crate) bob: String,
    /// Kim has the role `ops` too, and owns [`OWNED`].
    pub(crate) kim: String,
    pub(crate) ann_id: PersonId,
}

/// An agent that belongs to Kim.
pub(crate) const OWNED: &str = "kims";

impl Deciding {
    /// Starts on a fresh directory, with `more` lines of TOML.
    pub(crate) async fn start(more: &str) -> Self {
        let first = Running::start("").await;
        first.create_token(&agent(OWNED)).await;
        let (admin, agent_token) = (first.admin.clone(), first.agent.clone());
        let (_, home) = first.stop().await;
        let [ann_id, bob_id, kim_id] = [(); 3].map(|()| PersonId::at(SystemClock.now()));
        let db = Connection::open(home.path().join("gov/gov.db")).unwrap();
        for (id, name, role) in
            [(ann_id, "Ann", "ops"), (bob_id, "Bob", "lead"), (kim_id, "Kim", "ops")]
        {
            let id = id.as_uuid().into_bytes();
            let person =
                "insert into gateway_person (person_id, name, created_at) values (?1, ?2, 0)";
            db.execute(person, params![id, name]).unwrap();
            let roles = "insert into gateway_person_role values (?1, ?2)";
            db.execute(roles, params![id, role]).unwrap();
        }
        let owner = "insert into gateway_agent_owner values (?1, ?2)";
        db.execute(owner, params![OWNED, kim_id.as_uuid().into_bytes()]).unwrap();
        drop(db);
        let it = Running::start_on(home, more, admin, agent_token).await;
        let approver = |name| json!({"scope": "approver", "person": name}).to_string();
        let ann = it.create_token(&approver("Ann")).await;
        let bob = it.create_token(&approver("Bob")).await;
        let kim = it.create_token(&approver("Kim")).await;
        Self { it, ann, bob, kim, ann_id }
    }

    /// Asks for what waits for a human, and gives the approval's id.
    pub(crate) async fn ask(&self) -> String {
        let json = self.it.check_command(ASKED).await.json();
        assert_eq!(json["decision"], "require_approval", "{json}");
        json["approval"]["id"].as_str().unwrap().to_owned()
    }

    /// One approval, as an approver sees it.
    pub(crate) async fn approval(&self, id: &str) -> Value {
        let reply = self.it.get(&format!("/v1/approvals/{id}"), &self.ann).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// Decides about what is shown.
    pub(crate) async fn decide(&self, id: &str, token: &str, decision: &str) -> Reply {
        let digest = self.approval(id).await["digest"].clone();
        let body = json!({"decision": decision, "digest": digest}).to_string();
        self.it.post(&format!("/v1/approvals/{id}/decision"), token, &body).await
    }

    /// Ann approves.
    pub(crate) async fn approve(&self, id: &str) {
        let reply = self.decide(id, &self.ann, "approve").await;
        assert_eq!(reply.status, 200, "{reply:?}");
    }

    /// Asks again, naming the approval.
    pub(crate) async fn check_named(&self, id: &str, command: &str) -> Value {
        let body = named(id, command);
        let reply = self.it.check(&body).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.json()
    }

    /// Asks under a key.
    pub(crate) async fn check_under(&self, key: &str, body: &str) -> Reply {
        let headers = [
            format!("host: {}", self.it.address),
            format!("authorization: Bearer {}", self.it.agent),
            format!("content-length: {}", body.len()),
            format!("idempotency-key: {key}"),
        ];
        http::send(self.it.address, "POST /v1/actions/check", &headers, body.as_bytes()).await
    }

    /// Judges by another policy from now on.
    pub(crate) async fn activate(&self, text: &str) {
        let body = json!({ "text": text }).to_string();
        let reply = self.it.post("/v1/policies", &self.it.admin, &body).await;
        assert_eq!(reply.status, 201, "{reply:?}");
    }
}

/// The body of a check that names an approval.
pub(crate) fn named(id: &str, command: &str) -> String {
    let action = json!({"kind": "bash", "command": command, "cwd": "/home/me/p"});
    json!({"agent_id": AGENT, "action": action, "approval_id": id}).to_string()
}

fn agent(id: &str) -> String {
    json!({"scope": "agent", "agent_id": id, "register": true}).to_string()
}

/// A policy that asks about everything, through the chain that it is formatted with.
pub(crate) fn asks(chain: &str) -> String {
    format!(
        "@id(\"all\") permit (principal, action, resource);\n\
         @id(\"ask\") @outcome(\"require_approval\") {chain} forbid (principal, action, resource);"
    )
}
