//! What became of a request, in a sentence.

use gov_escalation::approval::{Approval, Status};

use super::{Parts, view};
use crate::{
    approvals::still_needed,
    page::{row, session::Visitor, shown::Shown, template::Done, time::TimeView},
};

/// What is said of an approval that waits no longer; `None` for one that does.
pub(super) fn of(parts: &Parts, approval: &Approval) -> Option<Done> {
    let who = approval.answer.as_ref().map(|it| view::actor(parts, &it.actor));
    let who = who.unwrap_or_else(|| "nobody".to_owned());
    let agent = approval.request.agent_id.as_str();
    let title = row::title(approval);
    let (tone, text) = match approval.status {
        Status::Pending | Status::Parked => return None,
        Status::Approved => {
            let runs = approval.clock.halted_at.is_none();
            let until = approval.expires_at.filter(|_| runs).map(|it| TimeView::from(it).clock);
            let until = until.map(|it| format!(", until {it} UTC")).unwrap_or_default();
            let what = match approval.calls_left {
                None => "do it once".to_owned(),
                Some(1) => "make 1 more call".to_owned(),
                Some(left) => format!("make {left} more calls"),
            };
            ("yes", format!("Approved by {who}: {agent} may {what}{until} – {title}"))
        }
        Status::Consumed => {
            ("yes", format!("Approved by {who}, and {agent} has used it – {title}"))
        }
        Status::Rejected => ("no", format!("Rejected by {who} – {agent}: {title}")),
        Status::TimedOut => {
            ("no", format!("Nobody answered in time, which means no – {agent}: {title}"))
        }
        Status::Cancelled if approval.edited_into.is_some() => {
            ("care", format!("Edited into another request – {agent}: {title}"))
        }
        Status::Cancelled => ("care", format!("Withdrawn – {agent}: {title}")),
        Status::Expired => {
            ("care", format!("Approved by {who}, and not used in time – {agent}: {title}"))
        }
    };
    let edited = approval.edited_into.map(|it| format!("/approvals/{it}"));
    Some(Done { tone, text: Shown::line(&text), edited })
}

/// What is said to a visitor who has answered, also where that settles nothing yet; else as [`of`].
pub(super) fn of_answer(parts: &Parts, approval: &Approval, visitor: &Visitor) -> Option<Done> {
    let person = visitor.token.person_id;
    let has_answered = approval.votes.iter().any(|it| Some(it.person) == person);
    if !has_answered || !approval.status.awaits_answer() {
        return of(parts, approval);
    }
    let (count, missing) = still_needed(approval, |it| view::name_of(parts, it));
    let agent = approval.request.agent_id.as_str();
    let title = row::title(approval);
    let text = format!("Your answer counts, {count}. Still needed: {missing} – {agent}: {title}");
    Some(Done { tone: "yes", text: Shown::line(&text), edited: None })
}

/// As [`of_answer`], where that may have been an edit: of the request which stands for the original.
pub(super) fn of_edit(parts: &Parts, approval: &Approval, visitor: &Visitor) -> Option<Done> {
    let done = of_answer(parts, approval, visitor)?;
    if approval.request.edited_from.is_none() {
        return Some(done);
    }
    let text = Shown::line(&format!("Edited; the original is cancelled. {}", done.text));
    Some(Done { text, edited: Some(format!("/approvals/{}", approval.id)), ..done })
}

/// What is said of an answer that does not count, and of how the approval stands now.
pub(super) fn of_refused(parts: &Parts, approval: &Approval, told: &str) -> Done {
    let now = of(parts, approval);
    let said = now.as_ref().map(|it| format!(" {}", it.text)).unwrap_or_default();
    let text = Shown::line(&format!("{told} This is how it stands now.{said}"));
    Done { tone: "no", text, edited: now.and_then(|it| it.edited) }
}
