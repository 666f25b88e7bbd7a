//! The keys of the section `slack`.

use super::{Key, Slot, key};

pub(super) static KEYS: &[Key] = &[
    key(
        "slack.signing_secret",
        Slot::Text(|it| &mut it.slack.signing_secret),
        "",
        "`file:PATH`: the file with the signing secret of the Slack app whose clicks are taken at `/v1/slack/actions`, mode 0600; not set: none is, and no message has buttons that decide",
    ),
    key(
        "slack.risks",
        Slot::Words { at: |it| &mut it.slack.risks, all: &["low", "medium", "high", "critical"] },
        "low",
        "the risks of the approvals that a click may decide; all others need the page or a terminal",
    ),
    key(
        "slack.allow_private",
        Slot::Switch(|it| &mut it.slack.allow_private),
        "false",
        "allows to tell a person what became of a click through this machine or a private network, and over `http://`",
    ),
];
