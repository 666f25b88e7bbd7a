//! An approval for people: everything, and nothing that could deceive a terminal.

use std::fmt::Write as _;

use gov_core::{Timestamp, text};

use crate::{
    approvals::{ApprovalRow, ApprovalView},
    cli::target::block,
};

/// One line of the list.
pub(in crate::cli) fn row(it: &ApprovalRow) -> String {
    let until = until(it.expires_at, it.halted_at);
    format!(
        "{}  {}{until}  {}  {}  {}",
        it.id,
        text::escape(&it.status),
        text::escape(it.agent_id.as_str()),
        text::escape(it.rule_id.as_str()),
        text::escape(&it.summary)
    )
}

/// All there is about one approval.
pub(super) fn whole(it: &ApprovalView) -> String {
    let row = &it.row;
    let mut out = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a `String` cannot fail.
        let _ = writeln!(out, "{name:10}{value}");
    };
    let plain = |text: &str| text::escape(text).into_owned();
    line("approval", row.id.to_string());
    let until = until(row.expires_at, row.halted_at);
    line("status", format!("{}{until}", plain(&row.status)));
    let of = [
        ("session", it.session_id.as_ref().map(|it| plain(it.as_str()))),
        ("team", it.team_id.as_ref().map(|it| plain(it.as_str()))),
    ];
    let of: Vec<_> =
        of.iter().filter_map(|(what, it)| Some(format!(", {what} {}", it.as_ref()?))).collect();
    line("agent", format!("{}{}", plain(row.agent_id.as_str()), of.concat()));
    let risk = row.risk.as_ref().map(|it| format!(", risk {}", plain(it))).unwrap_or_default();
    line(
        "rule",
        format!("{} of policy version {}{risk}", plain(row.rule_id.as_str()), it.policy_version),
    );
    line("reason", plain(&row.reason));
    line("asked at", row.submitted_at.to_string());
    let rungs: Vec<_> = it
        .chain
        .rungs
        .iter()
        .enumerate()
        .map(|(index, rung)| {
            let now = if u32::try_from(index) == Ok(it.rung) { " (asked last)" } else { "" };
            let after = if index == 0 {
                "at once".to_owned()
            } else {
                format!("after {}", plain(&rung.after))
            };
            format!("{index} {after}: {}{now}", plain(&rung.audience))
        })
        .collect();
    line("rungs", rungs.join("; "));
    let silence = match it.chain.fallback {
        gov_escalation::chain::Fallback::Deny => "no",
        gov_escalation::chain::Fallback::Allow => "yes",
        gov_escalation::chain::Fallback::Park => "it stays open",
    };
    line(
        "silence",
        format!("chain {}, after {}: {silence}", plain(&it.chain.name), plain(&it.chain.timeout)),
    );
    line("digest", row.digest.to_string());
    if let Some(answer) = &it.answer {
        let comment =
            answer.comment.as_ref().map(|it| format!(": {}", plain(it))).unwrap_or_default();
        line("answer", format!("by {} at {}{comment}", plain(&answer.actor), answer.at));
    }
    if let Some(used) = &it.consumption {
        line("used", format!("at {} under policy version {}", used.at, used.policy_version));
    }
    for (name, other) in [("edited", it.edited_into), ("original", it.edited_from)] {
        if let Some(other) = other {
            let into = if name == "edited" { "into " } else { "" };
            line(name, format!("{into}{other}"));
        }
    }
    if let Some(grant) = &it.grant {
        line("grant", format!("{} of {} calls left", grant.calls_left, grant.calls));
    }
    line("action", block(&it.action));
    if !it.context.is_null() {
        line("context", block(&it.context));
    }
    let history: Vec<_> = it
        .history
        .iter()
        .map(|it| {
            let to = it.to.as_ref().map(|it| format!(" → {}", plain(it))).unwrap_or_default();
            format!("\n  {}  {}  by {}{to}", it.at, plain(it.kind.as_str()), plain(&it.actor))
        })
        .collect();
    line("history", history.concat());
    out.trim_end().to_owned()
}

/// How long a status lasts: ` until …`.
pub(super) fn until(expires_at: Option<Timestamp>, halted_at: Option<Timestamp>) -> String {
    match (expires_at, halted_at) {
        (Some(_), Some(since)) => format!(", its clock stands still since {since}"),
        (Some(at), None) => format!(" until {at}"),
        (None, _) => String::new(),
    }
}
