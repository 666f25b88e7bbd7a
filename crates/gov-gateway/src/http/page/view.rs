//! Gathers what a page shows.

use std::collections::{BTreeSet, HashMap};

use gov_core::{PersonId, Timestamp};
use gov_escalation::{
    approval::{Approval, Status},
    approvals::Objection,
    store::ApprovalFilter,
};
use gov_retention::event_store::{EventFilter, Order, PageRequest};

use super::Parts;
use crate::{
    identity::Scope,
    page::{
        card::{Card, May},
        live::{Listed, Live, LogView, MOST_CARDS, MOST_ROWS, PartView},
        row::{self, Row},
        session::Visitor,
        shown::Shown,
        template::VisitorView,
    },
};

/// How many requests are looked at for the most urgent ones.
const MOST_READ: u32 = 4 * MOST_CARDS;

/// Everything that changes, as this visitor may see it.
pub(super) async fn live(parts: &Parts, visitor: &Visitor) -> Live {
    let now = parts.clock.now();
    let log = &parts.page.log;
    let waiting = waiting(parts).await;
    let rows = rows(parts).await;
    Live {
        now: now.into(),
        csrf: visitor.csrf.to_text(),
        halt: parts.directory.halt().map(Into::into),
        cards: match waiting {
            Some((approvals, more)) => {
                let card = |it| card(parts, it, now, visitor).listed();
                Listed::Items { items: approvals.iter().map(card).collect(), more }
            }
            None => Listed::Unavailable,
        },
        rows: rows.map_or(Listed::Unavailable, |items| Listed::Items { items, more: false }),
        log: LogView::new(&log.origin(), log.size(), log.last_at().await),
        parts: parts.health.iter().map(|it| PartView::of(&**it)).collect(),
    }
}

/// One request, as this visitor may see it.
pub(super) fn card(parts: &Parts, approval: &Approval, now: Timestamp, visitor: &Visitor) -> Card {
    Card::of(approval, now, may(parts, approval, visitor), |it| name_of(parts, it))
}

/// Who looks, by name.
pub(super) fn visitor(parts: &Parts, visitor: &Visitor) -> VisitorView {
    let token = &visitor.token;
    let name = token.person_id.and_then(|id| name_of(parts, id));
    VisitorView {
        name: Shown::line(&name.unwrap_or_else(|| token.id.to_string())),
        scope: token.scope.name(),
        csrf: visitor.csrf.to_text(),
    }
}

/// What a person is called.
pub(super) fn name_of(parts: &Parts, person: PersonId) -> Option<String> {
    parts.directory.person(person).map(|it| it.name.to_string())
}

/// What somebody who acted is called: a person's name, or the text itself.
pub(super) fn actor(parts: &Parts, actor: &str) -> String {
    let name = actor.parse().ok().and_then(|it| name_of(parts, it));
    name.unwrap_or_else(|| actor.to_owned())
}

/// The requests that wait, the most urgent first, and whether there are more.
async fn waiting(parts: &Parts) -> Option<(Vec<Approval>, bool)> {
    let statuses = vec![Status::Pending, Status::Parked];
    let filter = ApprovalFilter { statuses, ..ApprovalFilter::default() };
    let listed = parts.page.desk.list(&filter, None, MOST_READ).await;
    let mut found = listed.inspect_err(|error| unread("approvals", error)).ok()?;
    found.sort_by_key(|it| (it.expires_at.unwrap_or(Timestamp::MAX), it.id));
    let shown = usize::try_from(MOST_CARDS).unwrap_or(usize::MAX);
    let more = found.len() > shown;
    found.truncate(shown);
    Some((found, more))
}

/// The last answers. An event of a decision names its approval only, so what was decided about is
/// looked up.
async fn rows(parts: &Parts) -> Option<Vec<Row>> {
    let filter = EventFilter { kinds: row::kinds(), ..EventFilter::default() };
    let page = PageRequest { order: Order::NewestFirst, after: None, limit: MOST_ROWS };
    let found = parts.event_store.query(&filter, &page).await;
    let found = found.inspect_err(|error| unread("events", error)).ok()?;
    let name = |it: &str| actor(parts, it);
    let mut rows: Vec<_> = found.events.iter().filter_map(|it| Row::of(it, name)).collect();
    let untitled = |it: &Row| it.approval.filter(|_| it.title.is_empty());
    let mut titles = HashMap::new();
    for id in rows.iter().filter_map(untitled).collect::<BTreeSet<_>>() {
        // Without it the row still says what was answered, and which approval.
        if let Ok(Some(approval)) = parts.page.desk.find(id).await {
            titles.insert(id, row::title(&approval));
        }
    }
    for row in &mut rows {
        if let Some(title) = untitled(row).and_then(|it| titles.get(&it)) {
            row.title = title.clone();
        }
    }
    Some(rows)
}

fn may(parts: &Parts, approval: &Approval, visitor: &Visitor) -> May {
    let token = &visitor.token;
    let Some(person) = token.person_id.filter(|_| token.scope == Scope::Approver) else {
        return May::Look(format!("Approvers decide; this session looks on as {}.", token.scope));
    };
    if !approval.status.awaits_answer() {
        return May::Look("It waits for no answer any more.".to_owned());
    }
    match parts.page.desk.objection(approval, person) {
        None => May::Decide,
        Some(Objection::OwnsAgent(_)) => {
            May::Look("The agent is yours, so somebody else has to decide.".to_owned())
        }
        Some(Objection::NotAsked { .. }) => {
            May::Look("You are not among those who are asked.".to_owned())
        }
        Some(Objection::VotedBefore(_)) => May::Look(
            "You have answered, or somebody in your right; the others must too.".to_owned(),
        ),
        Some(_) => May::Look("You may not decide.".to_owned()),
    }
}

fn unread(what: &str, error: &(dyn std::error::Error + 'static)) {
    tracing::error!(error, "the page cannot read the {what}");
}
