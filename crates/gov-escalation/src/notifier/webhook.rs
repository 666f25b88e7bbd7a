//! Messages as the bodies of signed HTTP requests.
//!
//! Source: Standard Webhooks 1.0. The receiver drops repeats by `webhook-id`, which is the
//! message's id at every try, and checks `webhook-signature` before it reads the body.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_core::{
    Clock, NotificationId, Timestamp,
    webhook::{NoSigningSecret, Secret, SigningKey},
};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};

use super::{
    Notifier, NotifyError,
    guard::{Blocked, Guard, Judge, SystemLookup, is_public},
    post::{Post, PostConfig},
};
use crate::approval::Notification;

/// The key of a message that is about no approval: it only shows that messages arrive.
pub const TEST: &str = "test";

/// Where messages go over HTTP, and how.
#[derive(Clone, Debug)]
pub struct WebhookConfig {
    /// Where to: `https://…`; with `allow_private` also `http://…`. May hold a secret.
    pub url: Secret,
    /// Signs each body: `whsec_` and the key in base64.
    pub signing_secret: Option<Secret>,
    /// Whether the target may be on a private network or on this machine.
    pub allow_private: bool,
    /// Where people find the approvals: shown in each message as the beginning of `link`.
    pub public_url: Option<String>,
    /// The certificates that are trusted, in PEM, instead of this machine's.
    pub ca_pem: Option<Vec<u8>>,
    /// How long a request may take, with the connection and the answer.
    pub timeout: Duration,
}

impl WebhookConfig {
    /// Unsigned, to the public internet only, within 10 s.
    #[must_use]
    pub fn new(url: Secret) -> Self {
        Self {
            url,
            signing_secret: None,
            allow_private: false,
            public_url: None,
            ca_pem: None,
            timeout: Duration::from_secs(10),
        }
    }
}

/// The settings cannot be worked with: correct them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookConfigError {
    /// The URL is not one to send messages to. It is not repeated: it may hold a secret.
    #[error("the URL {why}")]
    Url {
        /// What is wrong with it.
        why: String,
    },
    /// The URL names a machine that is not on the public internet.
    #[error("the URL cannot be used")]
    Blocked(#[from] Blocked),
    /// The signing secret is no key.
    #[error(transparent)]
    SigningSecret(#[from] NoSigningSecret),
    /// The certificates cannot be read.
    #[error("the certificates must be PEM")]
    Certificates(#[source] reqwest::Error),
    /// The client cannot be made: most often there are no certificates on this machine.
    #[error("cannot prepare the connection")]
    Build(#[source] reqwest::Error),
}

/// Sends each message to one URL.
#[derive(Clone, Debug)]
pub struct WebhookNotifier {
    post: Post,
    signing: Option<SigningKey>,
    public_url: Option<String>,
    clock: Arc<dyn Clock>,
}

impl WebhookNotifier {
    /// A notifier for the target that `config` names; nothing is sent yet.
    ///
    /// Installs ring as the process's TLS provider where it has none.
    ///
    /// # Errors
    ///
    /// [`WebhookConfigError`].
    pub fn new(config: &WebhookConfig, clock: Arc<dyn Clock>) -> Result<Self, WebhookConfigError> {
        let judge: Judge = if config.allow_private { |_| true } else { is_public };
        Self::build(config, clock, Guard::new(Arc::new(SystemLookup), judge))
    }

    /// With names and addresses of a test's own.
    ///
    /// # Errors
    ///
    /// [`WebhookConfigError`].
    #[cfg(feature = "test-util")]
    pub fn with_doubles(
        config: &WebhookConfig,
        clock: Arc<dyn Clock>,
        lookup: Arc<dyn super::guard::Lookup>,
        judge: Judge,
    ) -> Result<Self, WebhookConfigError> {
        Self::build(config, clock, Guard::new(lookup, judge))
    }

    fn build(
        config: &WebhookConfig,
        clock: Arc<dyn Clock>,
        guard: Guard,
    ) -> Result<Self, WebhookConfigError> {
        let to = PostConfig {
            url: config.url.expose(),
            allow_private: config.allow_private,
            ca_pem: config.ca_pem.as_deref(),
            timeout: config.timeout,
        };
        Ok(Self {
            post: Post::new(to, guard, Arc::clone(&clock))?,
            signing: config.signing_secret.as_ref().map(SigningKey::new).transpose()?,
            public_url: config.public_url.clone(),
            clock,
        })
    }

    fn body(&self, message: &Notification) -> Value {
        let kind = match message.rung {
            _ if message.content.get(TEST).is_some() => "test",
            0 => "approval.requested",
            _ => "approval.escalated",
        };
        let mut data = message.content.clone();
        if let (Some(data), Some(url)) = (data.as_object_mut(), &self.public_url) {
            data.insert("link".to_owned(), json!(link(url, message)));
        }
        json!({"type": kind, "timestamp": written_at(message.id), "data": data})
    }
}

#[async_trait]
impl Notifier for WebhookNotifier {
    async fn notify(&self, message: &Notification) -> Result<(), NotifyError> {
        let body = self.body(message).to_string().into_bytes();
        let (id, now) = (message.id.to_string(), self.clock.now());
        let signature = self.signing.as_ref().map(|key| key.signature(&id, now, &body));
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("webhook-id", Some(id)),
            ("webhook-timestamp", Some(now.as_unix_seconds().to_string())),
            ("webhook-signature", signature),
        ] {
            // All of them are printable ASCII.
            if let Some(value) = value.and_then(|it| HeaderValue::try_from(it).ok()) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        self.post.send(headers, body).await
    }
}

/// Where a person sees all of it.
pub(super) fn link(public_url: &str, message: &Notification) -> String {
    format!("{}/approvals/{}", public_url.trim_end_matches('/'), message.approval_id)
}

/// When the message was written, to the millisecond: its id says so, and so each try says the same.
fn written_at(id: NotificationId) -> Timestamp {
    let millis = id.as_uuid().as_u128() >> 80;
    let micros = i64::try_from(millis).unwrap_or(i64::MAX).saturating_mul(1000);
    Timestamp::from_micros_clamped(micros)
}
