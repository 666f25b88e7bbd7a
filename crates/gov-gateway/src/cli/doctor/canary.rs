//! The canary: a call that the policy must refuse, put to the hook as the coding agent puts it.
//!
//! Nothing is executed. What counts is not that something blocks, but that gov refused: the hook
//! must say so, name the record, and the record must be in the signed log.

use std::{
    fs::{self, DirBuilder},
    io,
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

use gov_core::{Clock as _, RecordId, SystemClock, hex::Hex};
use gov_deferred_audit::lookup::find_record;
use serde_json::{Value, json};

use super::{
    check::Check,
    run_hook::{self, Ran},
    settings::INSTALL,
};
use crate::{
    client::{Client, Patience, Token},
    harness::claude_code::{HARNESS_TIMEOUT_SECONDS, HookOptions, Installed},
    hook::{claude_code, ruling},
};

const NAME: &str = "canary";
const HARMLESS: &str = "harmless call";
const RECORD: &str = "canary's record";

/// The longest that a hook is waited for, whatever the settings allow it.
const MAX_WAIT: Duration = Duration::from_mins(1);

/// How often, and how long after each other, a record is looked for: with
/// `durability.refuse = "spooled"` it follows the answer.
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(100);

/// What the canary is put to.
#[derive(Debug)]
pub(super) struct Canary<'a> {
    pub(super) hook: &'a Installed,
    pub(super) url: &'a str,
    pub(super) server_runs: bool,
    /// The signed log, if the data directory can be used.
    pub(super) log: Option<&'a Path>,
}

impl Canary<'_> {
    /// Fires the canary, and a harmless call after it.
    pub(super) async fn fire(&self) -> Vec<Check> {
        let place = match Nest::new() {
            Ok(place) => place,
            Err(error) => {
                let detail = format!("no directory for it: {error}");
                return vec![Check::not_judged(NAME, detail, "see whether `$TMPDIR` can be used")];
            }
        };
        let command = format!("rm -rf /gov-canary-{}", place.random);
        let canary = place.call(&command);
        let mut checks = match self.put(&place, &canary).await {
            Ok(ran) => self.judge(&ran, &command, &canary).await,
            Err(error) => vec![not_started(NAME, &error)],
        };
        checks.push(match self.put(&place, &place.call("pwd")).await {
            Ok(ran) => self.judge_harmless(&ran),
            Err(error) => not_started(HARMLESS, &error),
        });
        checks
    }

    async fn put(&self, place: &Nest, call: &Value) -> io::Result<Ran> {
        let input = call.to_string();
        run_hook::run(&self.hook.command, &place.dir, input.as_bytes(), self.patience()).await
    }

    fn patience(&self) -> Duration {
        let seconds = self.hook.timeout_seconds.unwrap_or(HARNESS_TIMEOUT_SECONDS);
        Duration::from_secs(seconds).min(MAX_WAIT)
    }

    async fn judge(&self, ran: &Ran, command: &str, call: &Value) -> Vec<Check> {
        let failed = |detail: String| vec![Check::failed(NAME, detail, INSTALL)];
        let (code, stdout, stderr) = match ran {
            Ran::TooSlow => return failed(self.too_slow()),
            Ran::Ended { code, stdout, stderr } => (code, stdout, stderr.trim()),
        };
        match code {
            Some(2) if is_ruling(stderr) => {
                let detail = format!("`{command}` was blocked: {stderr}");
                let mut checks = vec![Check::ok(NAME, detail)];
                checks.push(self.look_up(stderr).await);
                checks
            }
            Some(2) if stderr.starts_with(ruling::NOT_JUDGED) => vec![self.in_doubt(NAME, stderr)],
            Some(2) => failed(format!("`{command}` was blocked, but not by gov: {stderr}")),
            Some(0) => vec![self.let_through(command, call, stdout).await],
            code => failed(format!(
                "`{command}` was not blocked: the hook ended with {}, and the harness goes on \
                 after anything but 2: {stderr}",
                shown(*code)
            )),
        }
    }

    fn judge_harmless(&self, ran: &Ran) -> Check {
        match ran {
            Ran::TooSlow => Check::failed(HARMLESS, self.too_slow(), INSTALL),
            Ran::Ended { code: Some(0), .. } => Check::ok(HARMLESS, "`pwd` was not blocked"),
            Ran::Ended { code: Some(2), stderr, .. } if is_ruling(stderr.trim()) => Check::warning(
                HARMLESS,
                format!("`pwd` was blocked: {}", stderr.trim()),
                "see whether the policy means that",
            ),
            Ran::Ended { code: Some(2), stderr, .. } => self.in_doubt(HARMLESS, stderr.trim()),
            Ran::Ended { code, stderr, .. } => {
                let detail = format!("the hook ended with {}: {}", shown(*code), stderr.trim());
                Check::failed(HARMLESS, detail, INSTALL)
            }
        }
    }

    /// Blocked because gov does not know, which proves nothing.
    fn in_doubt(&self, name: &str, stderr: &str) -> Check {
        let detail = format!("it was blocked, but nobody judged it: {stderr}");
        if self.server_runs {
            Check::failed(name, detail, INSTALL)
        } else {
            Check::not_judged(name, detail, "start the server with `gov serve`")
        }
    }

    /// Not blocked: is that what the policy wants?
    async fn let_through(&self, command: &str, call: &Value, stdout: &str) -> Check {
        let failed = |why: String| {
            let detail = format!("`{command}` was not blocked{why}");
            Check::failed(NAME, detail, INSTALL)
        };
        match self.ask(call).await {
            Ok(decision) if decision == "allow" => proves_nothing(command, &decision),
            Ok(decision) if decision == "warn" && stdout.contains(ruling::WARNED) => {
                proves_nothing(command, &decision)
            }
            Ok(decision) => failed(format!(", and the policy says `{decision}`")),
            Err(error) => failed(format!(", and the server cannot be asked itself: {error:#}")),
        }
    }

    /// Asks the server itself, as the agent.
    async fn ask(&self, call: &Value) -> anyhow::Result<String> {
        let options = HookOptions::read(&self.hook.command);
        let agent = match options.agent {
            Some(agent) => agent,
            None => "claude-code".parse()?,
        };
        let token = Token::find(options.token_file.as_deref())?;
        let client = Client::new(self.url, token.as_ref(), Patience::default())?;
        let body = claude_code::parse(call.to_string().as_bytes())?.to_check(&agent)?;
        let reply = client.post("/v1/actions/check", body).await?;
        let answer: Value = serde_json::from_slice(&reply.body)?;
        let decision = answer.get("decision").and_then(Value::as_str);
        Ok(decision.unwrap_or("nothing").to_owned())
    }

    async fn look_up(&self, stderr: &str) -> Check {
        let Some(id) = record_of(stderr) else {
            return Check::failed(RECORD, "the refusal names none", "see the server's log");
        };
        let Some(log) = self.log else {
            let detail = format!("`{id}` is named, and there is no log here to look it up in");
            return Check::warning(RECORD, detail, "name the server's directory: `--data-dir`");
        };
        for _ in 0..LOOKS {
            match find_record(log, id) {
                Ok(Some(place)) => {
                    let detail = format!("`{id}` is in the signed log, number {}", place.seq);
                    return Check::ok(RECORD, detail);
                }
                Ok(None) => {
                    SystemClock.sleep_until(SystemClock.now() + BETWEEN_LOOKS).await;
                }
                Err(error) => {
                    let detail = format!(
                        "`{id}` is named, and the log cannot be read: {:#}",
                        anyhow::Error::new(error)
                    );
                    let way_out = "repeat this as the server's user to see the record";
                    return Check::warning(RECORD, detail, way_out);
                }
            }
        }
        let detail = format!("`{id}` is named, but it is not in the log `{}`", log.display());
        Check::failed(RECORD, detail, "is this the server's directory? else see the server's log")
    }

    fn too_slow(&self) -> String {
        let patience = self.patience();
        format!("the hook did not end within {patience:?}; the harness goes on then")
    }
}

