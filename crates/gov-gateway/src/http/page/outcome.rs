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
    Some(Done { tone, text: Shown::line(&text) })
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
    Some(Done { tone: "yes", text: Shown::line(&text) })
}

impl Done {
    /// Both, the other one first.
    pub(super) fn after(self, first: &Self) -> Self {
        Self { tone: first.tone, text: Shown::line(&format!("{} {}", first.text, self.text)) }
    }
}
