//! Where messages go, as it is configured.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use gov_core::{Clock, webhook::Secret};
use gov_escalation::{
    LogNotifier, Notifier, Target,
    notifier::{
        slack::{
            SlackConfig, SlackNotifier, SlackReply,
            door::{DoorError, SlackKey},
        },
        webhook::{WebhookConfig, WebhookConfigError, WebhookNotifier},
    },
    store::Pace,
};

use super::StartError;
use crate::{
    config::{
        self, Config, NotifyDraft, NotifyKind,
        notify::{LOG, in_file},
    },
    http::SlackDoor,
    sinks::{OpenSinkError, secret},
};

/// How long telling somebody what became of a click may take. Slack waits three seconds.
const REPLY: Duration = Duration::from_secs(2);

/// A target cannot work as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("`[{section}]` cannot be used")]
pub struct TargetError {
    /// Where it stands.
    section: String,
    /// Why not.
    source: TargetProblem,
}

#[derive(Debug, thiserror::Error)]
enum TargetProblem {
    #[error(transparent)]
    File(#[from] OpenSinkError),
    #[error(transparent)]
    Webhook(#[from] WebhookConfigError),
    #[error(transparent)]
    Slack(#[from] DoorError),
}

/// The targets by the names that chains give them, and what a click in Slack needs, where one is
/// taken.
pub(super) async fn open(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> Result<(BTreeMap<String, Target>, Option<SlackDoor>), StartError> {
    let (config, clock) = (config.clone(), Arc::clone(clock));
    let opening = tokio::task::spawn_blocking(move || {
        Ok::<_, TargetError>((targets(&config, &clock)?, slack(&config, &clock)?))
    });
    Ok(opening.await.map_err(|error| StartError::Panicked(Box::new(error)))??)
}

/// Reads files.
fn targets(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> Result<BTreeMap<String, Target>, TargetError> {
    let mut targets = BTreeMap::from([(LOG.to_owned(), Target::new(Arc::new(LogNotifier)))]);
    for (name, draft) in &config.notify {
        let target = target(draft, config, clock)
            .map_err(|source| TargetError { section: format!("notify.{name}"), source })?;
        targets.insert(name.clone(), target);
    }
    Ok(targets)
}

fn target(
    draft: &NotifyDraft,
    settings: &Config,
    clock: &Arc<dyn Clock>,
) -> Result<Target, TargetProblem> {
    let read = |key: &'static str, value: &Option<String>| -> Result<_, OpenSinkError> {
        let Some(value) = value else { return Ok(None) };
        let text = match in_file(value) {
            Some(path) => secret::read(key, path)?,
            None => value.clone(),
        };
        Ok(Some(Secret::from(text)))
    };
    let url = read("url", &draft.url)?.unwrap_or_else(|| Secret::from(String::new()));
    let config = WebhookConfig {
        signing_secret: read("signing_secret", &draft.signing_secret)?,
        allow_private: draft.allow_private,
        public_url: settings.server.public_url.clone(),
        timeout: draft.timeout,
        ..WebhookConfig::new(url)
    };
    let notifier: Arc<dyn Notifier> = match draft.kind {
        NotifyKind::Webhook => Arc::new(WebhookNotifier::new(&config, Arc::clone(clock))?),
        NotifyKind::Slack => {
            let config = SlackConfig {
                url: config.url,
                allow_private: config.allow_private,
                public_url: config.public_url,
                clickable: settings.slack.clickable().to_vec(),
                timeout: config.timeout,
            };
            Arc::new(SlackNotifier::new(&config, Arc::clone(clock))?)
        }
    };
    Ok(Target {
        pace: Pace::per_minute(u32::try_from(draft.rate_per_minute).unwrap_or(u32::MAX)),
        timeout: draft.timeout,
        ..Target::new(notifier)
    })
}

/// Reads a file.
fn slack(config: &Config, clock: &Arc<dyn Clock>) -> Result<Option<SlackDoor>, TargetError> {
    let wrong = |source| TargetError { section: "slack".to_owned(), source };
    open_door(config, clock).map_err(wrong)
}

fn open_door(config: &Config, clock: &Arc<dyn Clock>) -> Result<Option<SlackDoor>, TargetProblem> {
    let config::Slack { signing_secret, risks, allow_private } = &config.slack;
    let Some(path) = signing_secret.as_deref().and_then(in_file) else { return Ok(None) };
    let secret = secret::read("slack.signing_secret", path)?;
    Ok(Some(SlackDoor {
        key: SlackKey::new(&Secret::from(secret))?,
        reply: SlackReply::new(*allow_private, REPLY, Arc::clone(clock))?,
        risks: risks.clone(),
        public_url: config.server.public_url.clone(),
    }))
}
