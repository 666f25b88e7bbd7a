//! Reading what a grant is to cover: strictly, and with the field's name in every refusal.

use std::collections::BTreeMap;

use gov_core::{AgentId, SessionId, json, text};
use gov_escalation::{
    chain::{DEFAULT_CHAIN, Span},
    grant::{GrantTerms, Limit, TermsProblem},
};
use serde_json::{Map, Value};

use super::super::decision::{missing, nothing_else, text};
use crate::{config::span, http::Problem, reason::Reason};

/// The body of a request for a grant.
#[derive(Debug)]
pub(super) struct Wanted {
    pub(super) agent_id: Option<AgentId>,
    pub(super) session_id: Option<SessionId>,
    pub(super) terms: GrantTerms,
    pub(super) chain: String,
    pub(super) reason: Option<Reason>,
}

/// Reads `{"agent_id"?, "session_id"?, "server"?, "tool", "arguments", "calls", "lasts", "chain"?,
/// "reason"?}`.
pub(super) fn parse(body: &[u8]) -> Result<Wanted, Problem> {
    let Value::Object(mut fields) = json::parse_value(body)? else {
        let detail = "the body must be an object with `tool`, `arguments`, `calls` and `lasts`";
        return Err(Problem::bad_field("body", detail));
    };
    let terms = GrantTerms {
        server: text(&mut fields, "server")?,
        tool: text(&mut fields, "tool")?.ok_or_else(|| missing("tool"))?,
        arguments: arguments(&mut fields)?,
        calls: calls(&mut fields)?,
        lasts: lasts(&mut fields)?,
    };
    let wanted = Wanted {
        agent_id: name(&mut fields, "agent_id")?,
        session_id: name(&mut fields, "session_id")?,
        chain: text(&mut fields, "chain")?.unwrap_or_else(|| DEFAULT_CHAIN.to_owned()),
        reason: text(&mut fields, "reason")?.map(|it| it.parse()).transpose()?,
        terms,
    };
    nothing_else(&fields)?;
    wanted.terms.check().map_err(|problem| {
        let field = match problem {
            TermsProblem::NoTool => "tool",
            TermsProblem::Calls(_) => "calls",
            TermsProblem::Lasts(_) => "lasts",
            _ => "arguments",
        };
        Problem::bad_field(field, problem.to_string())
    })?;
    Ok(wanted)
}

fn arguments(fields: &mut Map<String, Value>) -> Result<BTreeMap<String, Limit>, Problem> {
    let named = match fields.remove("arguments") {
        Some(Value::Object(named)) => named,
        None => return Err(missing("arguments")),
        Some(_) => {
            let detail = "`arguments` must be an object of names, each with a limit";
            return Err(Problem::bad_field("arguments", detail));
        }
    };
    let limit = |(name, limit): (String, Value)| match serde_json::from_value(limit) {
        Ok(limit) => Ok((name, limit)),
        Err(error) => {
            let field = format!("arguments.{}", text::escape(&name));
            let detail = format!(
                "`{field}` must be \"any\", or one of `equals`, `one_of`, `at_most`, `at_least` \
                 and `between` with its value: {}",
                text::escape(&error.to_string())
            );
            Err(Problem::bad_field(field, detail))
        }
    };
    named.into_iter().map(limit).collect()
}

fn calls(fields: &mut Map<String, Value>) -> Result<u32, Problem> {
    let calls = fields.remove("calls").ok_or_else(|| missing("calls"))?;
    let number = calls.as_u64().and_then(|it| u32::try_from(it).ok());
    number.ok_or_else(|| Problem::bad_field("calls", "`calls` must be a whole number"))
}

fn lasts(fields: &mut Map<String, Value>) -> Result<Span, Problem> {
    let lasts = text(fields, "lasts")?.ok_or_else(|| missing("lasts"))?;
    span::parse(&lasts).map(Span).ok_or_else(|| {
        let detail = "`lasts` must be a span, such as `30m`";
        Problem::bad_field("lasts", detail).with_received(text::escape(&lasts))
    })
}

fn name<T>(fields: &mut Map<String, Value>, field: &'static str) -> Result<Option<T>, Problem>
where
    T: std::str::FromStr<Err = gov_core::name::NameError>,
{
    let Some(name) = text(fields, field)? else { return Ok(None) };
    name.parse().map(Some).map_err(|error| {
        Problem::bad_field(field, format!("`{field}`: {error}")).with_received(text::escape(&name))
    })
}
