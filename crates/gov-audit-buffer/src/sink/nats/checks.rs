//! What a stream must be like to keep each event in its order, and what it must not be.

use std::{fmt, time::Duration};

use async_nats::jetstream::stream::{
    Config, DiscardPolicy, PersistenceMode, RetentionPolicy, StorageType,
};

use super::config::NatsConfig;

/// A stream that could lose or reorder events.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("stream `{stream}` could lose events or their order: {}", list(wrong))]
pub struct UnfitStream {
    /// Which.
    pub stream: String,
    /// Every setting that is wrong.
    pub wrong: Vec<WrongSetting>,
}

/// One setting of a stream.
#[derive(Debug, PartialEq, Eq)]
pub struct WrongSetting {
    /// As the server calls it.
    pub setting: &'static str,
    /// What it is.
    pub value: String,
    /// What it must be.
    pub wanted: String,
}

impl fmt::Display for WrongSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is `{}` and must be {}", self.setting, self.value, self.wanted)
    }
}

fn list(wrong: &[WrongSetting]) -> String {
    wrong.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The stream that we make where there is none.
pub(super) fn fresh(config: &NatsConfig) -> Config {
    let max_bytes = config.max_stream_bytes.map_or(-1, |it| i64::try_from(it).unwrap_or(i64::MAX));
    Config {
        name: config.stream.clone(),
        description: Some("audit events of gov".to_owned()),
        subjects: vec![format!("{}.>", config.subject_prefix)],
        max_bytes,
        max_messages: -1,
        max_messages_per_subject: -1,
        discard: DiscardPolicy::New,
        retention: RetentionPolicy::Limits,
        storage: StorageType::File,
        num_replicas: config.replicas,
        duplicate_window: config.duplicate_window,
        // A server that has no such batches leaves it out of what it answers.
        allow_atomic_publish: true,
        ..Config::default()
    }
}

/// Whether a stream may be trusted with events on `subject`.
pub(super) fn check(
    stream: &Config,
    subject: &str,
    duplicate_window: Duration,
) -> Result<(), UnfitStream> {
    let mut wrong = Vec::new();
    let mut must = |holds: bool, setting, value: String, wanted: &str| {
        if !holds {
            wrong.push(WrongSetting { setting, value, wanted: wanted.to_owned() });
        }
    };
    let it = stream;
    let covered = it.subjects.iter().any(|pattern| covers(pattern, subject));
    must(covered, "subjects", it.subjects.join(" "), &format!("one that covers `{subject}`"));
    must(it.storage == StorageType::File, "storage", format!("{:?}", it.storage), "`file`");
    let limits = it.retention == RetentionPolicy::Limits;
    must(limits, "retention", format!("{:?}", it.retention), "`limits`");
    must(it.discard == DiscardPolicy::New, "discard", format!("{:?}", it.discard), "`new`");
    must(it.max_age.is_zero(), "max_age", format!("{:?}", it.max_age), "0");
    let per_subject = it.max_messages_per_subject;
    must(per_subject <= 0, "max_msgs_per_subject", per_subject.to_string(), "-1");
    let window = it.duplicate_window;
    let wanted = format!("at least {duplicate_window:?}");
    must(window >= duplicate_window, "duplicate_window", format!("{window:?}"), &wanted);
    must(!it.no_ack, "no_ack", it.no_ack.to_string(), "false");
    must(!it.sealed, "sealed", it.sealed.to_string(), "false");
    must(!it.allow_rollup, "allow_rollup_hdrs", it.allow_rollup.to_string(), "false");
    let counter = it.allow_message_counter;
    must(!counter, "allow_msg_counter", counter.to_string(), "false");
    let fast = matches!(it.persist_mode, Some(PersistenceMode::Async));
    must(!fast, "persist_mode", "async".to_owned(), "`default`");
    must(it.mirror.is_none(), "mirror", "set".to_owned(), "absent");
    let sources = it.sources.as_ref().map_or(0, Vec::len);
    must(sources == 0, "sources", format!("{sources} of them"), "absent");
    must(it.subject_transform.is_none(), "subject_transform", "set".to_owned(), "absent");
    if wrong.is_empty() { Ok(()) } else { Err(UnfitStream { stream: it.name.clone(), wrong }) }
}

/// Whether the pattern of a stream takes in a subject.
fn covers(pattern: &str, subject: &str) -> bool {
    let mut subject = subject.split('.');
    for token in pattern.split('.') {
        match (token, subject.next()) {
            (">", Some(_)) => return true,
            ("*", Some(_)) => (),
            (token, Some(part)) if token == part => (),
            _ => return false,
        }
    }
    subject.next().is_none()
}

#[cfg(test)]
mod tests {
    use async_nats::jetstream::stream::{Source, SubjectTransform};

    use super::*;

    /// Makes a good stream one that must be refused.
    type Spoil = fn(&mut Config);

    const SUBJECT: &str = "gov.audit.n-1.buf_0";
    const WINDOW: Duration = Duration::from_mins(2);

    fn good() -> Config {
        fresh(&NatsConfig::new(Vec::new(), "n-1"))
    }

    #[test]
    fn the_stream_that_we_make_is_one_that_we_trust() {
        assert_eq!(check(&good(), SUBJECT, WINDOW), Ok(()));
    }

    #[test]
    fn every_setting_that_could_lose_or_reorder_is_refused_by_its_name() {
        let cases: [(&str, Spoil); 15] = [
            ("subjects", |it| it.subjects = vec!["gov.audit.*".to_owned()]),
            ("storage", |it| it.storage = StorageType::Memory),
            ("retention", |it| it.retention = RetentionPolicy::WorkQueue),
            ("discard", |it| it.discard = DiscardPolicy::Old),
            ("max_age", |it| it.max_age = Duration::from_hours(1)),
            ("max_msgs_per_subject", |it| it.max_messages_per_subject = 1),
            ("duplicate_window", |it| it.duplicate_window = Duration::from_secs(119)),
            ("no_ack", |it| it.no_ack = true),
            ("sealed", |it| it.sealed = true),
            ("allow_rollup_hdrs", |it| it.allow_rollup = true),
            ("allow_msg_counter", |it| it.allow_message_counter = true),
            ("persist_mode", |it| it.persist_mode = Some(PersistenceMode::Async)),
            ("mirror", |it| it.mirror = Some(Source::default())),
            ("sources", |it| it.sources = Some(vec![Source::default()])),
            ("subject_transform", |it| {
                it.subject_transform = Some(SubjectTransform {
                    source: "gov.>".to_owned(),
                    destination: "other.>".to_owned(),
                });
            }),
        ];
        for (setting, spoil) in cases {
            let mut config = good();
            spoil(&mut config);
            let unfit = check(&config, SUBJECT, WINDOW).unwrap_err();
            let named: Vec<_> = unfit.wrong.iter().map(|it| it.setting).collect();
            assert_eq!(named, [setting], "{unfit}");
        }
    }

    #[test]
    fn a_pattern_covers_what_the_server_would_hand_it() {
        for (pattern, subject, covered) in [
            ("gov.audit.>", "gov.audit.n.b", true),
            ("gov.audit.n.*", "gov.audit.n.b", true),
            ("gov.*.n.b", "gov.audit.n.b", true),
            ("gov.audit.n.b", "gov.audit.n.b", true),
            ("gov.audit.n", "gov.audit.n.b", false),
            ("gov.audit.n.b.>", "gov.audit.n.b", false),
            ("gov.audit.*", "gov.audit.n.b", false),
            (">", "gov.audit.n.b", true),
        ] {
            assert_eq!(covers(pattern, subject), covered, "{pattern} {subject}");
        }
    }
}
