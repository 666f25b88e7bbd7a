//! The main job end to end, in a terminal: a refused call, its record, the export, the verdict.
//!
//! What is printed after a `$` is what ran, by `sh`, with `DIR`, `GOV_URL` and the path to the
//! fresh `gov` set. A step that ends otherwise than it should ends the tour.

mod stage;

use std::process::ExitCode;

use anyhow::{Context as _, Result, bail, ensure};
use serde_json::{Value, json};

use self::stage::Stage;
use crate::{cargo, needs};

/// What the coding agent sends before it runs a command (Claude Code's `PreToolUse`).
fn hook_call(command: &str) -> String {
    json!({
        "session_id": "a3f1c2d4-0000-4000-8000-000000000001",
        "transcript_path": "/tmp/transcript.jsonl",
        "cwd": "/tmp",
        "permission_mode": "default",
        "hook_event_name": "PreToolUse",
        "tool_name": "Bash",
        "tool_input": {"command": command, "description": "tidy up"},
        "tool_use_id": "toolu_01",
    })
    .to_string()
}

/// Walks through it; `--keep` leaves the folder.
pub(crate) fn run(arguments: &[String]) -> Result<ExitCode> {
    let keep = match arguments {
        [] => false,
        [it] if it == "--keep" => true,
        _ => bail!("`tour` takes nothing or `--keep`, and got `{}`", arguments.join(" ")),
    };
    needs::ensure(&[needs::CURL])?;
    eprintln!("building gov …");
    let gov = cargo::build_gov()?;
    let mut stage = Stage::set(gov, keep)?;
    match walk(&mut stage) {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(error) => Err(error.context(stage.last_words())),
    }
}

fn walk(stage: &mut Stage) -> Result<()> {
    stage
        .say("The server starts on an empty directory: keys, the balanced policy, an admin token.");
    stage.serve()?;

    stage.say("An agent gets its own token.");
    let created = stage.run(
        "GOV_TOKEN=$(cat \"$DIR/admin.token\") gov tokens create --scope agent --agent coder",
        0,
    )?;
    stage.write_secret("agent.token", &token_in(&created)?)?;

    stage.say("A coding agent wants to run `rm -rf /`. Its hook asks gov; exit code 2 blocks the call and the model reads why.");
    stage.write("delete.json", &hook_call("rm -rf /"))?;
    let hook = |call: &str| {
        format!(
            "gov hook claude-code --agent coder --token-file \"$DIR/agent.token\" < \"$DIR/{call}\""
        )
    };
    stage.run_and_read(&hook("delete.json"), 2, "refuse-recursive-delete-outside-cwd")?;

    stage.say("A harmless call goes on: exit code 0.");
    stage.write("list.json", &hook_call("ls"))?;
    stage.run(&hook("list.json"), 0)?;

    stage.say("The same question over HTTP. The answer names the record that it left.");
    let answer = stage.run(CHECK, 0)?;
    let record = record_in(&answer)?;

    approve(stage)?;

    stage.say("The signed log as static files, while the server runs.");
    stage.run("gov audit export \"$DIR/export\" --data-dir \"$DIR/data\"", 0)?;
    stage.run(&format!("grep -rhao '{{[^}}]*{record}[^}}]*}}' \"$DIR/export/tile/entries\""), 0)?;

    stage.say(
        "A stranger has the files and, from somebody else, the public key; nothing else is needed.",
    );
    stage.run("cp \"$DIR/export/vkey\" \"$DIR/vkey\"", 0)?;
    stage.run("gov audit verify --export \"$DIR/export\" --key \"$DIR/vkey\"", 0)?;

    stage.say("Somebody blames another agent, by one letter in a copy. The verifier finds it: exit code 1.");
    stage.run("cp -r \"$DIR/export\" \"$DIR/forged\"", 0)?;
    stage.run("find \"$DIR/forged/tile/entries\" -type f -exec sed -i '0,/\"agent\":\"coder\"/s//\"agent\":\"coden\"/' {} +", 0)?;
    stage
        .run("cmp \"$DIR/export/tile/entries/000.p/\"* \"$DIR/forged/tile/entries/000.p/\"*", 1)?;
    stage.run("gov audit verify --export \"$DIR/forged\" --key \"$DIR/vkey\"", 1)?;

    stage.say("And what happened, as it is searched: the newest first.");
    stage.run("GOV_TOKEN=$(cat \"$DIR/admin.token\") gov audit events --limit 5", 0)?;

    stage.say("The server stops in order: nothing is left behind.");
    stage.stop()?;
    stage.close()
}

