//! What comes back from Slack: who clicked what, if it is Slack that says so.
//!
//! Source: Slack's documentation of "Verifying requests from Slack" (signature version `v0`) and
//! of "Handling user interaction".

use std::time::Duration;

use gov_core::{ActionDigest, ApprovalId, Timestamp, webhook::Secret};
use hmac::{Hmac, KeyInit as _, Mac as _};
use reqwest::Url;
use serde::Deserialize;
use sha2::Sha256;

use crate::approval::Verdict;

/// The `action_id` of a yes.
pub const APPROVE: &str = "gov_approve";

/// The `action_id` of a no.
pub const REJECT: &str = "gov_reject";

/// The `action_id` of the link to all of it. Slack tells of a click on a link too.
pub const SEE: &str = "gov_see";

/// A request that is older, or comes from a clock that is further ahead, is refused.
pub const WINDOW: Duration = Duration::from_mins(5);

/// Checks that a request is Slack's.
#[derive(Clone)]
pub struct SlackKey(Hmac<Sha256>);

/// One click.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Click {
    /// Who, as Slack calls them.
    pub user: String,
    /// About which approval.
    pub approval_id: ApprovalId,
    /// The action that was shown there.
    pub digest: ActionDigest,
    /// What they say.
    pub verdict: Verdict,
    /// Where Slack takes what the person is told: see [`SlackReply`](super::SlackReply).
    pub response_url: Option<String>,
}

/// The request is not answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DoorError {
    /// The signing secret is empty.
    #[error("the signing secret of Slack must not be empty")]
    Secret,
    /// A header is missing, or no number.
    #[error("`x-slack-request-timestamp` and `x-slack-signature` must be there")]
    Headers,
    /// It was signed too long ago, or in the future.
    #[error("the request was signed more than five minutes before or after now")]
    Stale,
    /// It is signed by somebody else, or changed on its way.
    #[error("the signature is not Slack's")]
    Signature,
    /// It is no click on a button of ours.
    #[error("the body must be a form with a `payload` of `block_actions`")]
    Payload,
}

/// Whether a click may decide about what the policy gives this risk, where it may decide about
/// `risks`. A risk that nobody stated is not a low one.
#[must_use]
pub fn may_click(risks: &[String], risk: Option<&str>) -> bool {
    risk.is_some_and(|risk| risks.iter().any(|it| it == risk))
}

impl SlackKey {
    /// The key of an app's signing secret.
    ///
    /// # Errors
    ///
    /// [`DoorError::Secret`] if it is empty.
    pub fn new(secret: &Secret) -> Result<Self, DoorError> {
        if secret.expose().is_empty() {
            return Err(DoorError::Secret);
        }
        Hmac::new_from_slice(secret.expose().as_bytes()).map(Self).map_err(|_| DoorError::Secret)
    }

    /// Checks a request by its headers and the very bytes of its body, in constant time.
    ///
    /// # Errors
    ///
    /// [`DoorError`]: nothing in the body counts.
    pub fn verify(
        &self,
        timestamp: &str,
        signature: &str,
        body: &[u8],
        now: Timestamp,
    ) -> Result<(), DoorError> {
        let is_number = !timestamp.is_empty() && timestamp.bytes().all(|it| it.is_ascii_digit());
        let seconds: i64 =
            timestamp.parse().ok().filter(|_| is_number).ok_or(DoorError::Headers)?;
        let digest = signature.strip_prefix("v0=").and_then(hex).ok_or(DoorError::Headers)?;
        if seconds.abs_diff(now.as_unix_seconds()) > WINDOW.as_secs() {
            return Err(DoorError::Stale);
        }
        let mac = self.0.clone().chain_update(format!("v0:{timestamp}:")).chain_update(body);
        mac.verify_slice(&digest).map_err(|_| DoorError::Signature)
    }
}

/// Shows nothing of the key.
impl std::fmt::Debug for SlackKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SlackKey(…)")
    }
}

impl Click {
    /// Reads the body of an interaction; `None` where somebody only followed the link. Only after
    /// [`SlackKey::verify`].
    ///
    /// # Errors
    ///
    /// [`DoorError::Payload`] if it is anything else than one click on one of our buttons.
    pub fn parse(body: &[u8]) -> Result<Option<Self>, DoorError> {
        let form = std::str::from_utf8(body).map_err(|_| DoorError::Payload)?;
        // The parser of URLs knows forms.
        let url = Url::parse(&format!("http://form/?{form}")).map_err(|_| DoorError::Payload)?;
        let mut payloads = url.query_pairs().filter(|(name, _)| name == "payload");
        let (Some((_, payload)), None) = (payloads.next(), payloads.next()) else {
            return Err(DoorError::Payload);
        };
        let payload: Payload = serde_json::from_str(&payload).map_err(|_| DoorError::Payload)?;
        let [action] = payload.actions.as_slice() else { return Err(DoorError::Payload) };
        if payload.kind != "block_actions" {
            return Err(DoorError::Payload);
        }
        let verdict = match action.action_id.as_str() {
            APPROVE => Verdict::Approve,
            REJECT => Verdict::Reject,
            SEE => return Ok(None),
            _ => return Err(DoorError::Payload),
        };
        let (approval_id, digest) = action.value.split_once(' ').ok_or(DoorError::Payload)?;
        Ok(Some(Self {
            user: payload.user.id,
            approval_id: approval_id.parse().map_err(|_| DoorError::Payload)?,
            digest: digest.parse().map_err(|_| DoorError::Payload)?,
            verdict,
            response_url: payload.response_url,
        }))
    }
}

#[derive(Deserialize)]
struct Payload {
    #[serde(rename = "type")]
    kind: String,
    user: User,
    actions: Vec<Action>,
    response_url: Option<String>,
}

#[derive(Deserialize)]
struct User {
    id: String,
}

#[derive(Deserialize)]
struct Action {
    action_id: String,
    #[serde(default)]
    value: String,
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || text.len() != 64 {
        return None;
    }
    let digit = |it: u8| char::from(it).to_digit(16).and_then(|it| u8::try_from(it).ok());
    let pair = |pair: &[u8]| match pair {
        [high, low] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    };
    text.as_bytes().chunks(2).map(pair).collect()
}

#[cfg(test)]
mod tests;
