//! Where messages go, as it is configured.

use std::{collections::BTreeMap, sync::Arc};

use gov_core::{Clock, webhook::Secret};
use gov_escalation::{
    LogNotifier, Notifier, Target,
    notifier::{
        slack::{SlackConfig, SlackNotifier},
        webhook::{WebhookConfig, WebhookConfigError, WebhookNotifier},
    },
    store::Pace,
};

use crate::{
    config::{
        Config, NotifyDraft, NotifyKind,
        notify::{LOG, in_file},
    },
    sinks::{OpenSinkError, secret},
};

/// A target cannot work as it is configured.
#[derive(Debug, thiserror::Error)]
#[error("`[notify.{name}]` cannot be used")]
pub struct TargetError {
    /// Its name.
    name: String,
    /// Why not.
    source: TargetProblem,
}

#[derive(Debug, thiserror::Error)]
enum TargetProblem {
    #[error(transparent)]
    File(#[from] OpenSinkError),
    #[error(transparent)]
    Webhook(#[from] WebhookConfigError),
}

/// The targets by the names that chains give them. Reads files.
pub(super) fn targets(
    config: &Config,
    clock: &Arc<dyn Clock>,
) -> Result<BTreeMap<String, Target>, TargetError> {
    let mut targets = BTreeMap::from([(LOG.to_owned(), Target::new(Arc::new(LogNotifier)))]);
    let public_url = config.server.public_url.as_deref();
    for (name, draft) in &config.notify {
        let target = target(draft, public_url, clock)
            .map_err(|source| TargetError { name: name.clone(), source })?;
        targets.insert(name.clone(), target);
    }
    Ok(targets)
}

fn target(
    draft: &NotifyDraft,
    public_url: Option<&str>,
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
        public_url: public_url.map(ToOwned::to_owned),
        timeout: draft.timeout,
        ..WebhookConfig::new(url)
    };
    let notifier: Arc<dyn Notifier> = match draft.kind {
        NotifyKind::Webhook => Arc::new(WebhookNotifier::new(&config, Arc::clone(clock))?),
        NotifyKind::Slack => {
            // Nothing takes a click yet, so nothing can be clicked but the link.
            let config = SlackConfig {
                url: config.url,
                allow_private: config.allow_private,
                public_url: config.public_url,
                clickable: Vec::new(),
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
