//! Keeps secrets out of what is stored, hashed as payload, or sent.

use std::{borrow::Cow, fmt, sync::LazyLock};

use hmac::{Hmac, KeyInit as _, Mac as _};
use regex::{Captures, Regex};
use serde_json::Value;
use sha2::Sha256;

use crate::hex::Hex;

/// Replaces secrets by a keyed fingerprint: `[redacted:0123456789ab]`.
///
/// The same secret under the same key has the same fingerprint, so an auditor sees that two
/// actions used one credential without learning which. Pure: it neither reads nor keeps anything.
#[derive(Clone)]
pub struct Redactor {
    key: [u8; 32],
}

impl Redactor {
    /// Fingerprints under `key`, which never leaves the deployment.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self { key }
    }

    /// Redacts every text in `value`, and everything under a key whose name tells of a secret
    /// (`password`, `api_key`, `authorization`, …).
    pub fn redact(&self, value: &mut Value) {
        match value {
            Value::String(text) => {
                if let Cow::Owned(redacted) = self.redact_text(text) {
                    *text = redacted;
                }
            }
            Value::Array(list) => list.iter_mut().for_each(|it| self.redact(it)),
            Value::Object(map) => {
                for (key, value) in map {
                    if tells_of_a_secret(key) { self.hide(value) } else { self.redact(value) }
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => (),
        }
    }

    /// Redacts what looks like a secret in running text: well-known token shapes, private keys,
    /// `Bearer …`, `user:password@`, `password=…`, `--token …`.
    #[must_use]
    pub fn redact_text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        SHAPES.replace_all(text, |found: &Captures<'_>| {
            let whole = found.get_match();
            // A group is the secret inside its surroundings, which stay readable.
            let secret = found.iter().skip(1).flatten().next().unwrap_or(whole);
            let before = text.get(whole.start()..secret.start()).unwrap_or_default();
            let after = text.get(secret.end()..whole.end()).unwrap_or_default();
            format!("{before}{}{after}", self.fingerprint(secret.as_str()))
        })
    }

    fn hide(&self, value: &mut Value) {
        match value {
            Value::Null => (),
            Value::Array(list) => list.iter_mut().for_each(|it| self.hide(it)),
            Value::Object(map) => map.values_mut().for_each(|it| self.hide(it)),
            Value::String(text) => *text = self.fingerprint(text),
            Value::Bool(_) | Value::Number(_) => {
                *value = self.fingerprint(&value.to_string()).into();
            }
        }
    }

    fn fingerprint(&self, secret: &str) -> String {
        // HMAC takes a key of any length, so the constructor cannot refuse 32 bytes.
        let mac = Hmac::<Sha256>::new_from_slice(&self.key)
            .map(|mac| mac.chain_update(secret).finalize().into_bytes());
        let tag = mac.as_ref().ok().and_then(|it| it.get(..6)).unwrap_or_default();
        format!("[redacted:{}]", Hex(tag))
    }
}

/// Whether a text in `value` holds the fingerprint of a secret in its place: then `value` is not
/// what somebody once sent, and cannot be made into that again.
#[must_use]
pub fn holds_fingerprint(value: &Value) -> bool {
    match value {
        Value::String(text) => FINGERPRINT.is_match(text),
        Value::Array(list) => list.iter().any(holds_fingerprint),
        Value::Object(map) => map.values().any(holds_fingerprint),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

/// Without the key.
impl fmt::Debug for Redactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

fn tells_of_a_secret(key: &str) -> bool {
    const WORDS: [&str; 11] = [
        "password",
        "passwd",
        "passphrase",
        "secret",
        "token",
        "apikey",
        "accesskey",
        "privatekey",
        "authorization",
        "credential",
        "cookie",
    ];
    let plain: String =
        key.chars().filter(char::is_ascii_alphanumeric).map(|it| it.to_ascii_lowercase()).collect();
    WORDS.iter().any(|word| plain.contains(word))
}

/// Alternatives of one expression, so a text is scanned once.
static SHAPES: LazyLock<Regex> = LazyLock::new(|| {
    let shapes = [
        r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?s:.*?)(?:-----END [A-Z ]*PRIVATE KEY-----|\z)",
        r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
        r"\bgh[pousr]_[A-Za-z0-9]{20,}",
        r"\bgithub_pat_[A-Za-z0-9_]{20,}",
        r"\bglpat-[A-Za-z0-9_-]{20,}",
        r"\bsk-[A-Za-z0-9_-]{20,}",
        r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}",
        r"\bAIza[A-Za-z0-9_-]{30,}",
        r"\bgov_[A-Za-z0-9]+_[A-Za-z0-9_-]{20,}",
        r"\bPRIVATE\+KEY\+\S+",
        r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]*",
        r"(?i)\b(?:bearer|basic)\s+([A-Za-z0-9+/=._~-]{8,})",
        r"://[^\s/:@]*:([^\s/@]+)@",
        r#"(?i)(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key)["']?\s*[=:]\s*["']?([^\s"'&;]+)"#,
        r#"(?i)--(?:password|passwd|passphrase|secret|token|api-?key)\s+["']?([^\s"'&;]+)"#,
    ];
    // The expression is constant; the test below compiles it.
    Regex::new(&shapes.join("|")).unwrap_or_else(|_| unreachable_shape())
});