fn proves_nothing(command: &str, decision: &str) -> Check {
    let detail = format!(
        "`{command}` was not blocked, since the active policy says `{decision}`: it stops \
         nothing that can be tried here"
    );
    Check::warning(NAME, detail, "`balanced` and `strict` refuse it")
}

/// Whether this is what the hook says when the policy blocks.
fn is_ruling(stderr: &str) -> bool {
    stderr.starts_with(ruling::REFUSED) || stderr.starts_with(ruling::HELD_BACK)
}

fn record_of(stderr: &str) -> Option<RecordId> {
    let (_, rest) = stderr.split_once("record rec_")?;
    let digits: String = rest.chars().take_while(char::is_ascii_hexdigit).collect();
    format!("rec_{digits}").parse().ok()
}

fn not_started(name: &str, error: &io::Error) -> Check {
    let detail = format!("the hook cannot be run: {error}");
    Check::not_judged(name, detail, "see whether `sh` is there")
}

fn shown(code: Option<i32>) -> String {
    code.map_or_else(|| "a signal".to_owned(), |it| format!("code {it}"))
}

/// An empty directory for the calls, gone at the end.
struct Nest {
    dir: PathBuf,
    random: String,
}

impl Nest {
    fn new() -> io::Result<Self> {
        let mut bytes = [0; 8];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let random = Hex(&bytes).to_string();
        let dir = std::env::temp_dir().join(format!("gov-doctor-{random}"));
        DirBuilder::new().mode(0o700).create(&dir)?;
        Ok(Self { dir, random })
    }

    /// A call of the shell as the harness writes it.
    fn call(&self, command: &str) -> Value {
        json!({
            "session_id": format!("gov-doctor-{}", self.random),
            "transcript_path": self.dir.join("transcript.jsonl"),
            "cwd": self.dir,
            "permission_mode": "default",
            "hook_event_name": claude_code::EVENT,
            "tool_name": "Bash",
            "tool_input": {"command": command, "description": "a canary of gov doctor"},
            "tool_use_id": format!("toolu_{}", self.random),
        })
    }
}

impl Drop for Nest {
    fn drop(&mut self) {
        // Only if it is empty: a hook may have left something there.
        let _ = fs::remove_dir(&self.dir);
    }
}
