//! The one way a value is written before it is hashed: RFC 8785 (JCS) JSON.

use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The value has no canonical form.
#[derive(Debug, thiserror::Error)]
#[error("value has no canonical JSON form")]
pub struct CanonicalError(#[from] serde_json::Error);

/// Writes `value` as RFC 8785 JSON: keys sorted by UTF-16 code units, numbers as ECMAScript
/// prints them, no white space.
///
/// Values that came from outside were read by [`crate::json::parse`], which refuses what this
/// form cannot tell apart (duplicate keys, integers beyond 2⁵³ − 1).
///
/// # Errors
///
/// [`CanonicalError`] for NaN, infinities, and maps whose keys are no strings: a mistake of the
/// program, not of the input.
pub fn to_bytes<T: Serialize>(value: &T) -> Result<Vec<u8>, CanonicalError> {
    Ok(serde_json_canonicalizer::to_vec(value)?)
}

/// Like [`to_bytes`] for a value that is JSON already, and so always has the form.
#[must_use]
pub fn value_to_bytes(value: &Value) -> Vec<u8> {
    // A `Value` holds no NaN and only string keys, the two things that can fail.
    to_bytes(value).unwrap_or_default()
}

/// The SHA-256 of `bytes`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The example of RFC 8785 §3.2.2 to §3.2.4, and its order of keys.
    #[test]
    fn the_examples_of_the_rfc_come_out_byte_for_byte() {
        let value = crate::json::parse_value(
            r#"{"numbers":[333333333.33333329,1E15,4.50,2e-3,0.000000000000000000000000001],
                "string":"\u20ac$\u000F\u000aA'\u0042\u0022\u005c\\\"\/","literals":[null,true,false]}"#
                .as_bytes(),
        );
        let text = String::from_utf8(value_to_bytes(&value.unwrap())).unwrap();
        assert_eq!(
            text,
            "{\"literals\":[null,true,false],\"numbers\":[333333333.3333333,1000000000000000,4.5,\
             0.002,1e-27],\"string\":\"€$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}"
        );
        let keys = json!({"€": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "😀": 5, "\u{80}": 6, "ö": 7});
        let text = String::from_utf8(value_to_bytes(&keys)).unwrap();
        assert_eq!(
            text,
            "{\"\\r\":2,\"1\":4,\"\u{80}\":6,\"ö\":7,\"€\":1,\"😀\":5,\"\u{fb33}\":3}"
        );
    }

    #[derive(Serialize)]
    struct Unsorted {
        z: u8,
        a: u8,
    }

    /// A dependency that turns on `serde_json`'s `preserve_order` must not change one byte.
    #[test]
    fn the_order_of_insertion_does_not_show() {
        let mut forwards = serde_json::Map::new();
        let mut backwards = serde_json::Map::new();
        for key in ["a", "b", "c"] {
            forwards.insert(key.to_owned(), json!({"x": 1, "y": 2}));
        }
        for key in ["c", "b", "a"] {
            backwards.insert(key.to_owned(), json!({"y": 2, "x": 1}));
        }
        assert_eq!(value_to_bytes(&forwards.into()), value_to_bytes(&backwards.into()));

        assert_eq!(to_bytes(&Unsorted { z: 1, a: 2 }).unwrap(), br#"{"a":2,"z":1}"#);
    }
}
