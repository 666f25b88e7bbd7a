//! What the operator decides: the configuration, where each value came from, and what is wrong
//! with it.
//!
//! One table, [`keys::all`], names every key with its type, default and effect; reading,
//! printing, checking and the documentation follow it. A value is looked for in the flags, then
//! the environment, then the file, then the defaults.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

mod buffer;
mod chains;
mod database;
pub mod keys;
pub mod notify;
mod seats;
mod slack;
mod slot;
mod source;
pub mod span;

use gov_escalation::chain::Chain;

pub use self::{
    buffer::Buffer,
    chains::{ChainDraft, RungDraft},
    database::{Backend, PostgresUrl},
    notify::NotifyDraft,
    seats::SeatsDraft,
    slack::Slack,
    slot::{
        ApprovalDurability, Binding, Choose, HttpFormat, Lateness, LogFormat, LogLevel, NotifyKind,
        Overflow, RefusalDurability, Silence, SinkKind, Slot,
    },
    source::{Given, Origin, Sources},
};
use self::{
    chains::{CHAINS, Chains},
    notify::{NOTIFY, Targets},
    source::Setting,
};

/// The effective configuration.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The doors.
    pub server: Server,
    /// Where state lives.
    pub database: Database,
    /// The signed log.
    pub log: Log,
    /// What must be on record.
    pub audit: Audit,
    /// Where audit events go, and where they wait.
    pub buffer: Buffer,
    /// What an answer waits for.
    pub durability: Durability,
    /// Who may ask.
    pub agents: Agents,
    /// What a human's answer is worth.
    pub approvals: Approvals,
    /// Who is asked for an approval, by the name that policies give.
    pub chains: BTreeMap<String, Chain>,
    /// Who can be told beside the log, by the name that chains give.
    pub notify: BTreeMap<String, NotifyDraft>,
    /// What a click in Slack may decide.
    pub slack: Slack,
}

/// Section `server`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// The data directory; `None` for the default place.
    pub data_dir: Option<PathBuf>,
    /// What this server is called among those that share a database; `None` for the name in the
    /// data directory.
    pub node: Option<String>,
    /// The address that is listened on.
    pub listen: SocketAddr,
    /// Whether HTTP without TLS may be spoken on an address that others can reach.
    pub plaintext: bool,
    /// Host names that are accepted beside those of the listening address.
    pub allowed_hosts: Vec<String>,
    /// Origins that are accepted beside the server's own.
    pub allowed_origins: Vec<String>,
    /// Where people find this server; `None`: messages hold no link.
    pub public_url: Option<String>,
    /// Whether `/metrics` needs no token.
    pub metrics_public: bool,
    /// The most connections at a time; more wait to be accepted.
    pub max_connections: u64,
    /// How long a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// How long a request may take from its head to its answer.
    pub request_timeout: Duration,
    /// How long requests in flight may take after a shutdown began.
    pub drain_timeout: Duration,
    /// The least important messages that are written.
    pub log_level: LogLevel,
    /// How messages are written.
    pub log_format: LogFormat,
}

/// Section `database`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Database {
    /// Which database keeps the state.
    pub url: Backend,
    /// The most connections that this server keeps to PostgreSQL.
    pub max_connections: u64,
}

/// Section `log`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Log {
    /// The outside copy of the checkpoints; `None` for the place in the data directory.
    pub checkpoint_log: Option<PathBuf>,
    /// The directory of the signing keys; `None` for the place in the data directory.
    pub key_dir: Option<PathBuf>,
    /// The part of the log's name before `/gov/e<n>`; `None` for one of its own.
    pub domain: Option<String>,
    /// Whether reading the log over HTTP needs no token.
    pub public: bool,
    /// How long queued records may take to reach the log after the last request.
    pub flush_timeout: Duration,
}

/// Section `audit`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audit {
    /// The kinds of events without which there is no answer, beside those that are always needed.
    pub required: Vec<String>,
    /// How fast the signed log is read again and compared with what was signed; 0 for not at all.
    pub scrub_bytes_per_second: u64,
}

/// Section `durability`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Durability {
    /// What the answer to a refused action waits for.
    pub refuse: RefusalDurability,
    /// What the answers about approvals wait for, beside their commit.
    pub approval: ApprovalDurability,
}

/// Section `agents`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Agents {
    /// Whether an agent that asks for the first time is registered.
    pub auto_register: bool,
}

/// Section `approvals`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Approvals {
    /// How long an approval may be used once it is given.
    pub approved_for: Duration,
}

impl Default for Server {
    /// Blank; the defaults stand in the table of keys.
    fn default() -> Self {
        Self {
            data_dir: None,
            node: None,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            plaintext: false,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            public_url: None,
            metrics_public: false,
            max_connections: 0,
            header_timeout: Duration::ZERO,
            request_timeout: Duration::ZERO,
            drain_timeout: Duration::ZERO,
            log_level: LogLevel::default(),
            log_format: LogFormat::default(),
        }
    }
}

