//! The keys of the targets of messages.

use super::{Key, MILLISECOND, SECOND, key};
use crate::config::{NotifyDraft, Slot};

/// Every key of a target, `[notify.NAME]`.
pub static NOTIFY_KEYS: &[Key<NotifyDraft>] = &[
    key(
        "kind",
        Slot::Choice(|it| &mut it.kind),
        "webhook",
        "what the target understands: `webhook`: a signed request of Standard Webhooks; `slack`: blocks for an incoming webhook of Slack",
    ),
    key(
        "url",
        Slot::Text(|it| &mut it.url),
        "",
        "where to: `https://…`, or `file:PATH` for a file with the URL in it, mode 0600; never followed where it redirects",
    ),
    key(
        "signing_secret",
        Slot::Text(|it| &mut it.signing_secret),
        "",
        "`file:PATH`: the file with the secret that signs each request, `whsec_…`, mode 0600",
    ),
    key(
        "allow_private",
        Slot::Switch(|it| &mut it.allow_private),
        "false",
        "allows a target on this machine or a private network, and `http://`; otherwise every address of the name is checked at each connection",
    ),
    key(
        "rate_per_minute",
        Slot::Count { at: |it| &mut it.rate_per_minute, min: 0, max: 60_000 },
        "60",
        "so many messages a minute from all servers together, a sixth of them at once; more wait; 0: no limit",
    ),
    key(
        "timeout",
        Slot::Span {
            at: |it| &mut it.timeout,
            min: MILLISECOND.saturating_mul(100),
            max: SECOND.saturating_mul(40),
        },
        "10s",
        "how long a try may take; what fails is tried again after 5s, 5m, 30m, 2h, 5h, 10h, 14h, 20h and 24h, then given up",
    ),
];
