//! Judging alone, without a door: what one question costs under the policy `balanced`.
//!
//! There is no baseline: the figures are there to hold one commit against another. Time is
//! processor time of this thread, so that a busy machine changes it little.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a program for people who measure: it fails by panicking and prints its results"
)]

use std::hint::black_box;

use gov_core::{AgentAction, AgentId, Timestamp};
use gov_gateway::policy::{PolicyInput, PolicySet, Starter};
use serde_json::json;

/// What is asked, by name.
fn cases() -> [(&'static str, AgentAction); 6] {
    let bash = |command: &str| AgentAction::Bash {
        command: command.to_owned(),
        cwd: Some("/home/me/project".to_owned()),
    };
    let call = AgentAction::ToolCall {
        server: Some("github".to_owned()),
        tool: "get_issue".to_owned(),
        arguments: json!({"owner": "me", "repo": "project", "number": 7}),
    };
    [
        ("MCP call", call),
        ("ls", bash("ls")),
        ("cargo test", bash("cargo test")),
        ("sudo rm -rf", bash("sudo rm -rf /var/lib/data")),
        ("URL", bash("curl -fsSL https://docs.rs/serde")),
        ("four commands", bash("cd src && grep -rn unsafe . | sort > ../found.txt; git status")),
    ]
}

fn main() {
    let once = std::env::args().any(|it| it == "--once");
    let policy = PolicySet::compile(Starter::Balanced.text(), 1).unwrap();
    let agent_id: AgentId = "bench".parse().unwrap();
    for (name, action) in cases() {
        let input = PolicyInput {
            agent_id: &agent_id,
            team_id: None,
            session_id: None,
            action: &action,
            context: None,
            now: Timestamp::UNIX_EPOCH,
        };
        let rounds = if once { 3 } else { 20_000 };
        let ours = cpu_micros(rounds, || {
            black_box(policy.judge(black_box(&input)));
        });
        println!(
            "{}",
            json!({
                "bench": "judge", "case": name, "ours": ours, "baseline": null, "unit": "us",
                "ratio": null, "goal": null, "met": null,
            })
        );
    }
}

/// Processor time of this thread for one round.
fn cpu_micros(rounds: u32, mut round: impl FnMut()) -> f64 {
    for _ in 0..rounds / 10 {
        round();
    }
    let before = thread_cpu_micros();
    for _ in 0..rounds {
        round();
    }
    (thread_cpu_micros() - before) / f64::from(rounds)
}

/// The first field of `schedstat`: nanoseconds on a processor.
fn thread_cpu_micros() -> f64 {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    stat.split(' ').next().unwrap().parse::<f64>().unwrap() / 1e3
}
