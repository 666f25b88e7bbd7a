//! JSON from outside, read strictly.
//!
//! RFC 8785 libraries take the last of two equal keys and round large numbers, so two different
//! actions could share a digest. What could be misread is refused here, naming the field.

use std::fmt::{self, Write as _};

use serde::de::{self, DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The deepest nesting of objects and arrays.
pub const MAX_DEPTH: usize = 64;

/// The largest magnitude of a number: 2⁵³ − 1, what every JSON reader keeps exactly.
pub const MAX_NUMBER: f64 = 9_007_199_254_740_991.0;

/// The text is not JSON that can be judged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}{}", At(.field))]
pub struct JsonError {
    /// What is wrong, with the limit and what was received.
    pub problem: String,
    /// Where, as a path of keys and indexes: `action.arguments[3].size`; empty for the whole.
    pub field: String,
}

struct At<'a>(&'a str);

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " at `{}`", self.0) }
    }
}

/// Reads one JSON value and nothing after it.
///
/// # Errors
///
/// [`JsonError`] for malformed JSON, text that is not UTF-8, a duplicate key, a number beyond
/// ±(2⁵³ − 1), or nesting beyond [`MAX_DEPTH`]: correct the text and send it again.
pub fn parse_value(text: &[u8]) -> Result<Value, JsonError> {
    let mut field = String::new();
    let mut deserializer = serde_json::Deserializer::from_slice(text);
    // Our own limit is lower and says where.
    let value = Strict { field: &mut field, depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    value.map_err(|error| JsonError { problem: without_position(&error), field })
}

/// Reads one JSON value into `T`; unknown keys are refused if `T` refuses them.
///
/// # Errors
///
/// [`JsonError`] as from [`parse_value`], and where the value is not a `T`.
pub fn parse<T: de::DeserializeOwned>(text: &[u8]) -> Result<T, JsonError> {
    let value = parse_value(text)?;
    serde_json::from_value(value)
        .map_err(|error| JsonError { problem: error.to_string(), field: String::new() })
}

/// `serde_json` counts lines and columns; for our own refusals the field says more.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.split_once(OWN_MARK) {
        Some((_, rest)) => rest.split(OWN_MARK).next().unwrap_or_default().to_owned(),
        None => text,
    }
}

/// Encloses messages of our own inside `serde_json`'s; no key can hold it unescaped.
const OWN_MARK: char = '\u{0}';

fn refuse<E: de::Error>(problem: impl fmt::Display) -> E {
    E::custom(format_args!("{OWN_MARK}{problem}{OWN_MARK}"))
}

struct Strict<'a> {
    // Left as it is on an error, so it names the place.
    field: &'a mut String,
    depth: usize,
}

impl Strict<'_> {
    fn deeper<E: de::Error>(&self) -> Result<usize, E> {
        if self.depth == MAX_DEPTH {
            return Err(refuse(format_args!("nesting must be at most {MAX_DEPTH} levels deep")));
        }
        Ok(self.depth + 1)
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<Value, E> {
        if value > MAX_INTEGER { Err(too_large(value)) } else { Ok(value.into()) }
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<Value, E> {
        if value.unsigned_abs() > MAX_INTEGER { Err(too_large(value)) } else { Ok(value.into()) }
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<Value, E> {
        match Number::from_f64(value) {
            Some(number) if value.abs() <= MAX_NUMBER => Ok(number.into()),
            _ => Err(too_large(value)),
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?;
        let length = self.field.len();
        let field = self.field;
        let mut values = Vec::new();
        loop {
            // Writing to a `String` cannot fail.
            let _ = write!(field, "[{}]", values.len());
            let Some(value) = list.next_element_seed(Strict { field, depth })? else { break };
            values.push(value);
            field.truncate(length);
        }
        field.truncate(length);
        Ok(values.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let depth = self.deeper()?;
        let length = self.field.len();
        let field = self.field;
        let mut values = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if length > 0 {
                field.push('.');
            }
            field.push_str(&key);
            if values.contains_key(&key) {
                return Err(refuse("duplicate key"));
            }
            let value = map.next_value_seed(Strict { field, depth })?;
            values.insert(key, value);
            field.truncate(length);
        }
        Ok(values.into())
    }
}

const MAX_INTEGER: u64 = 9_007_199_254_740_991;

fn too_large<E: de::Error>(received: impl fmt::Display) -> E {
    refuse(format_args!(
        "number must lie within ±{MAX_INTEGER}; received {received}; send larger ones as text"
    ))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::dice::Dice;

    fn refusal(text: &str) -> (String, String) {
        let error = parse_value(text.as_bytes()).unwrap_err();
        (error.problem, error.field)
    }

    #[test]
    fn plain_json_is_read_as_it_is() {
        let text = r#" {"a":[1,-2,0.5,9007199254740991],"b":{"c":null,"d":"é\n"},"e":true} "#;
        let value =
            json!({"a":[1,-2,0.5,9_007_199_254_740_991_u64],"b":{"c":null,"d":"é\n"},"e":true});
        assert_eq!(parse_value(text.as_bytes()).unwrap(), value);
    }

    #[test]
    fn a_duplicate_key_is_refused_with_its_path() {
        let text = r#"{"action":{"list":[0,{"to":"a","to":"b"}]}}"#;
        assert_eq!(refusal(text), ("duplicate key".into(), "action.list[1].to".into()));
        // The same key, spelt with an escape.
        assert_eq!(refusal(r#"{"to":1,"\u0074o":2}"#).1, "to");
    }

    #[test]
    fn a_number_that_would_be_rounded_is_refused_with_its_path() {
        for text in ["9007199254740992", "-9007199254740992", "1e16", "123456789012345678901"] {
            let (problem, field) = refusal(&format!(r#"{{"args":{{"n":{text}}}}}"#));
            assert!(problem.starts_with("number must lie within ±9007199254740991"), "{problem}");
            assert_eq!(field, "args.n");
        }
        assert!(parse_value(b"1e400").is_err());
        assert!(parse_value(b"NaN").is_err());
    }

    #[test]
    fn a_fraction_is_read_as_the_number_that_is_nearest_to_it() {
        let mut dice = Dice::of(1);
        for _ in 0..10_000 {
            let number = f64::from_bits(dice.roll(u64::MAX));
            let number = if number.abs() <= MAX_NUMBER { number } else { number.recip() };
            if number.is_finite() {
                let read = parse_value(format!("{number:e}").as_bytes()).unwrap();
                assert_eq!(read.as_f64().map(f64::to_bits), Some(number.to_bits()), "{number:e}");
            }
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse_value(nested(MAX_DEPTH).as_bytes()).is_ok());
        let (problem, field) = refusal(&nested(MAX_DEPTH + 1));
        assert_eq!(problem, "nesting must be at most 64 levels deep");
        assert_eq!(field, "[0]".repeat(MAX_DEPTH));
        assert!(parse_value(nested(100_000).as_bytes()).is_err());
    }

    #[test]
    fn what_is_not_one_json_value_is_refused() {
        for text in [&b""[..], b"{", b"{} {}", b"\xff", b"\"\xff\"", b"{\"a\":}", b"'a'"] {
            assert!(parse_value(text).is_err(), "{}", String::from_utf8_lossy(text));
        }
    }
}