/// The configuration with the origin of each value.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// The effective values.
    pub config: Config,
    chains: Chains,
    targets: Targets,
    origins: BTreeMap<&'static str, Origin>,
}

/// One key with its effective value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `section.key`; for a chain `chains.NAME.key`.
    pub path: String,
    /// The value as it would be written in the file.
    pub value: String,
    /// Where it came from.
    pub origin: Origin,
}

impl Loaded {
    /// Every key in the order of the tables, with its effective value and its origin.
    pub fn entries(&self) -> impl Iterator<Item = Entry> {
        let fixed = keys::all().map(|key| {
            let origin = self.origins.get(key.path).unwrap_or(&Origin::Default);
            (key.path.to_owned(), key.slot.show(&self.config), origin)
        });
        let all = fixed.chain(self.chains.entries()).chain(self.targets.entries());
        all.map(|(path, value, origin)| Entry { path, value, origin: origin.clone() })
    }
}

/// One thing that is wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {problem}")]
pub struct Problem {
    /// Where the wrong value stands.
    pub origin: Origin,
    /// The key; empty where the text as a whole is wrong.
    pub key: String,
    /// What is wrong, naming the key, the limits and what was received.
    pub problem: String,
}

/// Everything that is wrong with the configuration, one problem a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", lines(.0))]
pub struct ConfigError(pub Vec<Problem>);

fn lines(problems: &[Problem]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// Reads the effective configuration.
///
/// # Errors
///
/// [`ConfigError`] with every problem there is: correct them all at once.
pub fn load(sources: &Sources) -> Result<Loaded, ConfigError> {
    let (settings, mut problems) = source::settings(sources);
    let (config, chains) = (Config::default(), Chains::new());
    let mut loaded =
        Loaded { config, chains, targets: Targets::default(), origins: BTreeMap::new() };
    let defaults = keys::all().map(|key| Setting {
        path: key.path.to_owned(),
        given: key.slot.default_given(key.default),
        origin: Origin::Default,
    });
    // From the weakest source to the strongest: the last one stays.
    for setting in defaults.chain(settings) {
        let origin = setting.origin.clone();
        match apply(&mut loaded, setting) {
            Ok(()) => (),
            Err((key, problem)) => problems.push(Problem { origin, key, problem }),
        }
    }
    problems.extend(contradiction(&loaded));
    let slack = loaded.config.slack.contradictions();
    let wrong = loaded.config.buffer.contradictions().into_iter().chain(slack);
    problems.extend(wrong.map(|(key, problem)| {
        let origin = loaded.origins.get(key).cloned().unwrap_or(Origin::Default);
        Problem { origin, key: key.to_owned(), problem }
    }));
    let (targets, wrong) = loaded.targets.build();
    loaded.config.notify = targets;
    problems.extend(wrong);
    let approved_for = loaded.config.approvals.approved_for;
    let (chains, wrong) = loaded.chains.build(approved_for, &loaded.config.notify);
    loaded.config.chains = chains;
    problems.extend(wrong);
    if problems.is_empty() { Ok(loaded) } else { Err(ConfigError(problems)) }
}

fn apply(loaded: &mut Loaded, setting: Setting) -> Result<(), (String, String)> {
    let path = setting.path.clone();
    match path.split('.').next() {
        Some(CHAINS) => return loaded.chains.apply(setting).map_err(|problem| (path, problem)),
        Some(NOTIFY) => return loaded.targets.apply(setting).map_err(|problem| (path, problem)),
        _ => (),
    }
    let Some(key) = keys::all().find(|key| key.path == setting.path) else {
        let problem = keys::unknown(&setting.path, &setting.origin);
        return Err((setting.path, problem));
    };
    key.slot
        .set(&mut loaded.config, &setting.given)
        .map_err(|problem| (key.path.to_owned(), format!("`{}` {problem}", key.path)))?;
    loaded.origins.insert(key.path, setting.origin);
    Ok(())
}

/// What each value allows and both together do not.
fn contradiction(loaded: &Loaded) -> Option<Problem> {
    let server = &loaded.config.server;
    (!server.listen.ip().is_loopback() && !server.plaintext).then(|| Problem {
        origin: loaded.origins.get("server.listen").cloned().unwrap_or(Origin::Default),
        key: "server.listen".to_owned(),
        problem: format!(
            "`server.listen` = `{}` can be reached from other machines, and this version speaks \
             HTTP without TLS; listen on 127.0.0.1, or set `server.plaintext` = true behind a \
             proxy that encrypts",
            server.listen
        ),
    })
}

#[cfg(test)]
mod tests;
