//! A person edits a request on its page, and approves what they made of it.

use serde_json::{Value, json};

use crate::{
    check_door::ASKED,
    deciders::Deciding,
    edits::{SMALLER, bash},
    http::Reply,
    page::{Browser, header},
    page_answers::Form,
    running::AGENT,
};

/// The form for an edit, and what is written in it.
pub(crate) struct EditForm {
    pub(crate) form: Form,
    /// The action's field, as a browser would show it.
    pub(crate) action: String,
    pub(crate) comment: String,
    /// Whether nobody has to open it first.
    pub(crate) open: bool,
}

impl EditForm {
    /// What the request's own page shows to this person.
    pub(crate) async fn of(browser: &Browser<'_>, id: &str) -> Self {
        Self::on(&browser.get(&format!("/approvals/{id}")).await.body, id)
    }

    /// What a page of the request holds.
    pub(crate) fn on(page: &str, id: &str) -> Self {
        let (action, comment) =
            (written(page, &format!("e-{id}")), written(page, &format!("w-{id}")));
        let open = page.contains(r#"<details class="edit" open>"#);
        Self { form: Form::on(page, id, "edit"), action, comment, open }
    }

    pub(crate) async fn send(&self, browser: &Browser<'_>, action: &str, comment: &str) -> Reply {
        self.form.send_with(browser, &[("action", action), ("comment", comment)]).await
    }
}

/// What a browser shows in the field with this id.
fn written(page: &str, id: &str) -> String {
    let field = page.split(&format!(r#"<textarea id="{id}""#)).nth(1);
    let field = field.unwrap_or_else(|| panic!("no {id}: {page}")).split_once('>').unwrap().1;
    let text = field.split("</textarea>").next().unwrap();
    // A browser takes away the first line feed, and makes one of CR LF.
    let text = text.strip_prefix('\n').unwrap_or(text).replace("\r\n", "\n");
    let entities =
        [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    entities.into_iter().fold(text, |text, (entity, it)| text.replace(entity, it))
}

/// As a browser sends a text that was typed.
pub(crate) fn typed(text: &str) -> String {
    text.replace('\n', "\r\n")
}

/// Asks for an action with what is said beside it, and gives the approval's id.
pub(crate) async fn ask(it: &Deciding, action: &Value, context: &Value) -> String {
    let body = json!({"agent_id": AGENT, "action": action, "context": context});
    let json = it.it.check(&body.to_string()).await.json();
    json["approval"]["id"].as_str().unwrap_or_else(|| panic!("{json}")).to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_edited_and_approved_on_its_page() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let ann = Browser::log_in(&it.it, &it.ann).await;
    let form = EditForm::of(&ann, &id).await;
    assert!(!form.open, "whoever only answers sees no field of JSON");
    assert_eq!(serde_json::from_str::<Value>(&form.action).unwrap(), bash(ASKED));
    let smaller = typed(&form.action.replace(ASKED, SMALLER));
    let reply = form.send(&ann, &smaller, " only\r\nyour own ").await;
    let old = it.approval(&id).await;
    let new = old["edited_into"].as_str().unwrap();
    let there = format!("/?done={new}");
    assert_eq!((reply.status, header(&reply, "location")), (303, Some(&*there)), "{reply:?}");
    let made = it.approval(new).await;
    assert_eq!((&made["status"], &made["action"]), (&json!("approved"), &bash(SMALLER)));
    assert_eq!(made["votes"][0]["comment"], "only\nyour own");
    assert_eq!(made["votes"][0]["person"], it.ann_id.to_string());

    let link = format!(r#"<a href="/approvals/{new}">The edited request</a>"#);
    let page = ann.get(&there).await.body;
    let told = "Edited; the original is cancelled. Approved by Ann: coder may do it once, until ";
    assert!(page.contains(told) && page.contains(&link), "{page}");
    let page = ann.get(&format!("/approvals/{id}")).await.body;
    assert!(page.contains("Edited into another request") && page.contains(&link), "{page}");
    assert!(!page.contains("<form method=\"post\" action=\"/approvals"), "it is over: {page}");
    let page = ann.get(&format!("/approvals/{new}")).await.body;
    let from = format!(r#"<dt>edited from</dt><dd><a href="/approvals/{id}">"#);
    assert!(page.contains(&from) && page.contains("Approved by Ann"), "{page}");
    let json = it.it.check_command(SMALLER).await.json();
    assert_eq!((&json["decision"], &json["approval"]["id"]), (&json!("allow"), &json!(new)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_is_not_enough_says_who_is_still_needed() {
    let it = Deciding::start("[[chains.default.rungs]]\nquorum = 2\n").await;
    let id = it.ask().await;
    let ann = Browser::log_in(&it.it, &it.ann).await;
    let action = bash(SMALLER).to_string();
    let reply = EditForm::of(&ann, &id).await.send(&ann, &action, "").await;
    let there = header(&reply, "location").unwrap();
    let page = ann.get(there).await.body;
    let told = "Edited; the original is cancelled. Your answer counts, 1 of 2. Still needed: ";
    assert!(page.contains(told) && page.contains("The edited request</a>"), "{page}");
    let new = there.strip_prefix("/?done=").unwrap();
    assert_eq!(it.approval(new).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_decide_is_offered_to_edit_and_nobody_else() {
    let it =
        Deciding::start("[chains.default]\n[[chains.default.rungs]]\nroles = [\"ops\"]\n").await;
    let id = it.ask().await;
    let (own, link) = (format!("/approvals/{id}"), format!(r#"href="/approvals/{id}#e-{id}""#));
    let ann = Browser::log_in(&it.it, &it.ann).await;
    EditForm::of(&ann, &id).await;
    let list = ann.get("/").await.body;
    assert!(list.contains(&link) && !list.contains("name=\"action\""), "only a link: {list}");
    for scope in ["operator", "auditor", "admin", "bob"] {
        let token = match scope {
            "bob" => it.bob.clone(),
            _ => it.it.create_token(&json!({ "scope": scope }).to_string()).await,
        };
        let browser = Browser::log_in(&it.it, &token).await;
        for path in [&*own, "/"] {
            let page = browser.get(path).await.body;
            assert!(page.contains(ASKED) && !page.contains("class=\"edit"), "{scope}: {page}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_is_answered_and_not_edited() {
    let it = Deciding::start("").await;
    let grant = json!({"tool": "deploy", "arguments": {}, "calls": 1, "lasts": "1m"});
    let grant = it.it.post("/v1/grants", &it.it.agent, &grant.to_string()).await.json();
    let id = grant["id"].as_str().unwrap();
    let ann = Browser::log_in(&it.it, &it.ann).await;
    let page = ann.get(&format!("/approvals/{id}")).await.body;
    assert!(page.contains("name=\"decision\"") && !page.contains("class=\"edit"), "{page}");
    let mut form = Form::on(&page, id, "decision");
    form.path = format!("/approvals/{id}/edit");
    let action = bash(SMALLER).to_string();
    let reply = form.send_with(&ann, &[("action", &action), ("comment", "")]).await;
    assert_eq!(reply.status, 422, "{reply:?}");
    assert!(reply.body.contains("Your edit does not count: a grant is not edited"), "{reply:?}");
    assert_eq!(it.approval(id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_agent_sends_is_text_in_the_form_and_comes_back_to_the_letter() {
    let it = Deciding::start("").await;
    let evil = "</textarea><script>alert(1)</script>&#34;&amp;\"'\\n\r\n\n\t\u{1b}[2J\u{7f}\u{202e}\u{200b}ü漢";
    let action = json!({
        "kind": "tool_call", "server": evil, "tool": "deploy_x",
        "arguments": {evil: [evil, 0.5, -1, true, null, {}], "size": 9_007_199_254_740_991_u64},
    });
    let id = ask(&it, &action, &json!({ "why": evil })).await;
    let ann = Browser::log_in(&it.it, &it.ann).await;
    let page = ann.get(&format!("/approvals/{id}")).await.body;
    assert!(!page.contains("<script>alert"), "{page}");
    assert!(!page.contains(['\u{202e}', '\u{200b}', '\u{1b}', '\u{7f}']), "{page}");
    let form = EditForm::on(&page, &id);
    assert_eq!(serde_json::from_str::<Value>(&form.action).unwrap(), action);
    // As it was, it is no edit; with one word changed nothing else is.
    let same = form.send(&ann, &typed(&form.action), "").await;
    assert!(same.status == 422 && same.body.contains("asked for already"), "{same:?}");
    let edited = typed(&form.action).replace("deploy_x", "deploy_y");
    assert_eq!(form.send(&ann, &edited, "").await.status, 303);
    let old = it.approval(&id).await;
    let new = it.approval(old["edited_into"].as_str().unwrap()).await;
    let mut wanted = action.clone();
    wanted["tool"] = json!("deploy_y");
    assert_eq!((&new["action"], &new["context"]), (&wanted, &json!({ "why": evil })));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_action_is_edited_whole_and_one_beyond_the_limit_elsewhere() {
    let it = Deciding::start("").await;
    let ann = Browser::log_in(&it.it, &it.ann).await;
    let long = |length: usize| {
        let lines = vec!["\u{e9}"; length];
        json!({"kind": "tool_call", "server": null, "tool": "deploy_x", "arguments": lines})
    };
    let id = ask(&it, &long(8000), &json!(null)).await;
    let form = EditForm::of(&ann, &id).await;
    let all = serde_json::from_str::<Value>(&form.action).unwrap();
    assert_eq!(all["arguments"].as_array().unwrap().len(), 8000);
    let edited = typed(&form.action).replace("deploy_x", "deploy_y");
    assert_eq!(form.send(&ann, &edited, "").await.status, 303);
    let reply = form.send(&ann, &"x".repeat(1024 * 1024), "").await;
    assert_eq!(reply.status, 413, "{reply:?}");
    assert!(reply.body.contains("the form holds more than the page takes"), "{reply:?}");

    let id = ask(&it, &long(20_000), &json!(null)).await;
    let page = ann.get(&format!("/approvals/{id}")).await.body;
    assert!(page.contains("It is too long to be edited here") && !page.contains("name=\"action\""));
    assert!(page.contains("name=\"decision\""), "and can be answered");
    assert!(!ann.get("/").await.body.contains(&format!("#e-{id}")), "a list says nothing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_a_part_is_redacted_there_is_no_form_that_takes_it_for_the_original() {
    let it = Deciding::start("").await;
    let ann = Browser::log_in(&it.it, &it.ann).await;
    let secret = "git push --force https://me:hunter22@host/x";
    for (command, context) in [(secret, json!(null)), (ASKED, json!({"token": "hunter22"}))] {
        let id = ask(&it, &bash(command), &context).await;
        let page = ann.get(&format!("/approvals/{id}")).await.body;
        assert!(page.contains("because a part of it is redacted"), "{page}");
        assert!(!page.contains("name=\"action\"") && !page.contains("hunter22"), "{page}");
        let mut form = Form::on(&page, &id, "decision");
        form.path = format!("/approvals/{id}/edit");
        let mut shown = it.approval(&id).await["action"].clone();
        shown["cwd"] = json!("/tmp");
        let shown = shown.to_string();
        let reply = form.send_with(&ann, &[("action", &shown), ("comment", "")]).await;
        assert!(reply.status == 422 && reply.body.contains("was redacted, so it"), "{reply:?}");
        assert_eq!(it.approval(&id).await["status"], "pending");
    }
}
