//! `gov approvals`, `gov login` and `gov logout`: the real binary, before a person or without one.

use std::{fs, os::unix::fs::PermissionsExt as _, process::Command};

use serde_json::Value;

use crate::{check_door::ASKED, deciders::Deciding, process::Ran, terminal::Terminal};

/// A server with an approval that waits, and a person's home.
pub(crate) struct Desk {
    pub(crate) it: Deciding,
    pub(crate) home: tempfile::TempDir,
    pub(crate) id: String,
}

impl Desk {
    pub(crate) async fn start() -> Self {
        let it = Deciding::start("").await;
        let id = it.ask().await;
        Self { it, home: tempfile::tempdir().unwrap(), id }
    }

    pub(crate) fn gov(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_gov"));
        command.env_clear().env("XDG_CONFIG_HOME", self.home.path());
        command.env("GOV_URL", format!("http://{}", self.it.it.address)).args(arguments);
        command
    }

    /// Runs it without a terminal.
    pub(crate) async fn run(&self, command: Command) -> Ran {
        let mut command = command;
        // A session of its own has no terminal.
        let mut session = Command::new("setsid");
        session.arg("--wait").arg(command.get_program()).args(command.get_args()).env_clear();
        for (name, value) in command.get_envs() {
            session.env(name, value.unwrap());
        }
        session.env("PATH", std::env::var_os("PATH").unwrap());
        std::mem::swap(&mut command, &mut session);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap());
        Ran::of(output.await.unwrap())
    }

    /// Runs it at a terminal, where a person types each answer to what it asks.
    pub(crate) async fn at_terminal(
        &self,
        command: Command,
        answers: &[(&str, &str)],
    ) -> (i32, String, String, String) {
        let answers: Vec<_> =
            answers.iter().map(|(ask, say)| ((*ask).to_owned(), (*say).to_owned())).collect();
        let run = tokio::task::spawn_blocking(move || {
            let mut terminal = Terminal::start(&command);
            for (ask, say) in answers {
                terminal.wait_for(&ask);
                terminal.type_line(&say);
            }
            let seen = terminal.seen.clone();
            let (code, out, err) = terminal.end();
            (code, out, err, seen)
        });
        run.await.unwrap()
    }

    pub(crate) async fn log_in(&self, token: &str) -> (i32, String, String, String) {
        self.at_terminal(self.gov(&["login"]), &[("token for http://", token)]).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_logs_in_at_a_terminal_and_the_token_is_kept_apart() {
    let it = Desk::start().await;
    let (code, out, err, seen) = it.log_in(&it.it.ann).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.contains("as Ann (per_"), "{out}");
    assert!(!seen.contains(&it.it.ann) && !out.contains(&it.it.ann), "the token is not shown");
    let dir = it.home.path().join("gov/credentials");
    let [file] = &fs::read_dir(&dir).unwrap().map(|it| it.unwrap().path()).collect::<Vec<_>>()[..]
    else {
        panic!("one file")
    };
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);

    let ran = it.run(it.gov(&["approvals", "list", "--status", "pending"])).await;
    assert!(ran.code == 0 && ran.out.contains(&it.id) && ran.out.contains(ASKED), "{ran:?}");
    let ran = it.run(it.gov(&["logout"])).await;
    assert!(ran.out.contains("is forgotten here"), "{ran:?}");
    it.run(it.gov(&["approvals", "list"])).await.failed(2, "`gov login --url http://");
    assert!(it.run(it.gov(&["logout"])).await.out.contains("no token was kept"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_wrong_or_an_agents_is_not_kept() {
    let it = Desk::start().await;
    for (token, code, message) in [
        ("hunter2", 2, "the token must be one line"),
        (&*format!("{}0", it.it.ann), 2, "the token is not valid"),
        (&it.it.it.agent, 2, "this is an agent's token"),
    ] {
        let (got, _, err, _) = it.log_in(token).await;
        assert_eq!(got, code, "{err}");
        assert!(err.contains(message) && !err.contains(token), "{err}");
    }
    assert!(!it.home.path().join("gov").exists());
    it.run(it.gov(&["login"])).await.failed(2, "the token is typed at a terminal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn approving_shows_all_of_it_and_asks_at_the_terminal() {
    let it = Desk::start().await;
    it.log_in(&it.it.ann).await;
    let approve = ["approvals", "approve", &it.id, "--comment", "go on"];
    let ask = "type `approve` to approve this";
    let (code, _, err, seen) = it.at_terminal(it.gov(&approve), &[(ask, "yes")]).await;
    assert!(code == 1 && err.contains("nothing was decided"), "{err}");
    for part in [ASKED, "coder", "any approver", "digest", "approval.requested"] {
        assert!(seen.contains(part), "{part}: {seen}");
    }
    assert_eq!(it.it.approval(&it.id).await["status"], "pending");

    let (code, out, err, _) = it.at_terminal(it.gov(&approve), &[(ask, "approve")]).await;
    assert_eq!(code, 0, "{err}");
    assert!(out.starts_with(&format!("{} is approved until ", it.id)), "{out}");
    let view = it.it.approval(&it.id).await;
    assert_eq!(view["answer"]["actor"], it.it.ann_id.to_string());
    assert_eq!(view["answer"]["comment"], "go on");
    let (code, _, err, _) = it.at_terminal(it.gov(&approve), &[]).await;
    assert!(code == 1 && err.contains("is `approved` already"), "{err}");
    assert_eq!(it.it.it.check_command(ASKED).await.json()["decision"], "allow");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_terminal_nothing_is_decided() {
    let it = Desk::start().await;
    it.log_in(&it.it.ann).await;
    for word in ["approve", "reject"] {
        let ran = it.run(it.gov(&["approvals", word, &it.id])).await;
        ran.failed(2, "a decision is typed at a terminal, and there is none");
    }
    assert_eq!(it.it.approval(&it.id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_not_allowed_is_told_why() {
    let it = Desk::start().await;
    // Looking needs no login; deciding does.
    let mut operator = it.gov(&["approvals", "reject", &it.id]);
    operator.env("GOV_TOKEN", &it.it.it.admin);
    let (code, _, err, _) = it.at_terminal(operator, &[]).await;
    assert!(code == 2 && err.contains("`gov login --url http://"), "{err}");
    let mut looking = it.gov(&["approvals", "show", &it.id, "--json"]);
    looking.env("GOV_TOKEN", &it.it.it.admin);
    let json: Value = serde_json::from_str(&it.run(looking).await.out).unwrap();
    assert_eq!(json["action"]["command"], ASKED);

    // An admin may look, and the server says who decides.
    it.log_in(&it.it.it.admin).await;
    let reject = it.gov(&["approvals", "reject", &it.id]);
    let ask = "type `reject` to reject this";
    let (code, _, err, _) = it.at_terminal(reject, &[(ask, "reject")]).await;
    assert!(code == 1 && err.contains("this needs a token with scope `approver`"), "{err}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approvers_token_in_the_environment_is_refused_by_every_command() {
    let it = Desk::start().await;
    it.log_in(&it.it.ann).await;
    for arguments in [
        &["approvals", "list"][..],
        &["approvals", "show", &it.id],
        &["approvals", "approve", &it.id],
        &["approvals", "reject", &it.id],
        &["approvals", "cancel", &it.id],
        &["approvals", "decide-all", "/dev/null"],
        &["approvals", "wait", &it.id],
        &["login"],
    ] {
        let mut command = it.gov(arguments);
        command.env("GOV_TOKEN", &it.it.bob);
        let ran = it.run(command).await;
        ran.failed(2, "GOV_TOKEN holds an approver's token, which every process of an agent");
    }
    assert_eq!(it.it.approval(&it.id).await["status"], "pending");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_ends_with_the_answer_in_its_exit_code() {
    let it = Desk::start().await;
    it.log_in(&it.it.ann).await;
    let wait = |id: &str| it.gov(&["approvals", "wait", id, "--timeout", "300ms"]);
    let ran = it.run(wait(&it.id)).await;
    assert_eq!((ran.code, ran.out), (4, format!("{} is pending\n", it.id)));
    it.it.approve(&it.id).await;
    let ran = it.run(wait(&it.id)).await;
    assert_eq!((ran.code, ran.out), (0, format!("{} is approved\n", it.id)));
    it.it.it.check_command(ASKED).await;
    assert_eq!(it.run(wait(&it.id)).await.code, 0, "consumed");
    let other = it.it.ask().await;
    assert_eq!(it.it.decide(&other, &it.it.ann, "reject").await.status, 200);
    let ran = it.run(wait(&other)).await;
    assert_eq!((ran.code, ran.out), (1, format!("{other} is rejected\n")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_agent_wrote_cannot_steer_the_terminal() {
    let it = Desk::start().await;
    it.log_in(&it.it.ann).await;
    let deceptive = format!("{ASKED} \u{202e}\u{1b}[2J\nstatus    approved");
    let json = it.it.it.check_command(&deceptive).await.json();
    let id = json["approval"]["id"].as_str().unwrap();
    for arguments in [&["approvals", "show", id][..], &["approvals", "list"]] {
        let ran = it.run(it.gov(arguments)).await;
        assert_eq!(ran.code, 0, "{ran:?}");
        assert!(!ran.out.contains(['\u{202e}', '\u{1b}']), "{}", ran.out);
        assert!(!ran.out.lines().any(|it| it == "status    approved"), "{}", ran.out);
    }
}
