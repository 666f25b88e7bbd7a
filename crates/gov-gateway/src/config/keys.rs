//! The table of keys: everything that can be configured, and nothing that has no effect.

use std::time::Duration;

use super::{
    Config, Origin, Slot,
    chains::{ChainDraft, RungDraft},
};

mod buffer;
mod notify;
mod slack;

pub use self::notify::NOTIFY_KEYS;

/// One key.
#[derive(Debug)]
pub struct Key<T: Clone + Default = Config> {
    /// `section.key`; in the tables of chains and rungs the last part alone.
    pub path: &'static str,
    /// Its type and limits, and where its value lives.
    pub slot: Slot<T>,
    /// The default as it would be written; empty for "not set" and for an empty list.
    pub default: &'static str,
    /// What it does, for people.
    pub effect: &'static str,
}

const fn key<T: Clone + Default>(
    path: &'static str,
    slot: Slot<T>,
    default: &'static str,
    effect: &'static str,
) -> Key<T> {
    Key { path, slot, default, effect }
}

const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// Every key there is, but for those of the chains.
pub fn all() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().chain(buffer::KEYS).chain(slack::KEYS)
}

/// Every key but for those of the sections `buffer`, `chains`, `notify` and `slack`.
static KEYS: &[Key] = &[
    key(
        "server.data_dir",
        Slot::Path(|it| &mut it.server.data_dir),
        "",
        "the data directory, mode 0700; not set: `gov` in `$XDG_DATA_HOME`, else `~/.local/share/gov`",
    ),
    key(
        "server.listen",
        Slot::Address(|it| &mut it.server.listen),
        "127.0.0.1:7180",
        "the address that is listened on; port 0 takes a free one",
    ),
    key(
        "server.plaintext",
        Slot::Switch(|it| &mut it.server.plaintext),
        "false",
        "allows HTTP without TLS on an address that other machines can reach",
    ),
    key(
        "server.allowed_hosts",
        Slot::List(|it| &mut it.server.allowed_hosts),
        "",
        "`Host` names that are accepted beside `localhost`, 127.0.0.1, [::1] and the listening address; without port",
    ),
    key(
        "server.allowed_origins",
        Slot::List(|it| &mut it.server.allowed_origins),
        "",
        "`Origin` values that are accepted beside the server's own, as `https://host[:port]`",
    ),
    key(
        "server.public_url",
        Slot::Text(|it| &mut it.server.public_url),
        "",
        "where people find the page, as `https://host[:port]`: messages to targets hold a link to the approval",
    ),
    key(
        "server.metrics_public",
        Slot::Switch(|it| &mut it.server.metrics_public),
        "false",
        "`/metrics` needs no token",
    ),
    key(
        "server.max_connections",
        Slot::Count { at: |it| &mut it.server.max_connections, min: 1, max: 65_536 },
        "1024",
        "the most connections at a time; more wait in the operating system's queue",
    ),
    key(
        "server.header_timeout",
        Slot::Span {
            at: |it| &mut it.server.header_timeout,
            min: MILLISECOND.saturating_mul(100),
            max: MINUTE.saturating_mul(5),
        },
        "10s",
        "how long a client may take to send the head of a request",
    ),
    key(
        "server.request_timeout",
        Slot::Span {
            at: |it| &mut it.server.request_timeout,
            min: MILLISECOND.saturating_mul(100),
            max: MINUTE.saturating_mul(10),
        },
        "30s",
        "how long a request may take from its head to its answer; after it the answer is 503 `timeout`",
    ),
    key(
        "server.drain_timeout",
        Slot::Span {
            at: |it| &mut it.server.drain_timeout,
            min: Duration::ZERO,
            max: MINUTE.saturating_mul(5),
        },
        "5s",
        "how long requests in flight may take after a shutdown began",
    ),
    key(
        "server.log_level",
        Slot::Choice(|it| &mut it.server.log_level),
        "info",
        "the least important messages that are written to standard error",
    ),
    key(
        "server.log_format",
        Slot::Choice(|it| &mut it.server.log_format),
        "text",
        "how messages are written",
    ),
    key(
        "server.node",
        Slot::Text(|it| &mut it.server.node),
        "",
        "what this server is called among those that share a database; not set: the name in the file `node` of the data directory, made on first start",
    ),
    key(
        "database.url",
        Slot::Database(|it| &mut it.database.url),
        "sqlite",
        "where state lives: `sqlite` (files in the data directory), or a PostgreSQL that several gateways may share; a URL with a password is best kept in a file of its own",
    ),
    key(
        "database.max_connections",
        Slot::Count { at: |it| &mut it.database.max_connections, min: 2, max: 1_000 },
        "10",
        "the most connections that this server keeps to PostgreSQL",
    ),
    key(
        "log.checkpoint_log",
        Slot::Path(|it| &mut it.log.checkpoint_log),
        "",
        "the outside copy of the signed log's checkpoints; not set: `checkpoints/checkpoints.log` in the data directory; put it on another disk",
    ),
    key(
        "log.key_dir",
        Slot::Path(|it| &mut it.log.key_dir),
        "",
        "the directory of the keys that sign the log, made on first start; not set: `keys` in the data directory",
    ),
    key(
        "log.domain",
        Slot::Text(|it| &mut it.log.domain),
        "",
        "the part of the signed log's name before `/gov/e<n>`, fixed when the log is made; not set: `localhost.invalid/<16 hex digits>`",
    ),
    key(
        "log.public",
        Slot::Switch(|it| &mut it.log.public),
        "false",
        "reading the signed log at `/log/…` needs no token; its entries name agents, rules and reasons, and hold no payloads",
    ),
    key(
        "log.flush_timeout",
        Slot::Span {
            at: |it| &mut it.log.flush_timeout,
            min: Duration::ZERO,
            max: MINUTE.saturating_mul(5),
        },
        "5s",
        "how long queued records may take to reach the log at shutdown, and buffered events their sink; what is left waits for the next start, and the exit code is 10",
    ),
    key(
        "audit.required",
        Slot::Words { at: |it| &mut it.audit.required, all: &["action.allowed", "action.warned"] },
        "",
        "what is refused (503 `not-recorded`) when its event cannot be kept; not named, it is done all the same, counted, and an `audit.gap` says so later; everything else is always refused then",
    ),
    key(
        "audit.scrub_bytes_per_second",
        Slot::Count { at: |it| &mut it.audit.scrub_bytes_per_second, min: 0, max: 1 << 40 },
        "1048576",
        "how fast the signed log is read again and again, beside everything else, and compared with what was signed, in bytes a second; 0: not at all",
    ),
    key(
        "durability.refuse",
        Slot::Choice(|it| &mut it.durability.refuse),
        "durable",
        "what the answer to a refused action waits for: `durable`: its record is fsynced in the log; `spooled`: it survives a killed process, not a power loss",
    ),
    key(
        "durability.approval",
        Slot::Choice(|it| &mut it.durability.approval),
        "durable",
        "what the answers about approvals (asked for, decided, used) wait for, beside the fsynced commit of the change: `durable`: the log has it too; `spooled`: nothing else",
    ),
    key(
        "agents.auto_register",
        Slot::Switch(|it| &mut it.agents.auto_register),
        "true",
        "registers an agent that asks for the first time; false refuses it as `unknown-agent`",
    ),
    key(
        "approvals.approved_for",
        Slot::Span {
            at: |it| &mut it.approvals.approved_for,
            min: SECOND,
            max: DAY.saturating_mul(7),
        },
        "15m",
        "how long an approval may be used once it is given",
    ),
];

