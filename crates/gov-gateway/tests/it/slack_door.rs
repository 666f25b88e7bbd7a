//! `POST /v1/slack/actions`: who decides by a click, about what, and what nobody can.

use serde_json::{Value, json};

use crate::{
    check_door::ASKED,
    deciders::OWNED,
    http,
    running::Running,
    slack_double::{Button, FORM, PATH, Slack, form, signed},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_decides_as_the_person_whose_account_it_is_and_is_told_to_them() {
    let mut it = Slack::start("").await;
    for (yes, status, text) in
        [(false, "rejected", "Rejected: `coder` may not do it."), (true, "approved", "Approved:")]
    {
        let button = it.ask(ASKED).await;
        let told = it.click("U1", yes, &button).await;
        assert!(told.starts_with(text), "{told}");
        let view = it.it.approval(&button.approval).await;
        assert_eq!(
            (&view["status"], &view["answer"]["actor"]),
            (&json!(status), &json!(it.it.ann_id))
        );
        assert_eq!(view["answer"]["comment"], "by a click in Slack");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_slack_has_not_signed_now_decides_nothing() {
    let mut it = Slack::start("").await;
    let button = it.ask(ASKED).await;
    let body = form(&it.payload("U1", "gov_approve", &button));
    let [timestamp, signature] = signed(0, &body);
    let zeros = format!("x-slack-signature: v0={}", "0".repeat(64));
    let admin = format!("authorization: Bearer {}", it.it.it.admin);
    for headers in [
        vec![],
        vec![admin],
        vec![timestamp.clone()],
        vec![signature.clone()],
        vec![timestamp.clone(), zeros.clone()],
        vec![timestamp.clone(), signature.clone(), zeros.clone()],
        vec![timestamp.clone(), zeros, signature.clone()],
        vec![timestamp.clone(), timestamp.clone(), signature.clone()],
        vec![timestamp.clone(), signature.replace("v0=", "v1=")],
        signed(-400, &body).to_vec(),
        signed(400, &body).to_vec(),
        signed(0, &body.replace("%55%31", "%55%32")).to_vec(),
        vec![signed(-9, &body)[0].clone(), signature.clone()],
    ] {
        let (status, code, field, json) = it.send_with(FORM, &headers, &body).await.problem();
        assert_eq!((status, &*code), (401, "unauthenticated"), "{headers:?}: {json}");
        assert_eq!(field, "x-slack-signature");
    }
    assert_eq!(it.it.approval(&button.approval).await["status"], "pending");
    assert!(it.told_nothing());
    // Within the five minutes it is Slack's.
    assert_eq!(it.send_with(FORM, &signed(-200, &body), &body).await.status, 200);
    assert_eq!(it.it.approval(&button.approval).await["status"], "approved");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_click_that_comes_again_counts_once() {
    let mut it = Slack::start("[[chains.default.rungs]]\nquorum = 2\n").await;
    let button = it.ask(ASKED).await;
    let body = form(&it.payload("U1", "gov_approve", &button));
    let headers = signed(0, &body);
    for text in ["Your answer counts, 1 of 2.", "You have answered so already. Your answer counts"]
    {
        assert_eq!(it.send_with(FORM, &headers, &body).await.status, 200);
        let told = it.told().await["blocks"][0]["text"]["text"].as_str().unwrap().to_owned();
        assert!(told.starts_with(text), "{told}");
        assert!(told.ends_with("1 of 2. Still needed: 1 more approver."), "{told}");
        let view = it.it.approval(&button.approval).await;
        assert_eq!(
            (&view["status"], view["votes"].as_array().unwrap().len()),
            (&json!("pending"), 1)
        );
    }
    // A no after a yes is another answer, and one has been given.
    let told = it.click("U1", false, &button).await;
    assert!(told.starts_with("Your answer does not count: the person has answered"), "{told}");
    assert_eq!(it.click("U2", true, &button).await, "Approved: `coder` may do it once.");
    assert_eq!(it.send_with(FORM, &headers, &body).await.status, 200);
    let told = it.told().await["blocks"][0]["text"]["text"].clone();
    assert_eq!(told, "You have answered so already. Approved: `coder` may do it once.");
    assert_eq!(it.it.approval(&button.approval).await["votes"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_or_what_may_not_be_clicked_is_told_why_and_where_to_go() {
    let mut it = Slack::start("[[chains.default.rungs]]\nroles = [\"ops\"]\n").await;
    let button = it.ask(ASKED).await;
    let risky = it.ask("deploy prod").await;
    let owned = owned(&it).await;
    let changed = Button { digest: "0".repeat(64), approval: button.approval.clone() };
    let nobody = Button {
        approval: "apr_00000000000000000000000000000000".to_owned(),
        digest: button.digest.clone(),
    };
    let page = format!("The page shows it all: https://gov.example/approvals/{}", button.approval);
    for (user, button, text, end) in [
        ("U9", &button, "Nothing is decided: nobody here is `U9` in Slack.", "gov people slack`."),
        ("ann", &button, "Nothing is decided: nobody here is `ann` in Slack.", ""),
        ("U1", &risky, "Nothing is decided: a click does not decide about risk high.", ""),
        ("U1", &nobody, "Nothing is decided: there is no such request any more.", ""),
        ("U1", &changed, "Your answer does not count: ", &*page),
        ("U2", &button, "Your answer does not count: ", &*page),
        ("U3", &owned, "Your answer does not count: ", ""),
    ] {
        let told = it.click(user, true, button).await;
        assert!(told.starts_with(text) && told.ends_with(end), "{user}: {told}");
    }
    let told = it.click("U2", true, &button).await;
    assert!(told.contains("is not among those who are asked: ops"), "{told}");
    let told = it.click("U3", true, &owned).await;
    assert!(told.contains("owns the agent that asks"), "{told}");
    let told = it.click("U1", true, &changed).await;
    assert!(told.contains("the digest is not the one of this approval"), "{told}");
    for it_waits in [&button, &risky, &owned] {
        let view = it.it.approval(&it_waits.approval).await;
        assert_eq!((&view["status"], &view["votes"]), (&json!("pending"), &json!([])));
    }
    // Who is disabled is nobody, at once.
    it.it.it.post("/v1/people/Ann", &it.it.it.admin, r#"{"disabled":true}"#).await;
    let told = it.click("U1", true, &button).await;
    assert!(told.contains("is unknown or disabled"), "{told}");
}

async fn owned(it: &Slack) -> Button {
    let token = json!({"scope": "agent", "agent_id": OWNED}).to_string();
    let token = it.it.it.create_token(&token).await;
    let action = json!({"kind": "bash", "command": ASKED, "cwd": "/home/me/p"});
    let body = json!({"agent_id": OWNED, "action": action}).to_string();
    let json = it.it.it.post("/v1/actions/check", &token, &body).await.json();
    it.button(json["approval"]["id"].as_str().unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_signed_and_no_click_is_refused_by_its_field() {
    let mut it = Slack::start("").await;
    let button = it.ask(ASKED).await;
    let click = it.payload("U1", "gov_approve", &button);
    let mut view = click.clone();
    view["type"] = json!("view_submission");
    let mut alien = click.clone();
    alien["actions"][0]["action_id"] = json!("other");
    for body in ["", "payload=", "payload=%7B", "x=1", &form(&view), &form(&alien)] {
        let (status, code, field, _) = it.send(body).await.problem();
        assert_eq!((status, &*code, &*field), (422, "bad-field", "payload"), "{body}");
    }
    let body = click.to_string();
    let reply = it.send_with("application/json", &signed(0, &body), &body).await;
    let (status, _, field, _) = reply.problem();
    assert_eq!((status, &*field), (422, "Content-Type"));
    let body = "x".repeat(1024 * 1024 + 1);
    let (status, code, ..) = it.send_with(FORM, &signed(0, &body), &body).await.problem();
    assert_eq!((status, &*code), (413, "too-large"));
    let get = it.it.it.get("/v1/slack/actions", "").await;
    assert_eq!(get.status, 405);
    assert_eq!(it.it.approval(&button.approval).await["status"], "pending");
    assert!(it.told_nothing());

    // Slack tells of the link too.
    let reply = it.send(&form(&it.payload("U1", "gov_see", &button))).await;
    assert_eq!((reply.status, reply.json()), (200, json!({})));
    assert!(it.told_nothing());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_counts_whether_or_not_it_can_be_told() {
    let mut it = Slack::start("").await;
    for url in [json!(null), json!("ftp://slack.example/"), json!("http://127.0.0.1:1/")] {
        let button = it.ask(ASKED).await;
        let mut payload = it.payload("U1", "gov_reject", &button);
        payload["response_url"] = url;
        let reply = it.send(&form(&payload)).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        assert_eq!(it.it.approval(&button.approval).await["status"], "rejected");
    }
    assert!(it.told_nothing());
    // Without `allow_private` nothing is sent inside, whoever signs it.
    let mut it = Slack::start_with(false, "").await;
    let button = it.ask(ASKED).await;
    assert_eq!(it.send(&form(&it.payload("U1", "gov_reject", &button))).await.status, 200);
    assert_eq!(it.it.approval(&button.approval).await["status"], "rejected");
    assert!(it.told_nothing());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_button_of_a_message_decides_and_what_is_risky_has_none() {
    let chain = "[[chains.default.rungs]]\nnotify = [\"chat\"]\n";
    let mut it = Slack::start(chain).await;
    let button = it.ask(ASKED).await;
    let message = it.told().await;
    assert_eq!(message["path"], "/channel");
    let buttons = |message: &Value| -> Vec<Value> {
        let blocks = message["blocks"].as_array().unwrap();
        let elements =
            blocks.iter().find(|it| it["type"] == "actions").unwrap()["elements"].clone();
        elements.as_array().unwrap().clone()
    };
    let shown = buttons(&message);
    let ids: Vec<_> = shown.iter().map(|it| it["action_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["gov_approve", "gov_reject", "gov_see"]);
    let mut payload = it.payload("U2", "gov_approve", &button);
    payload["actions"] = json!([shown[0]]);
    assert_eq!(it.send(&form(&payload)).await.status, 200);
    assert_eq!(it.it.approval(&button.approval).await["status"], "approved");
    it.told().await;

    it.ask("deploy prod").await;
    let ids: Vec<_> = buttons(&it.told().await).iter().map(|it| it["action_id"].clone()).collect();
    assert_eq!(ids, ["gov_see"]);
}

#[tokio::test]
async fn without_a_secret_nothing_is_taken() {
    let it = Running::start("").await;
    let body = form(&json!({}));
    let mut headers =
        vec![format!("host: {}", it.address), format!("content-length: {}", body.len())];
    headers.extend(signed(0, &body));
    let (status, code, _, json) =
        http::send(it.address, PATH, &headers, body.as_bytes()).await.problem();
    assert_eq!((status, &*code), (404, "not-found"));
    assert!(json["detail"].as_str().unwrap().contains("`slack.signing_secret`"), "{json}");
}
