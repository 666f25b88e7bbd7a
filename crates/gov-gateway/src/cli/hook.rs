//! `gov hook`: answers a coding agent's hook.

use std::{
    io::{self, Write as _},
    panic,
    path::PathBuf,
    process,
    time::Duration,
};

use clap::{Args, Subcommand};
use gov_core::AgentId;
use tokio::io::AsyncReadExt as _;

use super::{Exit, Outcome};
use crate::{
    client::{self, Client, Patience, Token},
    hook::{
        Ruling,
        claude_code::{self, Answer, MAX_INPUT_BYTES},
    },
};

/// In the hook's dialect 2 is «blocked», and every code but 0 and 2 is «go on».
const BLOCKED: Exit = Exit::Usage;

/// `gov hook`: answers a coding agent's hook.
#[derive(Debug, Subcommand)]
pub enum Hook {
    /// Claude Code's `PreToolUse` hook.
    ///
    /// Exit code 2 blocks the call, and standard error tells the model why; 0 lets it go on to
    /// the harness's own permissions. Whatever is in doubt blocks.
    ClaudeCode(ClaudeCode),
}

/// `gov hook claude-code`.
#[derive(Debug, Args)]
pub struct ClaudeCode {
    /// The server.
    #[arg(long, env = "GOV_URL", default_value = client::DEFAULT_URL)]
    url: String,
    /// The file with the agent's token, mode 0600; without it, `GOV_TOKEN` is taken.
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    /// Which agent this is.
    #[arg(long, value_name = "ID", default_value = "claude-code")]
    agent: AgentId,
    /// After how many seconds the call is blocked; keep it below the hook's own timeout, which
    /// lets the call go on.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
    /// Let an allowed call skip the harness's own permission prompt.
    #[arg(long)]
    approve: bool,
}

impl Hook {
    /// Runs the command.
    ///
    /// # Errors
    ///
    /// None: what goes wrong is an answer in the hook's dialect.
    pub fn run(self) -> Outcome {
        let Self::ClaudeCode(it) = self;
        // A panic would end the process with a code that lets the call go on.
        panic::set_hook(Box::new(|panic| {
            let ruling = Ruling::in_doubt(&format!("gov itself failed: {panic}"));
            process::exit(i32::from(say(&Answer::of(&ruling, false)) as u8));
        }));
        let judged = client::block_on(it.judge_in_time());
        let ruling = judged.unwrap_or_else(|error| {
            Ruling::in_doubt(&format!("the hook has no event loop: {error}"))
        });
        Ok(say(&Answer::of(&ruling, it.approve)))
    }
}

impl ClaudeCode {
    /// Judges within the time limit, the reading of standard input included.
    async fn judge_in_time(&self) -> Ruling {
        let limit = Duration::from_secs(self.timeout);
        tokio::time::timeout(limit, self.judge()).await.unwrap_or_else(|_| {
            Ruling::in_doubt(&format!("no answer within {limit:?}; see whether the server is well"))
        })
    }

    async fn judge(&self) -> Ruling {
        let mut input = Vec::new();
        let mut limited = tokio::io::stdin().take(MAX_INPUT_BYTES as u64 + 1);
        if let Err(error) = limited.read_to_end(&mut input).await {
            return Ruling::in_doubt(&format!("cannot read standard input: {error}"));
        }
        if input.len() > MAX_INPUT_BYTES {
            return Ruling::in_doubt(&format!(
                "the hook's input must be at most {MAX_INPUT_BYTES} bytes; do it in smaller steps"
            ));
        }
        match self.ask(&input).await {
            Ok(ruling) => ruling,
            Err(error) => Ruling::in_doubt(&format!("{error:#}")),
        }
    }

    async fn ask(&self, input: &[u8]) -> anyhow::Result<Ruling> {
        let body = claude_code::parse(input)?.to_check(&self.agent)?;
        let token = Token::find(self.token_file.as_deref())?;
        let answer = Duration::from_secs(self.timeout);
        let patience = Patience { answer, ..Patience::default() };
        let client = Client::new(&self.url, token.as_ref(), patience)?;
        Ok(Ruling::of(&client.post("/v1/actions/check", body).await?))
    }
}

/// Says it and gives the exit code; an answer that could not be written is a block.
fn say(answer: &Answer) -> Exit {
    let mut written = Ok(());
    if !answer.stdout.is_empty() {
        let mut out = io::stdout().lock();
        written = writeln!(out, "{}", answer.stdout).and_then(|()| out.flush());
    }
    if !answer.stderr.is_empty() {
        // With standard error closed the exit code is all that is left to say.
        let _ = writeln!(io::stderr().lock(), "{}", answer.stderr);
    }
    if answer.exit == 0 && written.is_ok() { Exit::Yes } else { BLOCKED }
}
