//! Reading a check: strictly, and with the field's name in every refusal.

use gov_core::{AgentAction, AgentId, ApprovalId, SessionId, TeamId, json};
use serde_json::{Map, Value};

use crate::http::Problem;

/// The fields of a check.
const FIELDS: [&str; 6] = ["agent_id", "session_id", "team_id", "action", "context", "approval_id"];

/// One check, read.
#[derive(Clone, Debug, PartialEq)]
pub struct CheckRequest {
    /// Who asks.
    pub agent_id: AgentId,
    /// The run of the agent, if the caller says.
    pub session_id: Option<SessionId>,
    /// The agent's team, if the caller says.
    pub team_id: Option<TeamId>,
    /// What the agent wants to do.
    pub action: AgentAction,
    /// What the caller says beside it: an object.
    pub context: Option<Value>,
    /// The approval that it waited for, if the caller says.
    pub approval_id: Option<ApprovalId>,
    /// The caller's key, from the header: a repeat of it gets a used approval's answer again.
    pub idempotency_key: Option<String>,
}

impl CheckRequest {
    /// Reads the body of a check; an absent field and a null one are the same.
    ///
    /// # Errors
    ///
    /// A problem that names the field, the limit and what was received.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let mut fields = object(json::parse_value(body)?)?;
        let request = Self {
            agent_id: name(&mut fields, "agent_id")?.ok_or_else(|| missing("agent_id"))?,
            session_id: name(&mut fields, "session_id")?,
            team_id: name(&mut fields, "team_id")?,
            action: read_action(&mut fields)?,
            context: read_context(&mut fields)?,
            approval_id: approval_id(&mut fields)?,
            idempotency_key: None,
        };
        if let Some(unknown) = fields.keys().next() {
            return Err(unknown_field(unknown));
        }
        Ok(request)
    }
}

fn object(value: Value) -> Result<Map<String, Value>, Problem> {
    match value {
        Value::Object(fields) => Ok(fields),
        other => {
            let detail = "the body must be an object with `agent_id` and `action`";
            Err(Problem::bad_field("body", detail).with_received(kind_of(&other)))
        }
    }
}

fn name<T>(fields: &mut Map<String, Value>, field: &'static str) -> Result<Option<T>, Problem>
where
    T: std::str::FromStr<Err = gov_core::name::NameError>,
{
    match fields.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => match text.parse() {
            Ok(name) => Ok(Some(name)),
            Err(error) => Err(Problem::bad_field(field, error.to_string())
                .with_limit(gov_core::name::MAX_BYTES as u64)
                .with_received(gov_core::text::escape(&text))),
        },
        Some(other) => Err(Problem::bad_field(field, format!("`{field}` must be a text"))
            .with_received(kind_of(&other))),
    }
}

/// Reads `action`.
///
/// # Errors
///
/// A problem that names the field.
pub fn read_action(fields: &mut Map<String, Value>) -> Result<AgentAction, Problem> {
    let value =
        fields.remove("action").filter(|it| !it.is_null()).ok_or_else(|| missing("action"))?;
    if !value.is_object() {
        let detail = "`action` must be an object with a `kind`";
        return Err(Problem::bad_field("action", detail).with_received(kind_of(&value)));
    }
    serde_json::from_value(value).map_err(|error| {
        let detail = error.to_string();
        // serde names the field where it is missing or unknown.
        let field = ["missing field `", "unknown field `"]
            .iter()
            .find_map(|it| detail.strip_prefix(it))
            .and_then(|it| it.split('`').next())
            .map_or_else(|| "action".to_owned(), |it| format!("action.{it}"));
        Problem::bad_field(field, format!("`action`: {detail}"))
    })
}

/// Reads `context`; an absent one and a null one are none.
///
/// # Errors
///
/// A problem that names the field.
pub fn read_context(fields: &mut Map<String, Value>) -> Result<Option<Value>, Problem> {
    match fields.remove("context") {
        None | Some(Value::Null) => Ok(None),
        Some(context @ Value::Object(_)) => Ok(Some(context)),
        Some(other) => Err(Problem::bad_field("context", "`context` must be an object")
            .with_received(kind_of(&other))),
    }
}

fn approval_id(fields: &mut Map<String, Value>) -> Result<Option<ApprovalId>, Problem> {
    let received = match fields.remove("approval_id") {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) => match text.parse() {
            Ok(id) => return Ok(Some(id)),
            Err(_) => gov_core::text::escape(&text).into_owned(),
        },
        Some(other) => kind_of(&other).to_owned(),
    };
    let detail = "`approval_id` must be the id of an approval, `apr_` and 32 lower-case hex digits";
    Err(Problem::bad_field("approval_id", detail).with_received(received))
}

fn missing(field: &'static str) -> Problem {
    Problem::bad_field(field, format!("missing field `{field}`"))
}

fn unknown_field(field: &str) -> Problem {
    let near = FIELDS
        .iter()
        .map(|known| (strsim::damerau_levenshtein(field, known), known))
        .min()
        .filter(|(distance, _)| *distance <= 3);
    let shown = gov_core::text::escape(field);
    let detail = match near {
        Some((_, near)) => format!("unknown field `{shown}`; did you mean `{near}`?"),
        None => format!("unknown field `{shown}`"),
    };
    Problem::bad_field(shown, detail)
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
