//! What a consumer must be like to hand over each message until it is kept.

use std::fmt;

use async_nats::jetstream::consumer::{self, pull};

/// A consumer that is there already and could pass over events.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("consumer `{durable}` could pass over events: {}; delete it, or name another", list(wrong))]
pub struct UnfitConsumer {
    /// Which.
    pub durable: String,
    /// Every setting that is wrong.
    pub wrong: Vec<WrongConsumerSetting>,
}

/// One setting of a consumer.
#[derive(Debug, PartialEq, Eq)]
pub struct WrongConsumerSetting {
    /// As the server calls it.
    pub setting: &'static str,
    /// What it is.
    pub value: String,
    /// What it must be.
    pub wanted: String,
}

impl fmt::Display for WrongConsumerSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is `{}` and must be `{}`", self.setting, self.value, self.wanted)
    }
}

fn list(wrong: &[WrongConsumerSetting]) -> String {
    wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

pub(super) fn check(found: &consumer::Config, wanted: &pull::Config) -> Result<(), UnfitConsumer> {
    let mut wrong = Vec::new();
    let mut must = |holds: bool, setting, value: String, wanted: String| {
        if !holds {
            wrong.push(WrongConsumerSetting { setting, value, wanted });
        }
    };
    let shown = |it: &dyn fmt::Debug| format!("{it:?}").to_ascii_lowercase();
    let (is, must_be) = (&found.ack_policy, &wanted.ack_policy);
    must(is == must_be, "ack_policy", shown(is), shown(must_be));
    let (is, must_be) = (&found.deliver_policy, &wanted.deliver_policy);
    must(is == must_be, "deliver_policy", shown(is), shown(must_be));
    let (is, must_be) = (&found.filter_subject, &wanted.filter_subject);
    must(is == must_be, "filter_subject", is.clone(), must_be.clone());
    must(found.max_deliver <= 0, "max_deliver", found.max_deliver.to_string(), "-1".to_owned());
    let headers = found.headers_only;
    must(!headers, "headers_only", headers.to_string(), false.to_string());
    let durable = wanted.durable_name.clone().unwrap_or_default();
    if wrong.is_empty() { Ok(()) } else { Err(UnfitConsumer { durable, wrong }) }
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::consumer::{AckPolicy, DeliverPolicy, IntoConsumerConfig as _};

    use super::*;

    fn wanted() -> pull::Config {
        pull::Config {
            durable_name: Some("gov-ingest".to_owned()),
            ack_policy: AckPolicy::Explicit,
            filter_subject: "gov.audit.>".to_owned(),
            ..pull::Config::default()
        }
    }

    #[test]
    fn every_setting_that_could_pass_over_an_event_is_refused_by_its_name() {
        type Spoil = fn(&mut consumer::Config);
        let cases: [(&str, Spoil); 5] = [
            ("ack_policy", |it| it.ack_policy = AckPolicy::None),
            ("deliver_policy", |it| it.deliver_policy = DeliverPolicy::New),
            ("filter_subject", |it| it.filter_subject = "gov.audit.n-1.>".to_owned()),
            ("max_deliver", |it| it.max_deliver = 5),
            ("headers_only", |it| it.headers_only = true),
        ];
        assert_eq!(check(&wanted().into_consumer_config(), &wanted()), Ok(()));
        for (setting, spoil) in cases {
            let mut found = wanted().into_consumer_config();
            spoil(&mut found);
            let unfit = check(&found, &wanted()).unwrap_err();
            let named: Vec<_> = unfit.wrong.iter().map(|it| it.setting).collect();
            assert_eq!(named, [setting], "{unfit}");
        }
    }
}
