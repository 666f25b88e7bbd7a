//! Text as the attributes hold it.

use std::fmt::Write as _;

use gov_core::{hex::Hex, payload::SALT_BYTES};

/// What the `source` of a governance event begins with.
const SOURCE_PREFIX: &str = "/gov/";

/// The `source` of the events of the node `node`: a URI reference (RFC 3986), with the node as one
/// segment of its path.
#[must_use]
pub fn source(node: &str) -> String {
    let mut text = SOURCE_PREFIX.to_owned();
    for byte in node.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(byte.into());
        } else {
            // Writing to a `String` cannot fail.
            let _ = write!(text, "%{byte:02X}");
        }
    }
    text
}

/// Whether the text is what [`source`] gives.
pub(super) fn is_source(text: &str) -> bool {
    text.starts_with(SOURCE_PREFIX)
}

/// The JSON text without the characters that a `CloudEvents` attribute must not hold: controls, and
/// those that Unicode will never give a meaning. They are in its strings only.
pub(super) fn escaped(json: String) -> String {
    if !json.chars().any(is_forbidden) {
        return json;
    }
    let mut text = String::with_capacity(json.len() + 16);
    for it in json.chars() {
        if is_forbidden(it) {
            for unit in it.encode_utf16(&mut [0; 2]) {
                let _ = write!(text, "\\u{unit:04x}");
            }
        } else {
            text.push(it);
        }
    }
    text
}

/// `CloudEvents` 1.0.2 §"Type System", String.
fn is_forbidden(it: char) -> bool {
    let point = u32::from(it);
    it.is_control() || (0xFDD0..=0xFDEF).contains(&point) || point & 0xFFFE == 0xFFFE
}

/// Exactly the spelling that is written.
pub(super) fn salt(text: &str) -> Option<[u8; SALT_BYTES]> {
    let salt = u128::from_str_radix(text, 16).ok()?.to_be_bytes();
    (Hex(&salt).to_string() == text).then_some(salt)
}
