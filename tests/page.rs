//! The page, as a person uses it in a real browser.

use std::path::{Path, PathBuf};

use serde_json::json;

use crate::{
    browser::Browser,
    place::{AGENT, Place},
    server::{ALLOWED, ASKED, REFUSED, Server, WARNED},
};

/// Names a file to which a picture of the page is written; a dark one beside it.
const SCREENSHOT: &str = "GOV_TEST_SCREENSHOT";

/// The route that agents ask at.
const CHECK: &str = "/v1/actions/check";

/// A server with an agent and an approver.
struct Stage {
    server: Server,
    agent: String,
    approver: String,
}

fn stage(place: &Place) -> Stage {
    let (agent, approver) = (place.agent_token(), place.approver_token("Ann", &["ops"]));
    Stage { server: place.serve(""), agent, approver }
}

impl Stage {
    /// The agent asks for what needs a person's word, and gets the approval's id.
    #[track_caller]
    fn ask(&self, command: &str) -> String {
        let reply = self.server.check(&self.agent, command);
        assert_eq!(reply.json["decision"], "require_approval", "{reply:?}");
        reply.json["approval"]["id"].as_str().unwrap().to_owned()
    }

    /// The agent asks again, with the approval, and is told.
    fn use_up(&self, command: &str, approval: &str) -> (String, String) {
        let action = json!({"kind": "bash", "command": command, "cwd": "/home/me/shop"});
        let body = json!({"agent_id": AGENT, "action": action, "approval_id": approval});
        let reply = self.server.post(&self.agent, CHECK, &body);
        let text = |field: &str| reply.json[field].as_str().unwrap_or_default().to_owned();
        (text("decision"), text("rule_id"))
    }

    /// The agent asks, the approver answers, and the agent tries.
    fn decide(&self, command: &str, decision: &str) {
        let path = format!("/v1/approvals/{}", self.ask(command));
        let digest = self.server.get(&self.approver, &path).json["digest"].take();
        let body = json!({"decision": decision, "digest": digest});
        self.server.post(&self.approver, &format!("{path}/decision"), &body);
        self.use_up(command, path.rsplit('/').next().unwrap());
    }

    /// Logs in by the keyboard: the form waits for the token.
    fn log_in(&self, browser: &mut Browser) {
        browser.goto(&self.server.url());
        assert_eq!((browser.path(), browser.focused()), ("/login".into(), "input token".into()));
        browser.type_text(&self.approver);
        browser.press("Enter");
        browser.see(".masthead");
        assert_eq!(browser.path(), "/");
    }
}

/// Tells the page what a browser tells one in a tab behind others.
fn hide(browser: &mut Browser, hidden: bool) {
    browser.eval(&format!(
        "Object.defineProperty(document, 'hidden', {{value: {hidden}, configurable: true}}); \
         document.dispatchEvent(new Event('visibilitychange'))"
    ));
}

fn card(id: &str) -> String {
    format!(".card[data-key='{id}']")
}

