//! A tool's arguments: any JSON.

use gov_core::text::escape;
use serde_json::Value;

use super::Unparsable;

/// How much of a field's name is shown.
const MAX_FIELD_BYTES: usize = 200;

/// Refuses keys that begin with `__`: Cedar's JSON gives them a meaning (`__entity`, `__extn`).
pub(super) fn refuse_reserved_keys(field: &str, value: &Value) -> Result<(), Unparsable> {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                let path = format!("{field}.{key}");
                if key.starts_with("__") {
                    let mut shown = escape(&path).into_owned();
                    let end = (0..=MAX_FIELD_BYTES).rev().find(|it| shown.is_char_boundary(*it));
                    shown.truncate(end.unwrap_or(0));
                    return Err(Unparsable::new(format!(
                        "field `{shown}`: a key must not begin with `__`"
                    )));
                }
                refuse_reserved_keys(&path, inner)?;
            }
            Ok(())
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .try_for_each(|(at, inner)| refuse_reserved_keys(&format!("{field}[{at}]"), inner)),
        _ => Ok(()),
    }
}

/// One string or number inside the arguments, and the key that it stands under.
pub(super) struct Leaf<'v> {
    pub(super) key: &'v str,
    pub(super) text: String,
    pub(super) is_text: bool,
}

/// All leaves in order; null is absent.
pub(super) fn leaves<'v>(key: &'v str, value: &'v Value, found: &mut Vec<Leaf<'v>>) {
    match value {
        Value::Null => (),
        Value::String(text) => found.push(Leaf { key, text: text.clone(), is_text: true }),
        Value::Bool(_) | Value::Number(_) => {
            found.push(Leaf { key, text: value.to_string(), is_text: false });
        }
        Value::Array(items) => items.iter().for_each(|it| leaves(key, it, found)),
        Value::Object(map) => map.iter().for_each(|(key, it)| leaves(key, it, found)),
    }
}
