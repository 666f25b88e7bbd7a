//! Edits on the page that do not count: nothing changes, and what was typed stays.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::{
    check_door::{ASKED, REFUSED},
    deciders::Deciding,
    edits::{SMALLER, bash},
    page::{Browser, header},
    page_answers::Form,
    page_edits::{EditForm, typed},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_typed_stays_in_the_form_where_it_does_not_count() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let other = "git push --force origin next";
    assert_eq!(it.it.check_command(other).await.json()["decision"], "require_approval");
    let rule = it.it.check_command(REFUSED).await.json()["rule_id"].take();
    let by_rule = format!("by the rule `{}`", rule.as_str().unwrap());
    let ann = Browser::log_in(&it.it, &it.ann).await;
    let form = EditForm::of(&ann, &id).await;
    let json = |command: &str| serde_json::to_string_pretty(&bash(command)).unwrap();
    let good = json(SMALLER);
    let [asked, refused, asked_about] = [ASKED, REFUSED, other].map(json);
    for (action, comment, status, told) in [
        ("\n{\"kind\": \"bash\",\n </textarea><b>", "why", 422, "cannot be read: "),
        ("", "", 422, "cannot be read: EOF while parsing"),
        ("{\"kind\": \"bash\", \"kind\": \"bash\"}", "", 422, "cannot be read: duplicate key"),
        // A line break within a text is none of JSON's, and is not made into one.
        (&*good.replace("--force", "--force\n"), "", 422, "control character"),
        ("[]", "", 422, "`action` must be an object"),
        ("{\"kind\": \"fly\"}", "", 422, "unknown variant `fly`"),
        (&*asked, "", 422, "is the one that is asked for already"),
        (&*refused, "a\nb", 422, &*by_rule),
        (&*asked_about, "", 409, "decide about that one"),
        (&*good, "<b>\u{1b}[2J", 422, "must not contain a control character"),
        (&*good, &"x".repeat(4097), 422, "must be at most 4096 bytes"),
    ] {
        let reply = form.send(&ann, &typed(action), &typed(comment)).await;
        assert_eq!(reply.status, status, "{action}: {reply:?}");
        assert!(reply.body.contains("Your edit does not count: ") && !reply.body.contains("<b>"));
        assert!(unescaped(&reply.body).contains(told), "{told}: {reply:?}");
        let again = EditForm::on(&reply.body, &id);
        assert!(again.open && again.form.digest == form.form.digest, "{reply:?}");
        assert_eq!((&*again.action, again.comment), (action, comment.replace('\u{1b}', "\\u{1b}")));
        let old = it.approval(&id).await;
        assert_eq!((&old["status"], &old["edited_into"]), (&json!("pending"), &Value::Null));
    }
    assert_eq!(form.send(&ann, &typed(&good), "").await.status, 303);
}