#[test]
fn a_person_answers_by_the_keyboard_and_sees_what_the_agent_does_with_it() {
    let place = Place::new();
    let Some(mut browser) = Browser::start(&place) else { return };
    let it = stage(&place);
    let push = "git push --force origin main";
    let first = it.ask(push);
    browser.open();
    it.log_in(&mut browser);
    assert!(browser.see(&card(&first)).contains(push));

    // The first stop of the keyboard leads to the requests; there, letters do.
    browser.press("Tab");
    assert_eq!(browser.focused(), "a Skip to the approvals");
    browser.press("Enter");
    browser.press("j");
    assert!(browser.focused().starts_with("li coder wants to run a command"));
    browser.press("a");
    assert_eq!(browser.focused(), "button Approve");
    browser.press("Enter");
    let told = browser.see(".message.yes");
    assert!(told.starts_with("Approved by Ann: coder may do it once, until "), "{told}");
    assert_eq!((browser.count(".card"), browser.focused()), (0, format!("p {told}")));
    browser.see(".row .word.yes:text('approved')");

    // The page is not touched any more: it sees by itself what the agent does.
    assert_eq!(it.use_up(push, &first).0, "allow");
    assert!(browser.see(".row:has(.word:text('released'))").contains(push));

    // A second request comes while the page is open, and is rejected with a word.
    let second = it.ask("git push --force origin dev");
    browser.see(&card(&second));
    assert!(browser.see("#said").contains("New request: coder wants to run a command"));
    browser.press("Tab");
    while !browser.focused().starts_with("textarea") {
        browser.press("Tab");
    }
    browser.type_text("a rebase just rewrites it");
    // What is written stays while the page looks again for what is new.
    let third = it.ask("git push --force origin third");
    browser.see(&card(&third));
    browser.press("Tab");
    assert_eq!(browser.focused(), "button Reject");
    browser.press("Enter");
    assert!(browser.see(".message.no").starts_with("Rejected by Ann"));
    assert_eq!((browser.count(&card(&second)), browser.count(&card(&third))), (0, 1));
    browser.see(".row .word.no:text('rejected')");

    // A page that nobody sees asks nobody, and goes on when it is seen again.
    hide(&mut browser, true);
    browser.see("#pulse:text('Paused while nobody looks.')");
    let unseen = it.ask("git push --force origin unseen");
    hide(&mut browser, false);
    browser.see(&card(&unseen));
    let refused = it.use_up("git push --force origin dev", &second);
    assert_eq!(refused, ("refuse".to_owned(), "approval-rejected".to_owned()));
    browser.no_problems();

    let events = place.run(&["audit", "verify"]).ok();
    assert!(!events.out.is_empty());
    drop(browser);
    it.server.stop();
}

#[test]
fn a_person_whose_answer_is_not_enough_sees_who_is_still_needed() {
    let place = Place::new();
    let Some(mut browser) = Browser::start(&place) else { return };
    let (agent, approver) = (place.agent_token(), place.approver_token("Ann", &["ops"]));
    let other = place.approver_token("Bob", &["security"]);
    let server = place.serve(
        "[[chains.default.rungs]]\n\
         require = [{ role = \"ops\", count = 1 }, { role = \"security\", count = 1 }]\n",
    );
    let it = Stage { server, agent, approver };
    let push = "git push --force origin both";
    let asked = it.ask(push);
    browser.open();
    it.log_in(&mut browser);
    browser.click(&format!("{} button.approve", card(&asked)));
    let told = browser.see(".message.yes");
    assert!(told.starts_with("Your answer counts, 1 of 2. Still needed: 1 of security"), "{told}");
    let shown = browser.see(&card(&asked));
    assert!(shown.contains("1 of 2; still needed: 1 of security"), "{shown}");
    assert_eq!(browser.count(&format!("{} button.approve", card(&asked))), 0, "once is enough");
    browser.is_accessible();

    let path = format!("/v1/approvals/{asked}");
    let digest = it.server.get(&other, &path).json["digest"].take();
    let body = json!({"decision": "approve", "digest": digest});
    assert_eq!(it.server.post(&other, &format!("{path}/decision"), &body).status, 200);
    // The open page sees by itself that nothing is needed any more.
    browser.see(".row .word.yes:text('approved')");
    assert_eq!(browser.count(&card(&asked)), 0);
    assert_eq!(it.use_up(push, &asked).0, "allow");
    browser.no_problems();
}

