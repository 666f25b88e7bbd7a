//! `POST /v1/approvals/decisions`: many decisions at once, each by itself.

use std::sync::Arc;

use axum::{Json, body::Body, extract::State, http::HeaderMap};
use gov_core::{ApprovalId, json};
use gov_escalation::approvals::Decision;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{
    decision::{self, missing, nothing_else, text},
    parse, person,
};
use crate::{
    approvals::{ApprovalRow, DecidedRow, DeskError, Kept},
    http::{Parts, Problem, body},
};

/// How many are decided about at once.
const MAX_ITEMS: usize = 100;

/// What became of each, in the order given.
#[derive(Debug, Serialize)]
pub(in crate::http) struct Outcomes {
    items: Vec<Item>,
}

#[derive(Debug, Serialize)]
struct Item {
    /// As it was received.
    id: Value,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Outcome {
    Decided(Box<DecidedRow>),
    Problem(Problem),
}

/// 200 with what became of each, also where none counts.
pub(in crate::http) async fn decide_all(
    State(parts): State<Arc<Parts>>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Outcomes>, Problem> {
    let person = person(&parts, &headers)?;
    let mut decisions = Vec::new();
    let mut given = Vec::new();
    for item in items(&body::read(&headers, body).await?)? {
        let id = item.get("id").cloned().unwrap_or(Value::Null);
        let problem = match read(item) {
            Ok(decision) => {
                decisions.push(decision);
                None
            }
            Err(problem) => Some(problem),
        };
        given.push((id, problem));
    }
    let mut decided = parts.desk.decide_all(decisions, person).await.into_iter();
    let items = given.into_iter().filter_map(|(id, problem)| {
        // What could be read was decided about, in this order.
        let outcome = match problem {
            Some(problem) => Outcome::Problem(problem),
            None => Outcome::of(decided.next()?),
        };
        Some(Item { id, outcome })
    });
    Ok(Json(Outcomes { items: items.collect() }))
}

impl Outcome {
    fn of(decided: Result<Kept, DeskError>) -> Self {
        match decided {
            Ok(Kept { approval, recorded }) => Self::Decided(Box::new(DecidedRow {
                approval: ApprovalRow::from(&approval),
                record: recorded.into(),
            })),
            Err(error) => Self::Problem(error.into()),
        }
    }
}

/// Reads `{"items": [{…}, …]}`; what is no object in it is an empty one, which is refused later.
fn items(body: &[u8]) -> Result<Vec<Map<String, Value>>, Problem> {
    let Value::Object(mut fields) = json::parse_value(body)? else {
        return Err(Problem::bad_field("body", "the body must be an object with `items`"));
    };
    let items = match fields.remove("items") {
        Some(Value::Array(items)) => items,
        Some(_) => return Err(Problem::bad_field("items", "`items` must be a list")),
        None => return Err(missing("items")),
    };
    nothing_else(&fields)?;
    if !(1..=MAX_ITEMS).contains(&items.len()) {
        let detail = format!("`items` must hold 1 to {MAX_ITEMS} decisions");
        let problem = Problem::bad_field("items", detail).with_limit(MAX_ITEMS as u64);
        return Err(problem.with_received(items.len()));
    }
    let object = |it| if let Value::Object(fields) = it { fields } else { Map::new() };
    Ok(items.into_iter().map(object).collect())
}

/// Reads `{"id", "decision", "digest", "comment"?}`.
fn read(mut fields: Map<String, Value>) -> Result<(ApprovalId, Decision), Problem> {
    let id = text(&mut fields, "id")?.ok_or_else(|| missing("id"))?;
    Ok((parse(&id)?, decision::read(fields)?))
}
