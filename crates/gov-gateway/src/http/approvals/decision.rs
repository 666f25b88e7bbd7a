//! Reading a decision: strictly, and with the field's name in every refusal.

use gov_core::{ActionDigest, json};
use gov_escalation::{
    approval::Verdict,
    approvals::{Decision, MAX_COMMENT_BYTES},
};
use serde_json::{Map, Value};

use crate::http::Problem;

/// Reads `{"decision": "approve" | "reject", "digest", "comment"?}`.
pub(super) fn parse(body: &[u8]) -> Result<Decision, Problem> {
    let Value::Object(fields) = json::parse_value(body)? else {
        let detail = "the body must be an object with `decision` and `digest`";
        return Err(Problem::bad_field("body", detail));
    };
    read(fields)
}

/// As [`parse`], of fields that are read already.
pub(super) fn read(mut fields: Map<String, Value>) -> Result<Decision, Problem> {
    let verdict = verdict(&text(&mut fields, "decision")?.ok_or_else(|| missing("decision"))?)?;
    let digest = digest(&mut fields)?;
    let comment = comment(&mut fields)?;
    nothing_else(&fields)?;
    Ok(Decision { verdict, digest, comment })
}

/// Reads `digest`: of what the person saw.
pub(super) fn digest(fields: &mut Map<String, Value>) -> Result<ActionDigest, Problem> {
    let digest = text(fields, "digest")?.ok_or_else(|| missing("digest"))?;
    digest.parse().map_err(|error| {
        let shown = gov_core::text::escape(&digest).into_owned();
        Problem::bad_field("digest", format!("`digest`: {error}")).with_received(shown)
    })
}

/// Reads `comment`; one that says nothing is none.
pub(super) fn comment(fields: &mut Map<String, Value>) -> Result<Option<String>, Problem> {
    let comment = text(fields, "comment")?;
    if let Some(length) = comment.as_ref().map(String::len).filter(|it| *it > MAX_COMMENT_BYTES) {
        let detail = format!("`comment` must be at most {MAX_COMMENT_BYTES} bytes long");
        return Err(Problem::bad_field("comment", detail)
            .with_limit(MAX_COMMENT_BYTES as u64)
            .with_received(format_args!("{length} bytes")));
    }
    Ok(comment.filter(|it| !it.trim().is_empty()))
}

fn verdict(word: &str) -> Result<Verdict, Problem> {
    let known = [Verdict::Approve, Verdict::Reject];
    known.into_iter().find(|it| it.as_str() == word).ok_or_else(|| {
        let shown = gov_core::text::escape(word).into_owned();
        let detail = "`decision` must be `approve` or `reject`";
        Problem::bad_field("decision", detail).with_received(shown)
    })
}

pub(super) fn nothing_else(fields: &Map<String, Value>) -> Result<(), Problem> {
    let Some(unknown) = fields.keys().next() else { return Ok(()) };
    let shown = gov_core::text::escape(unknown).into_owned();
    Err(Problem::bad_field(shown.clone(), format!("unknown field `{shown}`")))
}

pub(super) fn text(
    fields: &mut Map<String, Value>,
    field: &'static str,
) -> Result<Option<String>, Problem> {
    match fields.remove(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(Problem::bad_field(field, format!("`{field}` must be a text"))),
    }
}

pub(super) fn missing(field: &'static str) -> Problem {
    Problem::bad_field(field, format!("missing field `{field}`"))
}