/// Every key of a chain, `[chains.NAME]`, but for its rungs.
pub static CHAIN_KEYS: &[Key<ChainDraft>] = &[
    key(
        "timeout",
        Slot::Span { at: |it| &mut it.timeout, min: SECOND, max: DAY.saturating_mul(30) },
        "15m",
        "how long all rungs together have, from the request",
    ),
    key(
        "fallback",
        Slot::Choice(|it| &mut it.fallback),
        "deny",
        "what silence means: `deny`: no; `park`: it stays open, without a clock; `allow`: yes, which needs `allow_acknowledged`",
    ),
    key(
        "allow_acknowledged",
        Slot::Switch(|it| &mut it.allow_acknowledged),
        "false",
        "says that `fallback = \"allow\"` is meant: what nobody looked at then happens",
    ),
    key(
        "bind",
        Slot::Choice(|it| &mut it.bind),
        "action",
        "what an approval is good for: `action`: the same action of the same agent; `session`: and in the same session",
    ),
];

/// Every key of a rung, `[[chains.NAME.rungs]]`: at most three, the first is asked at once.
pub static RUNG_KEYS: &[Key<RungDraft>] = &[
    key(
        "roles",
        Slot::List(|it| &mut it.roles),
        "",
        "whoever has one of these roles may decide; without `roles` and `people`, every approver",
    ),
    key("people", Slot::List(|it| &mut it.people), "", "these persons may decide: `per_…`"),
    key(
        "after",
        Slot::Span { at: |it| &mut it.after, min: Duration::ZERO, max: DAY.saturating_mul(30) },
        "0s",
        "how long the rung before has, from its arrival; nothing on the first; the second rung is refused at nine tenths of the time-out, and warned of beyond half",
    ),
    key(
        "notify",
        Slot::List(|it| &mut it.notify),
        "log",
        "who is told: `log` (a line in the server's log), or a target of `[notify.NAME]`",
    ),
    key(
        "quorum",
        Slot::Count { at: |it| &mut it.quorum, min: 1, max: 100 },
        "1",
        "how many of them must approve; one rejection is enough",
    ),
    key(
        "require",
        Slot::Seats(|it| &mut it.require),
        "",
        "how many of which roles must approve, all of them, each person for one: `[{ role = \"security\", count = 1 }, { role = \"ops\", count = 2 }]`; instead of `roles`, `people` and `quorum`",
    ),
    key(
        "allow_skip_when_empty",
        Slot::Switch(|it| &mut it.allow_skip_when_empty),
        "false",
        "whether the next rung is asked at once where nobody is there to answer; the last one is always asked",
    ),
    key(
        "late",
        Slot::Choice(|it| &mut it.late),
        "skip_to_current",
        "what becomes of a rung whose time went by while no server ran: `skip_to_current`: only the rung of now is told; `fire_all`: it is told all the same",
    ),
];

