//! What somebody who clicked is told, and nobody else sees.
//!
//! Source: Slack's documentation of "Handling user interaction": what is answered to a click itself
//! is not shown; a message goes to the `response_url` that came with it, for half an hour.

use std::{sync::Arc, time::Duration};

use gov_core::Clock;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::super::{
    NotifyError,
    guard::{Guard, Judge, SystemLookup, is_public},
    post::{Post, PostConfig},
    webhook::WebhookConfigError,
};

/// Where answers go that came without a URL of their own; none is ever sent there.
const SLACK: &str = "https://hooks.slack.com/";

/// Tells people in Slack what became of their clicks.
#[derive(Clone, Debug)]
pub struct SlackReply(Post);

impl SlackReply {
    /// Sends within `timeout`; `allow_private` allows this machine and private networks, and
    /// `http://`.
    ///
    /// # Errors
    ///
    /// [`WebhookConfigError::Build`].
    pub fn new(
        allow_private: bool,
        timeout: Duration,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WebhookConfigError> {
        let judge: Judge = if allow_private { |_| true } else { is_public };
        let to = PostConfig { url: SLACK, allow_private, ca_pem: None, timeout };
        Ok(Self(Post::new(to, Guard::new(Arc::new(SystemLookup), judge), clock)?))
    }

    /// Shows `text` to the person whose click came with this URL. Tried once: the answer to the
    /// click counts without it.
    ///
    /// # Errors
    ///
    /// [`NotifyError`]: they do not see it.
    pub async fn send(&self, response_url: &str, text: &str) -> Result<(), NotifyError> {
        let post = self.0.to(response_url).map_err(NotifyError::refused)?;
        post.send(HeaderMap::new(), ephemeral(text).to_string().into_bytes()).await
    }
}

/// A message that only the person sees, beside the one that was clicked. The text is `plain_text`,
/// so that names in it are no markup.
#[must_use]
pub fn ephemeral(text: &str) -> Value {
    let plain = json!({"type": "plain_text", "text": text, "emoji": false});
    json!({
        "response_type": "ephemeral", "replace_original": false,
        "blocks": [{"type": "section", "text": plain}],
    })
}

#[cfg(all(test, feature = "test-util"))]
mod tests {
    use gov_core::clock::ManualClock;

    use super::*;

    #[tokio::test]
    async fn an_answer_to_a_click_goes_to_nobody_who_is_not_on_the_public_internet() {
        let clock = Arc::new(ManualClock::default());
        let reply = SlackReply::new(false, Duration::from_secs(5), clock).unwrap();
        for url in ["https://127.0.0.1/", "https://[::ffff:10.0.0.1]/", "http://hooks.slack.com/"] {
            let error = reply.send(url, "Approved").await.unwrap_err();
            assert!(matches!(error, NotifyError::Refused { .. }), "{url}: {error:?}");
        }
    }
}