/// What [`Redactor::fingerprint`] gives.
static FINGERPRINT: LazyLock<Regex> = LazyLock::new(|| {
    Regex::new(r"\[redacted:[0-9a-f]{12}\]").unwrap_or_else(|_| unreachable_shape())
});

/// Redacts everything rather than nothing, should the constant expression ever be wrong.
fn unreachable_shape() -> Regex {
    #[expect(clippy::expect_used, reason = "a constant of three characters")]
    Regex::new("(?s).+").expect("a valid expression")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn redact(text: &str) -> String {
        Redactor::new([1; 32]).redact_text(text).into_owned()
    }

    #[test]
    fn a_secret_in_running_text_becomes_its_fingerprint_and_the_rest_stays() {
        for (text, before, after) in [
            ("key AKIAIOSFODNN7EXAMPLE end", "key ", " end"),
            (
                "curl -H 'Authorization: Bearer abcdef123456'",
                "curl -H 'Authorization: Bearer ",
                "'",
            ),
            ("git clone https://me:hunter22@host/x", "git clone https://me:", "@host/x"),
            ("psql --password hunter22 -h x", "psql --password ", " -h x"),
            ("export API_KEY=hunter22; ls", "export API_KEY=", "; ls"),
            (r#"{"token": "hunter22"}"#, r#"{"token": ""#, r#""}"#),
            ("password=pass", "password=", ""),
            ("ghp_0123456789abcdefghij0123456789abcdef", "", ""),
        ] {
            let shown = redact(text);
            assert!(shown.starts_with(&format!("{before}[redacted:")), "{shown}");
            assert!(shown.ends_with(&format!("]{after}")), "{shown}");
        }
    }

    #[test]
    fn a_private_key_goes_as_a_whole_even_when_it_is_cut_off() {
        let key = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNz\naC1rZXk=\n";
        assert!(!redact(key).contains("b3BlbnNz"));
        let whole = format!("{key}-----END OPENSSH PRIVATE KEY-----\nls");
        assert!(redact(&whole).ends_with("]\nls"));
    }

    #[test]
    fn plain_text_is_left_alone() {
        for text in ["rm -rf /", "cargo test --workspace", "the tokenizer: fast", "a:b@c"] {
            assert!(matches!(Redactor::new([1; 32]).redact_text(text), Cow::Borrowed(_)), "{text}");
        }
    }

    #[test]
    fn everything_under_a_telling_key_is_hidden() {
        let mut value =
            json!({"user": "me", "Api-Key": "k", "auth": {"client_secret": [1, {"x": true}]}});
        Redactor::new([1; 32]).redact(&mut value);
        let text = value.to_string();
        assert_eq!(value["user"], "me");
        assert_eq!(text.matches("[redacted:").count(), 3, "{text}");
    }

    #[test]
    fn a_fingerprint_is_stable_under_one_key_and_differs_under_another() {
        let [a, b] = [1, 2].map(|key| Redactor::new([key; 32]));
        assert_eq!(a.fingerprint("s"), a.fingerprint("s"));
        assert_ne!(a.fingerprint("s"), a.fingerprint("t"));
        assert_ne!(a.fingerprint("s"), b.fingerprint("s"));
    }

    #[test]
    fn what_was_redacted_is_told_from_what_was_not() {
        let key = Redactor::new([1; 32]);
        for mut value in [
            json!("curl -H 'Authorization: Bearer abcdef123456'"),
            json!({"list": [1, {"password": 7}]}),
        ] {
            assert!(!holds_fingerprint(&value), "{value}");
            key.redact(&mut value);
            assert!(holds_fingerprint(&value), "{value}");
        }
        let plain = json!({"a": ["[redacted:]", "[redacted:0123456789AB]", null, true, 1]});
        assert!(!holds_fingerprint(&plain));
    }

    #[test]
    fn the_constant_expression_compiles() {
        assert!(SHAPES.as_str().len() > 100);
    }
}
