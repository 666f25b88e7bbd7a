//! Messages into a Slack channel, and the clicks that come back.
//!
//! Out: an incoming webhook takes blocks. In: Slack signs what it sends; [`door`] checks that and
//! says who wants what. A click decides low-risk classes only: a chat is no place to read a long
//! action, and its account is not ours to protect.
//!
//! Slack knows no key by which it would drop repeats: a message whose answer was lost comes twice,
//! and both stand for the same approval.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_core::{Clock, webhook::Secret};
use reqwest::header::HeaderMap;

use super::{
    Notifier, NotifyError,
    guard::{Guard, Judge, SystemLookup, is_public},
    post::{Post, PostConfig},
    webhook::{WebhookConfigError, link},
};
use crate::approval::Notification;

mod blocks;
pub mod door;
mod reply;

pub use self::reply::{SlackReply, ephemeral};

/// Where messages go, and what may be clicked.
#[derive(Clone, Debug)]
pub struct SlackConfig {
    /// The URL of the incoming webhook, which is a secret.
    pub url: Secret,
    /// Whether it may be on a private network or on this machine.
    pub allow_private: bool,
    /// Where people find the approvals: shown as a link to all of it.
    pub public_url: Option<String>,
    /// The risks whose approvals have buttons; empty: none has.
    pub clickable: Vec<String>,
    /// How long a request may take.
    pub timeout: Duration,
}

/// Shows each message in one channel.
#[derive(Clone, Debug)]
pub struct SlackNotifier {
    post: Post,
    public_url: Option<String>,
    clickable: Vec<String>,
}

impl SlackNotifier {
    /// A notifier for one incoming webhook; nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`WebhookConfigError`].
    pub fn new(config: &SlackConfig, clock: Arc<dyn Clock>) -> Result<Self, WebhookConfigError> {
        let judge: Judge = if config.allow_private { |_| true } else { is_public };
        let to = PostConfig {
            url: config.url.expose(),
            allow_private: config.allow_private,
            ca_pem: None,
            timeout: config.timeout,
        };
        Ok(Self {
            post: Post::new(to, Guard::new(Arc::new(SystemLookup), judge), clock)?,
            public_url: config.public_url.clone(),
            clickable: config.clickable.clone(),
        })
    }
}

#[async_trait]
impl Notifier for SlackNotifier {
    async fn notify(&self, message: &Notification) -> Result<(), NotifyError> {
        let link = self.public_url.as_deref().map(|it| link(it, message));
        let body = blocks::body(message, link.as_deref(), &self.clickable);
        self.post.send(HeaderMap::new(), body.to_string().into_bytes()).await
    }
}
