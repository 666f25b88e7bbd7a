//! Reads the events of one file that fit.

use gov_core::{AuditEvent, AuditEventKind, EventId, Payload, Timestamp};
use rusqlite::{Connection, Row, params_from_iter, types::Value};
use uuid::Uuid;

use crate::event_store::{EventFilter, Order, PageRequest, StoreError};

/// At most `limit` events of this file, in the page's order.
pub(super) fn page(
    connection: &Connection,
    filter: &EventFilter,
    page: &PageRequest,
    limit: usize,
) -> Result<Vec<AuditEvent>, StoreError> {
    let (sql, values) = statement(filter, page, limit);
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        events.push(event(row)?);
    }
    Ok(events)
}

/// How many events of this file fit.
pub(super) fn count(connection: &Connection, filter: &EventFilter) -> Result<u64, StoreError> {
    let wanted = Wanted::of(filter);
    let sql = format!("select count(*) from retention_event where {}", wanted.conditions);
    let mut statement = connection.prepare_cached(&sql)?;
    let count: i64 = statement.query_row(params_from_iter(wanted.values), |row| row.get(0))?;
    Ok(count.cast_unsigned())
}

/// The select of a page, and its values in the order of the question marks.
fn statement(filter: &EventFilter, page: &PageRequest, limit: usize) -> (String, Vec<Value>) {
    let mut wanted = Wanted::of(filter);
    let (behind, direction) = match page.order {
        Order::NewestFirst => ("<", "desc"),
        Order::OldestFirst => (">", "asc"),
    };
    if let Some(after) = page.after {
        let id = after.id.as_uuid().as_bytes().to_vec();
        wanted.and(&format!("(at, event_id) {behind} (?, ?)"));
        wanted.values.extend([Value::Integer(after.at.as_micros()), Value::Blob(id)]);
    }
    wanted.values.push(Value::Integer(i64::try_from(limit).unwrap_or(i64::MAX)));
    let sql = format!(
        "select at, event_id, kind, agent_id, session_id, team_id, subjects, trace_id, salt, payload
         from retention_event where {} order by at {direction}, event_id {direction} limit ?",
        wanted.conditions
    );
    (sql, wanted.values)
}

/// Conditions with their values, in the order of the question marks.
struct Wanted {
    conditions: String,
    values: Vec<Value>,
}

impl Wanted {
    fn of(filter: &EventFilter) -> Self {
        let mut it = Self { conditions: "true".to_owned(), values: Vec::new() };
        let EventFilter { from, to, kinds, agent_id, session_id, team_id } = filter;
        it.equals("at >=", from.map(|it| Value::Integer(it.as_micros())));
        it.equals("at <", to.map(|it| Value::Integer(it.as_micros())));
        it.equals("agent_id =", agent_id.as_ref().map(|it| text(it.as_str())));
        it.equals("session_id =", session_id.as_ref().map(|it| text(it.as_str())));
        it.equals("team_id =", team_id.as_ref().map(|it| text(it.as_str())));
        it.kinds(kinds);
        it
    }

    fn kinds(&mut self, kinds: &[AuditEventKind]) {
        if kinds.is_empty() {
            return;
        }
        let marks = vec!["?"; kinds.len()].join(", ");
        self.and(&format!("kind in ({marks})"));
        self.values.extend(kinds.iter().map(|it| text(it.as_str())));
        // In the words of the index, or SQLite would not see that it has them all.
        if !kinds.iter().any(|it| it.as_str() == AuditEventKind::ActionAllowed.as_str()) {
            self.and("kind <> 'action.allowed'");
        }
    }

    fn equals(&mut self, left: &str, value: Option<Value>) {
        if let Some(value) = value {
            self.and(&format!("{left} ?"));
            self.values.push(value);
        }
    }

    fn and(&mut self, condition: &str) {
        self.conditions.push_str(" and ");
        self.conditions.push_str(condition);
    }
}

fn text(it: &str) -> Value {
    Value::Text(it.to_owned())
}

fn event(row: &Row<'_>) -> Result<AuditEvent, StoreError> {
    let id = EventId::from_uuid(Uuid::from_bytes(row.get("event_id")?));
    let corrupt = |column| StoreError::Corrupt { id, column };
    let kind: String = row.get("kind")?;
    let Ok(kind) = kind.parse();
    let subjects: String = row.get("subjects")?;
    Ok(AuditEvent {
        id,
        at: Timestamp::from_micros(row.get("at")?).ok_or_else(|| corrupt("at"))?,
        kind,
        agent_id: name(row, "agent_id", id)?,
        session_id: name(row, "session_id", id)?,
        team_id: name(row, "team_id", id)?,
        subjects: serde_json::from_str(&subjects).map_err(|_| corrupt("subjects"))?,
        trace_id: row.get("trace_id")?,
        payload: Payload::from_parts(row.get("payload")?, row.get("salt")?),
    })
}

fn name<N: std::str::FromStr>(
    row: &Row<'_>,
    column: &'static str,
    id: EventId,
) -> Result<Option<N>, StoreError> {
    let text: Option<String> = row.get(column)?;
    text.map(|it| it.parse().map_err(|_| StoreError::Corrupt { id, column })).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event_store::{PageCursor, sqlite::COMPONENT};

    fn plan(filter: &EventFilter, order: Order) -> String {
        let mut connection = Connection::open_in_memory().unwrap();
        gov_store::sqlite::migrate(&mut connection, &COMPONENT, Timestamp::UNIX_EPOCH).unwrap();
        let after = PageCursor { at: Timestamp::MAX, id: EventId::from_uuid(Uuid::nil()) };
        let page = PageRequest { order, after: Some(after), limit: 10 };
        let (sql, values) = statement(filter, &page, 10);
        let mut explain = connection.prepare(&format!("explain query plan {sql}")).unwrap();
        let steps = explain.query_map(params_from_iter(values), |row| row.get(3)).unwrap();
        steps.collect::<Result<Vec<String>, _>>().unwrap().join("; ")
    }

    #[test]
    fn no_page_is_sorted_and_rare_kinds_are_read_from_their_own_index() {
        let rare = vec![AuditEventKind::ActionRefused, AuditEventKind::AuditGap];
        let common = vec![AuditEventKind::ActionRefused, AuditEventKind::ActionAllowed];
        for order in [Order::NewestFirst, Order::OldestFirst] {
            for (kinds, index) in [(rare.clone(), true), (common.clone(), false), (vec![], false)] {
                let plan = plan(&EventFilter { kinds, ..EventFilter::default() }, order);
                assert!(plan.starts_with("SEARCH "), "{plan}");
                assert!(!plan.contains("TEMP B-TREE"), "{plan}");
                assert_eq!(plan.contains("retention_event_rare"), index, "{plan}");
            }
        }
    }
}
