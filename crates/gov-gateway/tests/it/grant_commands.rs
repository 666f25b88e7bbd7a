//! `gov grants`, `gov approvals edit`, and what a person is shown of both: the real binary and page.

use std::fs;

use serde_json::json;

use crate::{approval_commands::Desk, check_door::ASKED, page::Browser};

/// Asks for a grant under the agent's token; gives its id.
async fn request(it: &Desk, more: &[&str]) -> String {
    let file = it.home.path().join("limits");
    fs::write(&file, json!({"service": "any", "hosts": {"at_most": 3}}).to_string()).unwrap();
    let terms = ["--arguments", file.to_str().unwrap(), "--calls", "2", "--lasts", "30m"];
    let what = ["grants", "request", "--tool", "deploy_service", "--reason", "two services"];
    let mut command = it.gov(&[&what[..], &terms[..], more].concat());
    command.env("GOV_TOKEN", &it.it.it.agent);
    let ran = it.run(command).await;
    assert!(ran.code == 0 && ran.out.contains(" is pending until "), "{ran:?}");
    ran.out.split(' ').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_is_asked_for_shown_whole_approved_listed_and_revoked() {
    let it = Desk::start().await;
    it.log_in(&it.it.ann).await;
    let id = request(&it, &[]).await;
    let approve = it.gov(&["approvals", "approve", &id]);
    let (code, out, err, seen) = it.at_terminal(approve, &[("type `approve`", "approve")]).await;
    assert!(code == 0 && out.starts_with(&format!("{id} is approved until ")), "{out} {err}");
    for part in ["\"at_most\": 3", "\"service\": \"any\"", "2 of 2 calls left", "two services"] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    let ran = it.run(it.gov(&["grants", "list"])).await;
    assert!(ran.code == 0 && ran.out.contains("2 calls of deploy_service within 30m"), "{ran:?}");
    assert!(ran.out.trim_end().ends_with("2 of 2 left"), "{ran:?}");
    let ran = it.run(it.gov(&["grants", "revoke", &id, "--reason", "done"])).await;
    assert!(ran.code == 0 && ran.out.starts_with(&format!("{id} is cancelled; ")), "{ran:?}");
    let ran = it.run(it.gov(&["grants", "list", "--status", "approved"])).await;
    assert_eq!(ran.out.trim_end(), "no grants", "{ran:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_the_server_does_not_take_is_named() {
    let it = Desk::start().await;
    let what = ["grants", "request", "--tool", "t", "--lasts", "1m", "--calls"];
    for (more, code, message) in [
        (&["21"][..], 2, "`calls` must be 1 to 20"),
        (&["1", "--agent", "other"][..], 1, "this token is for `coder` alone"),
        (&["1", "--arguments", "/nowhere"][..], 2, "`/nowhere` cannot be read"),
    ] {
        let mut command = it.gov(&[&what[..], more].concat());
        command.env("GOV_TOKEN", &it.it.it.agent);
        it.run(command).await.failed(code, message);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_is_edited_at_the_terminal_beside_the_original() {
    let it = Desk::start().await;
    it.log_in(&it.it.ann).await;
    let file = it.home.path().join("action");
    let smaller = json!({"kind": "bash", "command": "git push --force origin mine", "cwd": null});
    fs::write(&file, smaller.to_string()).unwrap();
    let edit = || it.gov(&["approvals", "edit", &it.id, "--action", file.to_str().unwrap()]);
    it.run(edit()).await.failed(2, "a decision is typed at a terminal, and there is none");
    let (code, _, err, seen) = it.at_terminal(edit(), &[("type `edit`", "yes")]).await;
    assert!(code == 1 && err.contains("nothing was decided"), "{err}");
    for part in [ASKED, "git push --force origin mine"] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    let (code, out, err, _) = it.at_terminal(edit(), &[("type `edit`", "edit")]).await;
    assert!(code == 0 && out.contains(" is approved until "), "{out} {err}");
    let new = out.split(' ').next().unwrap();
    for (id, said) in [(&*it.id, format!("into {new}")), (new, it.id.clone())] {
        let ran = it.run(it.gov(&["approvals", "show", id])).await;
        assert!(ran.out.contains(&said), "{ran:?}");
        let page = Browser::log_in(&it.it.it, &it.it.ann).await;
        let page = page.get(&format!("/approvals/{id}")).await.body;
        let other = if id == new { &it.id } else { new };
        assert!(page.contains(other), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_page_shows_the_terms_of_a_grant_wholly() {
    let it = Desk::start().await;
    let id = request(&it, &[]).await;
    let browser = Browser::log_in(&it.it.it, &it.it.ann).await;
    let path = format!("/approvals/{id}");
    let page = browser.get(&path).await.body;
    for part in ["deploy_service", "at_most", "service", "30m", "calls left", "two services"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    it.it.approve(&id).await;
    let page = browser.get(&path).await.body;
    assert!(page.contains("coder may make 2 more calls, until "), "{page}");
}
