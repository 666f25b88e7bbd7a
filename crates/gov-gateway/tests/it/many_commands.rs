//! `gov approvals decide-all` and `gov approvals cancel`: the real binary.

use std::fs;

use serde_json::json;

use crate::{approval_commands::Desk, check_door::ASKED};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_are_shown_whole_and_decided_about_at_the_terminal_once() {
    let it = Desk::start().await;
    it.log_in(&it.it.ann).await;
    let json = it.it.it.check_command(&format!("{ASKED} other")).await.json();
    let other = json["approval"]["id"].as_str().unwrap();
    let nobody = "apr_00000000000000000000000000000000";
    let digest = it.it.approval(&it.id).await["digest"].clone();
    let lines = [
        json!({"id": it.id, "decision": "approve", "digest": digest, "comment": "go on"}),
        json!({"id": nobody, "decision": "approve", "digest": digest}),
        json!({"id": other, "decision": "reject", "digest": it.it.approval(other).await["digest"]}),
    ];
    let file = it.home.path().join("decisions");
    fs::write(&file, lines.map(|it| it.to_string()).join("\n")).unwrap();
    let file = file.to_str().unwrap();
    let all = || it.gov(&["approvals", "decide-all", file]);
    it.run(all()).await.failed(2, "a decision is typed at a terminal, and there is none");

    let ask = "type `decide 3`";
    let (code, _, err, seen) = it.at_terminal(all(), &[(ask, "yes")]).await;
    assert!(code == 1 && err.contains("nothing was decided"), "{err}");
    for part in [ASKED, &format!("{ASKED} other"), "no approval", "saying: go on", "to reject this"]
    {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    assert_eq!(it.it.approval(&it.id).await["status"], "pending");

    let (code, out, err, _) = it.at_terminal(all(), &[(ask, "decide 3")]).await;
    assert_eq!(code, 1, "one does not count: {out} {err}");
    let lines: Vec<_> = out.lines().collect();
    assert_eq!(lines.len(), 3, "{out}");
    assert!(lines[0].starts_with(&format!("{} is approved until ", it.id)), "{out}");
    assert!(lines[1].starts_with(&format!("{nobody}: ")), "{out}");
    assert!(lines[2].starts_with(&format!("{other} is rejected; record ")), "{out}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_without_decisions_is_refused_before_anybody_is_asked() {
    let it = Desk::start().await;
    it.log_in(&it.it.ann).await;
    let file = it.home.path().join("decisions");
    let decision = json!({"id": it.id, "decision": "approve", "digest": "0"});
    for (text, message) in [
        (String::new(), "there is no decision in it"),
        (format!("{decision}\n{{}}"), "line 2 is no decision"),
        (r#"{"id":"7","decision":"approve","digest":"0"}"#.to_owned(), "line 1 is no decision"),
    ] {
        fs::write(&file, text).unwrap();
        let command = it.gov(&["approvals", "decide-all", file.to_str().unwrap()]);
        it.run(command).await.failed(2, message);
    }
    it.run(it.gov(&["approvals", "decide-all", "/nowhere"])).await.failed(2, "cannot read");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_withdraws_its_request_without_a_terminal() {
    let it = Desk::start().await;
    let mut command = it.gov(&["approvals", "cancel", &it.id, "--reason", "no longer needed"]);
    command.env("GOV_TOKEN", &it.it.it.agent);
    let ran = it.run(command).await;
    assert!(ran.code == 0 && ran.out.starts_with(&format!("{} is cancelled; ", it.id)), "{ran:?}");
    let mut again = it.gov(&["approvals", "cancel", &it.id]);
    again.env("GOV_TOKEN", &it.it.it.agent);
    it.run(again).await.failed(1, "the approval is `cancelled` already");
    let bad = it.run(it.gov(&["approvals", "cancel", &it.id, "--reason", ""])).await;
    assert!(bad.code == 2 && bad.err.contains("`reason` must be 1 to 512 bytes long"), "{bad:?}");
}