/// A key as the documentation shows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Documented {
    /// Where it stands, `NAME` for a chain's name.
    pub path: String,
    /// Its type and limits.
    pub kind: String,
    /// The default as it would be written; empty for "not set".
    pub default: &'static str,
    /// What it does.
    pub effect: &'static str,
}

/// Every key of every table, in order.
#[must_use]
pub fn documented() -> Vec<Documented> {
    fn of<'a, T: Clone + Default + 'a>(
        prefix: &str,
        keys: impl IntoIterator<Item = &'a Key<T>>,
    ) -> Vec<Documented> {
        let row = |key: &Key<T>| Documented {
            path: format!("{prefix}{}", key.path),
            kind: key.slot.type_text(),
            default: key.default,
            effect: key.effect,
        };
        keys.into_iter().map(row).collect()
    }
    [
        of("", all()),
        of("chains.NAME.", CHAIN_KEYS),
        of("chains.NAME.rungs[].", RUNG_KEYS),
        of("notify.NAME.", NOTIFY_KEYS),
    ]
    .concat()
}

/// What to say about a key that is not in the table.
pub(super) fn unknown(path: &str, origin: &Origin) -> String {
    let chain = path.split('.').nth(1).unwrap_or_default();
    let of_chain = CHAIN_KEYS.iter().map(|it| format!("chains.{chain}.{}", it.path));
    let of_target = NOTIFY_KEYS.iter().map(|it| format!("notify.{chain}.{}", it.path));
    let known = all().map(|it| it.path.to_owned()).chain(of_chain).chain(of_target);
    let near = known
        .map(|known| (strsim::damerau_levenshtein(path, &known), known))
        .min()
        .filter(|(distance, near)| *distance <= near.len() / 3);
    let Some((_, near)) = near else {
        return format!("unknown key `{path}`; `gov config print` lists all there are");
    };
    match origin {
        Origin::Environment(name) => format!(
            "unknown key `{path}` in the variable `{name}`; did you mean `{}`?",
            variable(&near)
        ),
        _ => format!("unknown key `{path}`; did you mean `{near}`?"),
    }
}

/// The environment variable that sets a key: `GOV__SERVER__LISTEN` for `server.listen`.
#[must_use]
pub fn variable(path: &str) -> String {
    format!("GOV__{}", path.to_ascii_uppercase().replace('.', "__"))
}
