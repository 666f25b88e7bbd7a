//! The server: whether it answers, how its parts are, and whether it takes the agent's token.

use std::{io, path::Path};

use serde::Deserialize;

use super::check::{Check, Report};
use crate::client::{Client, Patience, Reply, Token, TokenError, problem::Problem};

/// The answer of `/readyz`.
#[derive(Deserialize)]
struct Readiness {
    parts: Vec<Part>,
}

#[derive(Deserialize)]
struct Part {
    name: String,
    state: String,
    reason: Option<String>,
}

/// Says whether the server runs.
pub(super) async fn examine(client: &Client, report: &mut Report) -> bool {
    match client.get("/healthz").await {
        Ok(Reply { status: 200, .. }) => {
            report.0.push(Check::ok("server", format!("answers at {}", client.url())));
        }
        Ok(reply) => {
            let detail =
                format!("what answers at {} is no gov server: {}", client.url(), said(&reply));
            let way_out = "name the right one with `--url` or GOV_URL";
            report.0.push(Check::failed("server", detail, way_out));
            return false;
        }
        Err(error) => {
            let detail = format!("{:#}", anyhow::Error::new(error));
            let way_out = "start one with `gov serve`, or name the right one with `--url`";
            report.0.push(Check::not_judged("server", detail, way_out));
            return false;
        }
    }
    match client.get("/readyz").await {
        Ok(reply) => report.0.extend(parts(&reply)),
        Err(error) => {
            let detail = format!("{:#}", anyhow::Error::new(error));
            report.0.push(Check::failed("readiness", detail, "see the server's log"));
        }
    }
    true
}

fn parts(reply: &Reply) -> Vec<Check> {
    let Ok(Readiness { parts }) = serde_json::from_slice(&reply.body) else {
        let detail = format!("the answer of /readyz cannot be read: {}", said(reply));
        return vec![Check::failed(
            "readiness",
            detail,
            "see whether server and gov are one build",
        )];
    };
    parts.into_iter().map(part).collect()
}

fn part(part: Part) -> Check {
    let reason = part.reason.unwrap_or_else(|| "without a reason".to_owned());
    let way_out = "the server's log and /metrics say more";
    match part.state.as_str() {
        "healthy" => Check::ok(part.name, "healthy"),
        "degraded" => Check::warning(part.name, reason, way_out),
        _ => Check::failed(part.name, reason, way_out),
    }
}

/// Whether the server takes the token that the hook shows.
pub(super) async fn examine_token(url: &str, file: Option<&Path>, server_runs: bool) -> Check {
    let name = "token";
    let Some(file) = file else {
        return Check::not_judged(name, "no agent to look for", super::settings::INSTALL);
    };
    let token = match Token::read(file) {
        Ok(token) => token,
        Err(TokenError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let detail = format!("there is none in `{}`", file.display());
            return Check::not_judged(name, detail, super::settings::INSTALL);
        }
        Err(error) => {
            let detail = format!("{:#}", anyhow::Error::new(error));
            return Check::failed(name, detail, super::settings::INSTALL);
        }
    };
    let shown = file.display();
    if !server_runs {
        let detail = format!("nobody to show the one in `{shown}` to");
        return Check::not_judged(name, detail, "start the server with `gov serve`");
    }
    let reply = match Client::new(url, Some(&token), Patience::default()) {
        // Only an admin may list them. A token that is not in force is not even asked its scope.
        Ok(client) => client.get("/v1/tokens").await,
        Err(error) => Err(error),
    };
    let renew = "`gov install claude-code` makes a new one";
    match reply {
        Ok(Reply { status: 403, .. }) => Check::ok(name, format!("the one in `{shown}` is taken")),
        Ok(Reply { status: 200, .. }) => {
            let detail = format!("`{shown}` holds an admin's token, which no agent must have");
            let way_out = format!("remove the file and revoke that token; {renew}");
            Check::failed(name, detail, way_out)
        }
        Ok(reply) => {
            let detail = format!("the one in `{shown}` is not taken: {}", said(&reply));
            Check::failed(name, detail, renew)
        }
        Err(error) => {
            let detail = format!("{:#}", anyhow::Error::new(error));
            Check::failed(name, detail, "see the server's log")
        }
    }
}

fn said(reply: &Reply) -> String {
    Problem::of(reply).to_string()
}