/// A call that a person must allow: held, approved, done once.
fn approve(stage: &mut Stage) -> Result<()> {
    stage.say("Pushing by force waits for a person. Here is one, with a token that decides.");
    stage.run("GOV_TOKEN=$(cat \"$DIR/admin.token\") gov people add alice --role ops", 0)?;
    let created = stage.run(
        "GOV_TOKEN=$(cat \"$DIR/admin.token\") gov tokens create --scope approver --person alice",
        0,
    )?;
    stage.write_secret("alice.token", &token_in(&created)?)?;

    stage.say("The agent's push is held: exit code 2, and the model reads what it waits for.");
    stage.write("push.json", &hook_call("git push --force origin main"))?;
    stage.run_and_read(HOOK_PUSH, 2, "apr_")?;

    stage.say("Alice sees the whole action, and says yes to exactly that one, by its digest. (In daily use: the page at /, or `gov login` and `gov approvals approve`.)");
    let pending = stage.run(PENDING, 0)?;
    let (id, digest) = approval_in(&pending)?;
    stage.run(&decision(&id, &digest), 0)?;

    stage.say("The same call goes through, once; the next one would be asked about again.");
    stage.run(HOOK_PUSH, 0)?;
    stage.run_and_read(HOOK_PUSH, 2, "apr_")?;
    Ok(())
}

const HOOK_PUSH: &str =
    "gov hook claude-code --agent coder --token-file \"$DIR/agent.token\" < \"$DIR/push.json\"";

const PENDING: &str = r#"curl --silent --show-error --fail "$GOV_URL/v1/approvals?status=pending" \
    -H "authorization: Bearer $(cat "$DIR/alice.token")""#;

fn decision(id: &str, digest: &str) -> String {
    format!(
        r#"curl --silent --show-error --fail "$GOV_URL/v1/approvals/{id}/decision" \
    -H "authorization: Bearer $(cat "$DIR/alice.token")" -H 'content-type: application/json' \
    -d '{{"decision": "approve", "digest": "{digest}", "comment": "agreed on"}}'"#
    )
}

/// Id and digest of the first approval of a list.
fn approval_in(list: &str) -> Result<(String, String)> {
    let list: Value = serde_json::from_str(list).context("the list is not JSON")?;
    let field = |name: &str| {
        let value = list.pointer(&format!("/items/0/{name}")).and_then(Value::as_str);
        value.map(str::to_owned).with_context(|| format!("no approval with `{name}` is listed"))
    };
    Ok((field("id")?, field("digest")?))
}

const CHECK: &str = r#"curl --silent --show-error --fail "$GOV_URL/v1/actions/check" \
    -H "authorization: Bearer $(cat "$DIR/agent.token")" -H 'content-type: application/json' \
    -d '{"agent_id": "coder", "action": {"kind": "bash", "command": "rm -rf /"}}'"#;

/// The first word that looks like a token.
fn token_in(text: &str) -> Result<String> {
    let words = text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_' && it != '-');
    // gov_<id>_<secret>; the secret has at least 256 bits.
    let token =
        words.filter(|it| it.starts_with("gov_") && it.len() > 40).map(str::to_owned).next();
    token.context("no token was printed")
}

fn record_in(answer: &str) -> Result<String> {
    let answer: Value = serde_json::from_str(answer).context("the answer is not JSON")?;
    let decision = answer.get("decision").and_then(Value::as_str);
    ensure!(decision == Some("refuse"), "the answer is {answer}, and should be a refusal");
    let record = answer.pointer("/record/id").and_then(Value::as_str);
    record.map(str::to_owned).context("the answer names no record")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_in_what_a_command_prints() {
        let secret = format!("gov_{}_{}", "a1".repeat(8), "b2".repeat(32));
        let text = format!("admin token (gov_url, shown once): {secret}\n");
        assert_eq!(token_in(&text).unwrap(), secret);
        assert!(token_in("no token at all").is_err());
    }

    #[test]
    fn an_approval_is_read_from_a_list_and_an_empty_list_is_an_error() {
        let list = r#"{"items": [{"id": "apr_1", "digest": "ab"}], "next": null}"#;
        assert_eq!(approval_in(list).unwrap(), ("apr_1".to_owned(), "ab".to_owned()));
        assert!(approval_in(r#"{"items": [], "next": null}"#).is_err());
    }

    #[test]
    fn only_a_refusal_with_its_record_will_do() {
        let refusal = r#"{"decision": "refuse", "record": {"id": "rec_1"}}"#;
        assert_eq!(record_in(refusal).unwrap(), "rec_1");
        assert!(record_in(&refusal.replace("refuse", "allow")).is_err());
        assert!(record_in(r#"{"decision": "refuse"}"#).is_err());
    }
}
