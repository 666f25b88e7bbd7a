//! A person answers on the page: whose answer counts, and about what.

use serde_json::json;

use crate::{
    check_door::ASKED,
    deciders::{Deciding, OWNED},
    http::Reply,
    page::{Browser, field, header},
};

/// A form as the page of a request makes it.
pub(crate) struct Form {
    pub(crate) path: String,
    pub(crate) csrf: String,
    pub(crate) digest: String,
}

impl Form {
    /// The form for an answer on an approver's page of this approval.
    async fn of(browser: &Browser<'_>, id: &str) -> Self {
        Self::on(&browser.get(&format!("/approvals/{id}")).await.body, id, "decision")
    }

    /// What the form for `what` on a page of this approval holds.
    pub(crate) fn on(page: &str, id: &str, what: &str) -> Self {
        let path = format!("/approvals/{id}/{what}");
        assert!(page.contains(&format!(r#"action="{path}""#)), "no form: {page}");
        let form = page.split(&path).nth(1).unwrap();
        Self { csrf: field(form, "csrf"), digest: field(form, "digest"), path }
    }

    async fn send(&self, browser: &Browser<'_>, decision: &str, comment: &str) -> Reply {
        self.send_with(browser, &[("decision", decision), ("comment", comment)]).await
    }

    /// Sends it with these fields too.
    pub(crate) async fn send_with(&self, browser: &Browser<'_>, more: &[(&str, &str)]) -> Reply {
        let own = [("csrf", &*self.csrf), ("digest", &*self.digest)];
        browser.post(&self.path, &[&own[..], more].concat()).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_persons_answer_on_the_page_releases_the_action() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let browser = Browser::log_in(&it.it, &it.ann).await;
    let form = Form::of(&browser, &id).await;
    let reply = form.send(&browser, "approve", "  looks fine\r\nto me ").await;
    let there = format!("/?done={id}");
    assert_eq!((reply.status, header(&reply, "location")), (303, Some(&*there)), "{reply:?}");
    let answer = &it.approval(&id).await["answer"];
    assert_eq!(answer["actor"], it.ann_id.to_string());
    assert_eq!(answer["comment"], "looks fine\nto me");
    let page = browser.get(&there).await.body;
    assert!(page.contains("Approved by Ann: coder may do it once, until "), "{page}");
    assert!(!page.contains(r#"<li class="card""#), "{page}");
    assert_eq!(it.check_named(&id, ASKED).await["decision"], "allow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_counts_only_from_the_sessions_own_page() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let browser = Browser::log_in(&it.it, &it.ann).await;
    let form = Form::of(&browser, &id).await;
    let theirs = Browser::log_in(&it.it, &it.kim).await.csrf().await;
    for csrf in ["", &theirs, &"0".repeat(64)] {
        let forged = Form { csrf: csrf.to_owned(), ..Form::of(&browser, &id).await };
        let reply = forged.send(&browser, "approve", "").await;
        assert_eq!(reply.status, 403, "{csrf}: {reply:?}");
    }
    let fields =
        [("csrf", &*form.csrf), ("digest", &form.digest), ("decision", "approve"), ("comment", "")];
    for from in [vec![], vec!["origin: http://127.0.0.1:1".to_owned()]] {
        let reply = browser.post_from(&form.path, &fields, &from).await;
        assert_eq!(reply.status, 403, "{from:?}: {reply:?}");
    }
    let nobody = Browser::new(&it.it);
    let reply = nobody.post(&form.path, &fields).await;
    assert_eq!((reply.status, header(&reply, "location")), (303, Some("/login")));
    assert_eq!(it.approval(&id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_approvers_session_answers_on_the_page() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let form = Form::of(&Browser::log_in(&it.it, &it.ann).await, &id).await;
    for scope in ["operator", "auditor", "admin"] {
        let token = it.it.create_token(&json!({ "scope": scope }).to_string()).await;
        let browser = Browser::log_in(&it.it, &token).await;
        let page = browser.get(&format!("/approvals/{id}")).await.body;
        let told = format!("Approvers decide; this session looks on as {scope}.");
        assert!(page.contains(&told) && !page.contains(r#"name="decision""#), "{page}");
        let digest = form.digest.clone();
        let forged = Form { csrf: browser.csrf().await, digest, path: form.path.clone() };
        let reply = forged.send(&browser, "approve", "").await;
        assert_eq!(reply.status, 403, "{scope}: {reply:?}");
    }
    assert_eq!(it.approval(&id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_asked_or_owns_the_agent_is_told_so_and_cannot_answer() {
    let it =
        Deciding::start("[chains.default]\n[[chains.default.rungs]]\nroles = [\"ops\"]\n").await;
    let token = it.it.create_token(&json!({"scope": "agent", "agent_id": OWNED}).to_string()).await;
    let action = json!({"kind": "bash", "command": ASKED, "cwd": "/home/me/p"});
    let body = json!({"agent_id": OWNED, "action": action}).to_string();
    let json = it.it.post("/v1/actions/check", &token, &body).await.json();
    let id = json["approval"]["id"].as_str().unwrap();
    let form = Form::of(&Browser::log_in(&it.it, &it.ann).await, id).await;
    for (token, told) in [
        (&it.bob, "You are not among those who are asked."),
        (&it.kim, "The agent is yours, so somebody else has to decide."),
    ] {
        let browser = Browser::log_in(&it.it, token).await;
        let page = browser.get("/").await.body;
        assert!(page.contains(told) && !page.contains(r#"name="decision""#), "{page}");
        let digest = form.digest.clone();
        let forged = Form { csrf: browser.csrf().await, digest, path: form.path.clone() };
        let reply = forged.send(&browser, "approve", "").await;
        assert_eq!(reply.status, 403, "{reply:?}");
        assert!(reply.body.contains("Somebody else has to decide"), "{reply:?}");
    }
    assert_eq!(it.approval(id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_about_something_else_than_was_shown_does_not_count() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let browser = Browser::log_in(&it.it, &it.ann).await;
    let form = Form::of(&browser, &id).await;
    let other = Form { digest: "0".repeat(64), csrf: form.csrf.clone(), path: form.path.clone() };
    let reply = other.send(&browser, "approve", "").await;
    assert_eq!(reply.status, 409, "{reply:?}");
    assert!(reply.body.contains("Your answer does not count: the digest is not the one"));
    assert!(reply.body.contains(ASKED) && reply.body.contains(&form.digest), "as it is now");
    assert_eq!(it.approval(&id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_answer_is_told_the_first() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let (ann, kim) =
        (Browser::log_in(&it.it, &it.ann).await, Browser::log_in(&it.it, &it.kim).await);
    let (anns, kims) = (Form::of(&ann, &id).await, Form::of(&kim, &id).await);
    assert_eq!(anns.send(&ann, "reject", "no").await.status, 303);
    let reply = kims.send(&kim, "approve", "").await;
    assert_eq!(reply.status, 409, "{reply:?}");
    for part in ["Your answer does not count: the approval is `rejected`", "Rejected by Ann"] {
        assert!(reply.body.contains(part), "{part}: {reply:?}");
    }
    assert!(!reply.body.contains(r#"name="decision""#), "{reply:?}");
    assert_eq!(it.approval(&id).await["status"], "rejected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_sent_twice_counts_once_and_is_no_error() {
    let it = Deciding::start("[[chains.default.rungs]]\nquorum = 2\n").await;
    let id = it.ask().await;
    let ann = Browser::log_in(&it.it, &it.ann).await;
    let bob = Browser::log_in(&it.it, &it.bob).await;
    let (anns, bobs) = (Form::of(&ann, &id).await, Form::of(&bob, &id).await);
    // While more people are asked, and when all is settled.
    for (form, browser, status) in [(&anns, &ann, "pending"), (&bobs, &bob, "approved")] {
        for _ in 0..2 {
            let reply = form.send(browser, "approve", "").await;
            let there = format!("/?done={id}");
            assert_eq!((reply.status, header(&reply, "location")), (303, Some(&*there)));
            assert_eq!(it.approval(&id).await["status"], status, "one click is one voice");
        }
    }
    let reply = anns.send(&ann, "reject", "").await;
    assert_eq!(reply.status, 409, "the other answer: {reply:?}");
    let other = Form { digest: "0".repeat(64), ..anns };
    assert_eq!(other.send(&ann, "approve", "").await.status, 409, "about something else");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_form_that_cannot_be_understood_answers_nothing() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let browser = Browser::log_in(&it.it, &it.ann).await;
    let form = Form::of(&browser, &id).await;
    for (decision, digest, comment, status) in [
        ("maybe", &*form.digest, "", 422),
        ("", &form.digest, "", 422),
        ("approve", "abc", "", 422),
        ("approve", &form.digest, &"x".repeat(4097), 422),
        ("approve", &form.digest, "\u{1b}[2J", 422),
        ("approve", &form.digest, &"x".repeat(20_000), 413),
    ] {
        let path = form.path.clone();
        let wrong = Form { digest: digest.to_owned(), csrf: form.csrf.clone(), path };
        assert_eq!(wrong.send(&browser, decision, comment).await.status, status, "{decision}");
    }
    for path in ["/approvals/apr_00000000000000000000000000000000", "/approvals/x"] {
        assert_eq!(browser.get(path).await.status, 404);
        let nothing = Form { path: format!("{path}/decision"), ..Form::of(&browser, &id).await };
        assert_eq!(nothing.send(&browser, "approve", "").await.status, 404);
    }
    assert_eq!(it.approval(&id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comment_is_shown_as_text_to_the_others() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let ann = Browser::log_in(&it.it, &it.ann).await;
    let comment = "<script>alert(1)</script>\u{202e}";
    assert_eq!(Form::of(&ann, &id).await.send(&ann, "reject", comment).await.status, 303);
    let kim = Browser::log_in(&it.it, &it.kim).await;
    let mut page = kim.get("/").await.body;
    // The log is followed to the event store a moment after the answer.
    while !page.contains(r#"<span class="word no">rejected</span>"#) {
        page = kim.get("/").await.body;
    }
    assert!(!page.contains("<script>alert") && !page.contains('\u{202e}'), "{page}");
    assert!(page.contains("&#60;script&#62;alert(1)&#60;/script&#62;\\u{202e}"), "{page}");
    let row = page.split(r#"<span class="word no">rejected</span>"#).nth(1).unwrap();
    let row = row.split("</summary>").next().unwrap();
    assert!(row.contains(ASKED) && row.contains(r#"<span class="by">Ann</span>"#), "{row}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_settles_nothing_says_who_is_still_needed() {
    let seats = "require = [{ role = \"ops\", count = 2 }, { role = \"lead\", count = 1 }]";
    let it = Deciding::start(&format!("[[chains.default.rungs]]\n{seats}\n")).await;
    let id = it.ask().await;
    // Kim lets Bob decide, and Bob uses his own right first.
    let away = json!({"stand_in": "Bob", "until": "2999-01-01T00:00:00.000000Z"}).to_string();
    let named = it.it.post("/v1/people/Kim/stand-ins", &it.kim, &away).await;
    assert_eq!(named.status, 201, "{named:?}");
    let ann = Browser::log_in(&it.it, &it.ann).await;
    let page = ann.get("/").await.body;
    assert!(page.contains("0 of 3; still needed: 2 of ops and 1 of lead"), "{page}");
    assert!(!page.contains("approved by"), "{page}");

    assert_eq!(Form::of(&ann, &id).await.send(&ann, "approve", "").await.status, 303);
    for path in [format!("/?done={id}"), format!("/approvals/{id}")] {
        let page = ann.get(&path).await.body;
        let said = "Your answer counts, 1 of 3. Still needed: 1 of ops and 1 of lead – coder";
        assert!(page.contains(said), "{path}: {page}");
        assert!(page.contains("<dt>approved by</dt><dd>Ann</dd>"), "{path}: {page}");
        assert!(page.contains("You have answered, or somebody in your right"), "{path}: {page}");
    }
    let bob = Browser::log_in(&it.it, &it.bob).await;
    let page = bob.get(&format!("/approvals/{id}")).await.body;
    assert!(!page.contains("Your answer counts"), "nobody else has answered: {page}");
    assert_eq!(Form::of(&bob, &id).await.send(&bob, "approve", "").await.status, 303);
    let page = bob.get(&format!("/?done={id}")).await.body;
    assert!(page.contains("Your answer counts, 2 of 3. Still needed: 1 of ops – coder"), "{page}");
    assert!(page.contains("<dt>approved by</dt><dd>Ann, Bob</dd>"), "{page}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_answered_for_somebody_else_is_shown_with_both_names() {
    let it = Deciding::start("[[chains.default.rungs]]\nroles = [\"ops\"]\nquorum = 2\n").await;
    let id = it.ask().await;
    let away = json!({"stand_in": "Bob", "until": "2999-01-01T00:00:00.000000Z"}).to_string();
    it.it.post("/v1/people/Kim/stand-ins", &it.kim, &away).await;
    let bob = Browser::log_in(&it.it, &it.bob).await;
    assert_eq!(Form::of(&bob, &id).await.send(&bob, "approve", "").await.status, 303);
    let page = bob.get(&format!("/?done={id}")).await.body;
    assert!(page.contains("<dt>approved by</dt><dd>Bob for Kim</dd>"), "{page}");
    assert!(page.contains("1 of 2; still needed: 1 of ops"), "{page}");
    assert!(page.contains("Your answer counts, 1 of 2. Still needed: 1 of ops – coder"), "{page}");
}
