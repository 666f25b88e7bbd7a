//! Who a person is in Slack.

use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// The longest, in bytes.
const MAX_BYTES: usize = 64;

/// A member of a Slack workspace by their id, such as `U012ABCDEF`: `U` or `W`, then upper-case
/// letters and digits, at most 64 bytes. Names in Slack change and can be taken over; ids do not.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlackUser(std::sync::Arc<str>);

/// The text is no member's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`slack_user` must be a member's id such as `U012ABCDEF`: `U` or `W` and upper-case letters and \
     digits, at most 64 of them; a profile in Slack shows it under `Copy member ID`"
)]
pub struct SlackUserError;

impl SlackUser {
    /// The id's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for SlackUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for SlackUser {
    type Err = SlackUserError;

    fn from_str(text: &str) -> Result<Self, SlackUserError> {
        let rest = text.strip_prefix(['U', 'W']).ok_or(SlackUserError)?;
        let fits = |it: u8| it.is_ascii_uppercase() || it.is_ascii_digit();
        let is_id = !rest.is_empty() && text.len() <= MAX_BYTES && rest.bytes().all(fits);
        is_id.then(|| Self(text.into())).ok_or(SlackUserError)
    }
}

impl Serialize for SlackUser {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for SlackUser {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_members_id_is_no_name_and_no_channel() {
        for text in ["U2", "W012A3CDE", &format!("U{}", "9".repeat(63))] {
            assert_eq!(text.parse::<SlackUser>().unwrap().as_str(), text);
        }
        let long = format!("U{}", "9".repeat(64));
        for text in ["", "U", "@ann", "u2cer", "C012ABC", "U2 ", "U2\n", "Ü2", "U2é", &long] {
            assert_eq!(text.parse::<SlackUser>(), Err(SlackUserError), "{text}");
        }
    }
}