#[test]
fn a_person_edits_a_request_and_approves_what_they_made_of_it() {
    let place = Place::new();
    let Some(mut browser) = Browser::start(&place) else { return };
    let it = stage(&place);
    let (push, mine) = ("git push --force origin main", "git push --force origin mine");
    let windows = [Browser::open_without_scripts, Browser::open, Browser::open_dark];
    for (open, scripts) in windows.into_iter().zip([false, true, true]) {
        let asked = it.ask(push);
        open(&mut browser);
        it.log_in(&mut browser);
        // The link leads into the form, which is closed for whoever only answers.
        browser.click(&format!("{} .edit a", card(&asked)));
        browser.see(&format!("textarea.json:has-text('{push}')"));
        assert_eq!(browser.count(".decide:visible"), 0, "what is edited is not approved as it was");
        browser.click("textarea.json");
        browser.press("Control+a");
        browser.type_text("{\"kind\": \"bash\",\n\"command\": ");
        browser.click(".edit button");
        let told = browser.see(".edit .message");
        assert!(told.starts_with("Your edit does not count: the action cannot be read"), "{told}");
        assert_eq!(browser.focused(), format!("textarea e-{asked}"));
        if scripts {
            browser.is_accessible();
        }
        // What was typed is still there, to go on with.
        browser.press("Control+End");
        browser.type_text(&format!("{mine:?}, \"cwd\": \"/home/me/shop\"}}"));
        browser.press("Tab");
        browser.type_text("only your own branch");
        browser.press("Tab");
        assert_eq!(browser.focused(), "button Approve as edited");
        browser.press("Enter");
        let told = browser.see(".message.yes");
        assert!(told.starts_with("Edited; the original is cancelled. Approved by Ann: "), "{told}");
        if scripts {
            browser.is_accessible();
        }
        browser.click(".message a");
        let new = browser.path().split_off("/approvals/".len());
        assert!(browser.see(".card").contains(mine) && new != asked);
        assert_eq!(it.use_up(push, &asked).1, "approval-cancelled");
        assert_eq!(it.use_up(mine, &new).0, "allow");
        browser.goto(&it.server.url());
        browser.click(".masthead button");
        let problems = browser.problems();
        assert!(problems.iter().all(|it| it.contains("a status of 422")), "{problems:?}");
    }
}

#[test]
fn everything_works_where_no_script_runs() {
    let place = Place::new();
    let Some(mut browser) = Browser::start(&place) else { return };
    let it = stage(&place);
    let (yes, no) = (it.ask("git push --force origin yes"), it.ask("git push --force origin no"));
    browser.open_without_scripts();
    it.log_in(&mut browser);
    browser.click(&format!("{} button.approve", card(&yes)));
    assert!(browser.see(".message").starts_with("Approved by Ann"));
    browser.click(&format!("{} summary", card(&no)));
    assert!(browser.see(&format!("{} .whole", card(&no))).contains("\"cwd\": \"/home/me/shop\""));
    browser.click(&format!("{} button.reject", card(&no)));
    assert!(browser.see(".message").starts_with("Rejected by Ann"));
    assert_eq!(it.use_up("git push --force origin yes", &yes).0, "allow");
    assert_eq!(it.use_up("git push --force origin no", &no).1, "approval-rejected");

    // What somebody else has answered meanwhile is said, and changes nothing.
    let late = it.ask("git push --force origin late");
    browser.goto(&it.server.url());
    let mut other = Browser::start(&place).unwrap();
    other.open_without_scripts();
    it.log_in(&mut other);
    other.click(&format!("{} button.reject", card(&late)));
    other.see(".message");
    browser.click(&format!("{} button.approve", card(&late)));
    let told = browser.see(".message");
    assert!(told.starts_with("Your answer does not count: the approval is `rejected`"), "{told}");
    assert_eq!(it.use_up("git push --force origin late", &late).1, "approval-rejected");

    browser.goto(&it.server.url());
    browser.click(".masthead button");
    assert_eq!(browser.path(), "/login");
    browser.goto(&it.server.url());
    assert_eq!(browser.path(), "/login");
}

#[test]
fn an_open_page_says_that_its_session_is_over_and_keeps_what_is_written() {
    let place = Place::new();
    let Some(mut browser) = Browser::start(&place) else { return };
    let admin = place.admin_token();
    let it = stage(&place);
    it.ask(ASKED);
    browser.open();
    it.log_in(&mut browser);
    browser.click(".card textarea");
    browser.type_text("half a thought");
    let id = format!("tok_{}", &it.approver["gov_".len()..][..32]);
    let revoked = it.server.post(&admin, &format!("/v1/tokens/{id}/revoke"), &json!({}));
    assert_eq!(revoked.status, 200, "{revoked:?}");
    assert_eq!(browser.see("#trouble"), "Your session is over. Log in");
    let written = browser.eval("document.querySelector('.card textarea').value");
    assert_eq!(written, "half a thought");
    browser.click(".card button.approve");
    assert_eq!(browser.path(), "/login");
}

