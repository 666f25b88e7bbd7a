//! The door under load, beside a bare handler that parses and echoes the same JSON.
//!
//! Both servers are processes of their own, built in the same profile, on the same machine, one
//! after the other. Prints one JSON object a line; `--once` is the quick form.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a program for people who measure: it fails by panicking and prints its results"
)]

mod approval;
mod bare;
mod load;
mod server;

use std::time::Duration;

use serde_json::json;

use crate::{
    load::{Figures, Plan},
    server::Server,
};

/// What is asked, and how the server is told to keep the answer.
struct Case {
    name: &'static str,
    command: &'static str,
    decision: &'static str,
    durability: &'static str,
}

const CASES: [Case; 3] = [
    Case { name: "allow", command: "cargo test", decision: "allow", durability: "durable" },
    Case {
        name: "refuse-spooled",
        command: "rm -rf /etc",
        decision: "refuse",
        durability: "spooled",
    },
    Case {
        name: "refuse-durable",
        command: "rm -rf /etc",
        decision: "refuse",
        durability: "durable",
    },
];

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.iter().any(|it| it == "--bare") {
        return bare::serve();
    }
    let once = arguments.iter().any(|it| it == "--once");
    for connections in [1, 10, 64] {
        // Every connection sends as many, so that the log can be counted against it.
        let requests = connections * if once { 4 } else { 400 + 4_000 / connections };
        let bare = Server::bare().measure(&plan(&CASES[0], connections, requests, "ok"));
        for case in &CASES {
            let server = Server::gov(case.durability);
            let ours = server.measure(&plan(case, connections, requests, case.decision));
            let asked = requests + Plan::WARM_UP * connections;
            let recorded = server.stop_and_count_records("action.refused");
            let refused = if case.decision == "refuse" { asked } else { 0 };
            assert_eq!(recorded, refused, "the log must hold every refusal, and nothing else");
            report(case, connections, &ours, &bare);
        }
    }
    approvals(if once { 4 } else { 400 });
}

/// Each step of an approval, beside the bare handler; the log must hold one use each.
fn approvals(count: usize) {
    let bare = Server::bare().measure(&plan(&CASES[0], 1, count, "ok"));
    for durability in ["durable", "spooled"] {
        let server = Server::gov(durability);
        let spans = server.walk_approvals(count);
        assert_eq!(server.stop_and_count_records("approval.consumed"), count, "one use each");
        let steps = [("held", spans.held), ("decided", spans.decided), ("used", spans.used)];
        for (step, spans) in steps {
            let how = format!("approval {step}, {durability}, 1 connection: latency");
            line(&format!("{how} p50"), micros(spans[count / 2]), micros(bare.p50), "us", "");
            let p99 = spans[(count * 99 / 100).min(count - 1)];
            line(&format!("{how} p99"), micros(p99), micros(bare.p99), "us", "");
        }
    }
}

fn plan(case: &Case, connections: usize, requests: usize, expected: &'static str) -> Plan {
    let action = json!({"kind": "bash", "command": case.command, "cwd": "/home/me/project"});
    let body = json!({"agent_id": server::AGENT, "session_id": "bench", "action": action});
    Plan { body: body.to_string(), expected, connections, requests }
}

fn report(case: &Case, connections: usize, ours: &Figures, bare: &Figures) {
    let how = format!("{}, {connections} connections", case.name);
    let rows = [
        ("server CPU a request", ours.cpu, bare.cpu, "<= bare + 60 us for allow"),
        ("latency p50", ours.p50, bare.p50, ""),
        ("latency p99", ours.p99, bare.p99, "<= bare + 1 ms for allow at 64"),
    ];
    for (what, ours, baseline, goal) in rows {
        line(&format!("{how}: {what}"), micros(ours), micros(baseline), "us", goal);
    }
    line(&format!("{how}: requests"), ours.rate, bare.rate, "1/s", "");
}

fn line(case: &str, ours: f64, baseline: f64, unit: &str, goal: &str) {
    let ratio = if baseline > 0.0 { Some(ours / baseline) } else { None };
    // Absolute goals are reported; only ratios are judged.
    println!(
        "{}",
        json!({
            "bench": "check", "case": case, "ours": ours, "baseline": baseline, "unit": unit,
            "ratio": ratio, "goal": goal, "met": null,
        })
    );
}

fn micros(span: Duration) -> f64 {
    span.as_secs_f64() * 1e6
}
