//! Gathers what a page shows.

use gov_core::PersonId;

use super::Parts;
use crate::page::{
    live::{Listed, Live, LogView, PartView},
    session::Visitor,
    shown::Shown,
    template::VisitorView,
};

/// Everything that changes, as this visitor may see it.
pub(super) async fn live(parts: &Parts, visitor: &Visitor) -> Live {
    let now = parts.clock.now();
    let log = &parts.page.log;
    Live {
        now: now.into(),
        csrf: visitor.csrf.to_text(),
        cards: Listed::Items { items: Vec::new(), more: false },
        rows: Listed::Items { items: Vec::new(), more: false },
        log: LogView::new(&log.origin(), log.size(), log.last_at().await),
        parts: parts.health.iter().map(|it| PartView::of(&**it)).collect(),
    }
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

fn name_of(parts: &Parts, person: PersonId) -> Option<String> {
    parts.directory.person(person).map(|it| it.name.to_string())
}