#[test]
fn nothing_that_an_agent_sends_runs_or_hides() {
    let place = Place::new();
    let Some(mut browser) = Browser::start(&place) else { return };
    let it = stage(&place);
    let evil = "<script>alert(1)</script><img src=x onerror=alert(1)> \u{202e}niam\u{1b}[2K";
    let asked = it.ask(&format!("git push --force origin main # {evil}"));
    it.server.check(&it.agent, &format!("{REFUSED} # {evil}"));
    browser.open();
    it.log_in(&mut browser);
    let shown = browser.see(&card(&asked));
    assert!(shown.contains("<script>alert(1)</script><img src=x onerror=alert(1)>"), "{shown}");
    assert!(shown.contains("\\u{202e}niam\\u{1b}[2K"), "{shown}");
    browser.see(".row:has(.word:text('refuse')) >> text=<script>");
    // A script of the page's own origin that is not its file does not run either.
    browser.eval(
        "document.body.append(Object.assign(document.createElement('script'), \
                  {textContent: 'globalThis.ran = true'}))",
    );
    assert_eq!(browser.eval("globalThis.ran ?? false"), json!(false));
    let problems = browser.problems();
    assert!(problems.iter().all(|it| it.contains("script-src")), "{problems:?}");
    assert!(!problems.is_empty(), "the policy said nothing about a script in the page");
}

#[test]
fn the_page_keeps_nobody_out_in_light_and_in_dark() {
    let place = Place::new();
    let Some(mut browser) = Browser::start(&place) else { return };
    let releaser = place.agent_token_of("release-bot");
    let it = stage(&place);
    busy(&it, &releaser);
    for (open, suffix) in [(Browser::open as fn(&mut Browser), ""), (Browser::open_dark, "-dark")] {
        open(&mut browser);
        browser.goto(&it.server.url());
        browser.is_accessible();
        it.log_in(&mut browser);
        browser.see(".card:nth-child(2)");
        browser.see(".row:nth-child(15)");
        browser.is_accessible();
        if let Some(file) = std::env::var_os(SCREENSHOT).map(PathBuf::from) {
            browser.shot(&beside(&file, suffix));
        }
        browser.click(".card summary");
        browser.click(".row summary");
        browser.is_accessible();
        browser.no_problems();
    }
}

/// `page.png` → `page-dark.png`.
fn beside(file: &Path, suffix: &str) -> PathBuf {
    let stem = file.file_stem().unwrap().to_str().unwrap();
    file.with_file_name(format!("{stem}{suffix}.png"))
}

/// Some work of two agents, with two things that wait for a person.
fn busy(it: &Stage, releaser: &str) {
    let check = |commands: &[&str]| {
        for command in commands {
            it.server.check(&it.agent, command);
        }
    };
    check(&["git status --short", "rg -n 'fn charge' crates/billing", ALLOWED]);
    it.decide("git push --force origin tax-rounding", "approve");
    check(&[WARNED, "git commit -am 'Round tax per line, not per cart'", REFUSED]);
    it.decide("git push --force origin release/2.14", "reject");
    check(&["cargo clippy --workspace -- -D warnings", "cargo build --release"]);
    it.ask(ASKED);
    let deploy = json!({
        "kind": "tool_call", "server": "ops", "tool": "deploy_service",
        "arguments": {
            "service": "checkout", "environment": "production",
            "image": "registry.example/checkout:2.14.0", "replicas": 6,
        },
    });
    it.server.post(releaser, CHECK, &json!({"agent_id": "release-bot", "action": deploy}));
}