fn unescaped(page: &str) -> String {
    page.replace("&#39;", "'")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_counts_only_from_an_approvers_own_page() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let ann = Browser::log_in(&it.it, &it.ann).await;
    let EditForm { form, .. } = EditForm::of(&ann, &id).await;
    let smaller = bash(SMALLER).to_string();
    let made = [("action", &*smaller), ("comment", "")];
    let forged = |csrf: String| {
        let (path, digest) = (form.path.clone(), form.digest.clone());
        Form { path, csrf, digest }
    };
    let theirs = Browser::log_in(&it.it, &it.kim).await.csrf().await;
    for csrf in [String::new(), theirs, "0".repeat(64)] {
        let reply = forged(csrf).send_with(&ann, &made).await;
        assert_eq!(reply.status, 403, "{reply:?}");
        assert!(reply.body.contains("the form belongs to another session"), "{reply:?}");
    }
    let fields = [("csrf", &*form.csrf), ("digest", &*form.digest), made[0], made[1]];
    for from in [vec![], vec!["origin: http://127.0.0.1:1".to_owned()]] {
        let reply = ann.post_from(&form.path, &fields, &from).await;
        assert_eq!(reply.status, 403, "{from:?}: {reply:?}");
    }
    let reply = Browser::new(&it.it).post(&form.path, &fields).await;
    assert_eq!((reply.status, header(&reply, "location")), (303, Some("/login")));
    let reply = ann.post(&form.path, &[&fields[..], &[("context", "{}")]].concat()).await;
    assert!(reply.status == 422 && reply.body.contains("The form cannot be read"), "{reply:?}");
    for scope in ["operator", "auditor", "admin"] {
        let token = it.it.create_token(&json!({ "scope": scope }).to_string()).await;
        let looker = Browser::log_in(&it.it, &token).await;
        let reply = forged(looker.csrf().await).send_with(&looker, &made).await;
        assert_eq!(reply.status, 403, "{scope}: {reply:?}");
    }
    assert_eq!(it.approval(&id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_asked_about_either_action_edits_nothing() {
    let it = Deciding::start(
        "[[chains.default.rungs]]\nroles = [\"ops\"]\n[[chains.lead.rungs]]\nroles = [\"lead\"]\n",
    )
    .await;
    it.activate(
        "@id(\"all\") permit (principal, action, resource);\n\
         @id(\"ask\") @outcome(\"require_approval\") forbid (principal, action, resource)\n\
         unless { context.argv0.contains(\"leads\") };\n\
         @id(\"leads\") @outcome(\"require_approval\") @chain(\"lead\")\n\
         forbid (principal, action, resource) when { context.argv0.contains(\"leads\") };",
    )
    .await;
    let id = it.ask().await;
    let ann = Browser::log_in(&it.it, &it.ann).await;
    let EditForm { form, .. } = EditForm::of(&ann, &id).await;
    let bob = Browser::log_in(&it.it, &it.bob).await;
    let theirs =
        Form { csrf: bob.csrf().await, digest: form.digest.clone(), path: form.path.clone() };
    let smaller = bash(SMALLER).to_string();
    let reply = theirs.send_with(&bob, &[("action", &smaller), ("comment", "")]).await;
    assert_eq!(reply.status, 403, "{reply:?}");
    assert!(reply.body.contains("is not among those who are asked"), "{reply:?}");

    let leads = bash("leads").to_string();
    let reply = form.send_with(&ann, &[("action", &leads), ("comment", "")]).await;
    assert_eq!(reply.status, 403, "{reply:?}");
    assert!(reply.body.contains("others are asked about the edited action"), "{reply:?}");
    assert_eq!(EditForm::on(&reply.body, &id).action, leads);
    assert_eq!(it.approval(&id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_comes_too_late_is_told_how_it_stands_now() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let ann = Browser::log_in(&it.it, &it.ann).await;
    let form = EditForm::of(&ann, &id).await;
    let smaller = bash(SMALLER).to_string();
    let stale =
        Form { digest: "0".repeat(64), csrf: form.form.csrf.clone(), path: form.form.path.clone() };
    let reply = stale.send_with(&ann, &[("action", &smaller), ("comment", "")]).await;
    assert_eq!(reply.status, 409, "{reply:?}");
    let told = "Your edit does not count: the digest is not the one of this approval";
    assert!(reply.body.contains(told) && reply.body.contains(ASKED), "{reply:?}");
    let again = EditForm::on(&reply.body, &id);
    assert_eq!((again.form.digest, again.action), (form.form.digest.clone(), smaller.clone()));

    assert_eq!(it.decide(&id, &it.bob, "reject").await.status, 200);
    let reply = form.send(&ann, &smaller, "").await;
    assert_eq!(reply.status, 409, "{reply:?}");
    for part in ["Your edit does not count: the approval is `rejected`", "Rejected by Bob"] {
        assert!(reply.body.contains(part), "{part}: {reply:?}");
    }
    assert!(!reply.body.contains("class=\"edit"), "{reply:?}");
    let list = it.it.get("/v1/approvals", &it.ann).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1, "{list}");
    for path in ["/approvals/apr_00000000000000000000000000000000/edit", "/approvals/x/edit"] {
        let nothing =
            Form { path: path.to_owned(), ..EditForm::of(&ann, &it.ask().await).await.form };
        let reply = nothing.send_with(&ann, &[("action", &smaller), ("comment", "")]).await;
        assert_eq!(reply.status, 404, "{reply:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_edit_that_cannot_be_kept_is_told_so() {
    let it = Deciding::start("").await;
    let id = it.ask().await;
    let ann = Browser::log_in(&it.it, &it.ann).await;
    let form = EditForm::of(&ann, &id).await;
    let db = Connection::open(it.it.home.path().join("gov/gov.db")).unwrap();
    db.execute_batch(
        "create trigger full before insert on escalation_history \
         begin select raise(abort, 'no space left'); end",
    )
    .unwrap();
    let reply = form.send(&ann, &bash(SMALLER).to_string(), "").await;
    assert_eq!(reply.status, 503, "{reply:?}");
    assert!(reply.body.contains("The approvals cannot be reached"), "{reply:?}");
    assert_eq!(it.approval(&id).await["status"], "pending");
}
