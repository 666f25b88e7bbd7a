//! What every backend asks before it touches its database.

use gov_core::{AuditEvent, AuditEventKind, event::PayloadTooLarge};

use super::{MAX_PAGE, PageRequest, StoreError};

/// Whether the event can be kept in any of the databases, and read back as it was.
pub(super) fn event(event: &AuditEvent) -> Result<(), StoreError> {
    let id = event.id;
    event.check_size().map_err(|PayloadTooLarge { limit, got }| StoreError::TooLarge {
        id,
        limit,
        got,
    })?;
    // Names and subjects cannot: the former are validated, the latter escaped.
    if let AuditEventKind::Other(kind) = &event.kind
        && kind.contains('\0')
    {
        return Err(StoreError::NotText { id, field: "kind" });
    }
    if event.trace_id.as_ref().is_some_and(|it| it.contains('\0')) {
        return Err(StoreError::NotText { id, field: "trace_id" });
    }
    Ok(())
}

/// Whether the events of a source can be kept, and their numbers rise from above 0.
pub(super) fn source(name: &str, events: &[(u64, AuditEvent)]) -> Result<(), StoreError> {
    let mut after = 0;
    for (seq, it) in events {
        if *seq <= after || i64::try_from(*seq).is_err() {
            return Err(StoreError::OutOfOrder { name: name.to_owned(), seq: *seq, after });
        }
        after = *seq;
        event(it)?;
    }
    Ok(())
}

/// The page's limit, for a backend to ask for one row more.
pub(super) fn limit(page: &PageRequest) -> Result<usize, StoreError> {
    let got = page.limit;
    let limit = usize::try_from(got).ok().filter(|_| (1..=MAX_PAGE).contains(&got));
    limit.ok_or(StoreError::PageLimit { got })
}
