//! The keys of the section `buffer`.

use std::time::Duration;

use super::{Key, MILLISECOND, MINUTE, SECOND, Slot, key};

pub(super) static KEYS: &[Key] = &[
    key(
        "buffer.sink",
        Slot::Choice(|it| &mut it.buffer.sink),
        "none",
        "where audit events go: `none`: into the event store at once; any other sink gets them through a buffer on this disk, in order, also after it was away for days: `nats`: a JetStream stream, which `gov ingest` reads; `http`: a server; `json-lines`: a file; `event-store`: the event store, where that may be away",
    ),
    key(
        "buffer.url",
        Slot::List(|it| &mut it.buffer.url),
        "",
        "where the sink is: for `nats` one server or more, `nats://host:4222` or `tls://…`; for `http` one URL; without a password, which stands in a file of its own",
    ),
    key(
        "buffer.path",
        Slot::Path(|it| &mut it.buffer.path),
        "",
        "the file of the sink `json-lines`; not set: `audit-events.jsonl` in the data directory",
    ),
    key(
        "buffer.format",
        Slot::Choice(|it| &mut it.buffer.format),
        "webhook",
        "what the sink `http` sends: `webhook`: batches of CloudEvents; `otlp`: OTLP logs in JSON",
    ),
    key(
        "buffer.stream",
        Slot::Text(|it| &mut it.buffer.stream),
        "GOV_AUDIT",
        "the stream of the sink `nats`; made where it is missing, checked where it is there: one that could lose or reorder is refused",
    ),
    key(
        "buffer.subject",
        Slot::Text(|it| &mut it.buffer.subject),
        "gov.audit",
        "what the subjects of the sink `nats` begin with; the node and the buffer follow",
    ),
    key(
        "buffer.replicas",
        Slot::Count { at: |it| &mut it.buffer.replicas, min: 1, max: 5 },
        "1",
        "how many servers keep the stream, where it is made; 3 survive the loss of one",
    ),
    key(
        "buffer.user",
        Slot::Text(|it| &mut it.buffer.user),
        "",
        "the user that the sink `nats` logs in as, with `buffer.password_file`",
    ),
    key(
        "buffer.password_file",
        Slot::Path(|it| &mut it.buffer.password_file),
        "",
        "the file with the password of `buffer.user`",
    ),
    key(
        "buffer.token_file",
        Slot::Path(|it| &mut it.buffer.token_file),
        "",
        "the file with the token of the sink: for `nats` its token, for `http` the bearer token",
    ),
    key(
        "buffer.nkey_file",
        Slot::Path(|it| &mut it.buffer.nkey_file),
        "",
        "the file with the nkey seed that the sink `nats` logs in with",
    ),
    key(
        "buffer.credentials_file",
        Slot::Path(|it| &mut it.buffer.credentials_file),
        "",
        "the credentials file (JWT and seed) that the sink `nats` logs in with",
    ),
    key(
        "buffer.signing_key_file",
        Slot::Path(|it| &mut it.buffer.signing_key_file),
        "",
        "the file with the key that signs each request of the sink `http`",
    ),
    key(
        "buffer.ca_file",
        Slot::Path(|it| &mut it.buffer.ca_file),
        "",
        "the authorities whose certificates the sink's server may have, in PEM; not set: those of this machine",
    ),
    key(
        "buffer.certificate_file",
        Slot::Path(|it| &mut it.buffer.certificate_file),
        "",
        "our certificate for the sink `nats`, in PEM, with `buffer.key_file`",
    ),
    key(
        "buffer.key_file",
        Slot::Path(|it| &mut it.buffer.key_file),
        "",
        "the key of `buffer.certificate_file`, in PEM",
    ),
    key(
        "buffer.send_timeout",
        Slot::Span {
            at: |it| &mut it.buffer.send_timeout,
            min: MILLISECOND.saturating_mul(100),
            max: MINUTE.saturating_mul(5),
        },
        "10s",
        "how long the sink may take for a batch; then it is asked what it has, and the rest is sent again",
    ),
    key(
        "buffer.resend_horizon",
        Slot::Span {
            at: |it| &mut it.buffer.resend_horizon,
            min: Duration::ZERO,
            max: MINUTE.saturating_mul(60 * 24),
        },
        "5m",
        "how long events that NATS acknowledged stay here to be sent again, since it fsyncs every 2 minutes unless told otherwise; 0s where every server has `sync_interval: always`",
    ),
    key(
        "buffer.max_rows",
        Slot::Count { at: |it| &mut it.buffer.max_rows, min: 10, max: 1_000_000_000 },
        "10000000",
        "at most this many events wait for the sink; the last tenth is kept free for what is not an allowed action",
    ),
    key(
        "buffer.max_bytes",
        Slot::Count { at: |it| &mut it.buffer.max_bytes, min: 2 << 20, max: 1 << 40 },
        "4294967296",
        "at most this many bytes of events wait for the sink; the last tenth is kept free as above",
    ),
    key(
        "buffer.overflow",
        Slot::Choice(|it| &mut it.buffer.overflow),
        "reject",
        "what becomes of an event for which there is no room: `reject`: it is not taken; `block`: its answer waits for room; `drop_oldest`: the oldest one of an allowed action goes instead; an `audit.gap` accounts for what is missing, and where `audit.required` names the kind, the action is refused",
    ),
    key(
        "buffer.block_timeout",
        Slot::Span {
            at: |it| &mut it.buffer.block_timeout,
            min: MILLISECOND,
            max: SECOND.saturating_mul(10),
        },
        "250ms",
        "how long `buffer.overflow` = `block` waits for room",
    ),
];
