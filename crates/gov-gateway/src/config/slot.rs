//! The types of values: what each accepts, and how it is written.

use std::{fmt, net::SocketAddr, path::PathBuf, time::Duration};

use super::{Backend, Config, Given, SeatsDraft, seats, span};

/// The type of a value, its limits, and where it lives in `T`.
pub enum Slot<T = Config> {
    /// An IP address and a port.
    Address(fn(&mut T) -> &mut SocketAddr),
    /// True or false.
    Switch(fn(&mut T) -> &mut bool),
    /// A whole number.
    Count {
        /// Where it lives.
        at: fn(&mut T) -> &mut u64,
        /// The smallest value.
        min: u64,
        /// The largest value.
        max: u64,
    },
    /// A span of time.
    Span {
        /// Where it lives.
        at: fn(&mut T) -> &mut Duration,
        /// The shortest span.
        min: Duration,
        /// The longest span.
        max: Duration,
    },
    /// A text; empty is not set.
    Text(fn(&mut T) -> &mut Option<String>),
    /// A path; empty is not set.
    Path(fn(&mut T) -> &mut Option<PathBuf>),
    /// A list of texts; in the environment separated by commas.
    List(fn(&mut T) -> &mut Vec<String>),
    /// Any of some words; in the environment separated by commas.
    Words {
        /// Where they live.
        at: fn(&mut T) -> &mut Vec<String>,
        /// All that there are.
        all: &'static [&'static str],
    },
    /// How many people of which roles.
    Seats(fn(&mut T) -> &mut Vec<SeatsDraft>),
    /// One of some words.
    Choice(fn(&mut T) -> &mut dyn Choose),
    /// A database.
    Database(fn(&mut T) -> &mut Backend),
}

impl<T: Clone + Default> fmt::Debug for Slot<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.type_text())
    }
}

impl<T: Clone + Default> Slot<T> {
    /// The type and its limits, for people.
    #[must_use]
    pub fn type_text(&self) -> String {
        match self {
            Self::Address(_) => "address and port".to_owned(),
            Self::Switch(_) => "true or false".to_owned(),
            Self::Count { min, max, .. } => format!("whole number from {min} to {max}"),
            Self::Span { min, max, .. } => {
                format!("span from {} to {}", span::show(*min), span::show(*max))
            }
            Self::Text(_) => "text".to_owned(),
            Self::Path(_) => "path".to_owned(),
            Self::List(_) => "list of texts".to_owned(),
            Self::Words { all, .. } => format!("list of {}", either(all)),
            Self::Seats(_) => "list of tables".to_owned(),
            Self::Choice(at) => either(at(&mut T::default()).words()),
            Self::Database(_) => Backend::WANTED.to_owned(),
        }
    }

    /// A default of the table as it would have been given.
    pub(super) fn default_given(&self, text: &str) -> Given {
        match self {
            Self::List(_) | Self::Words { .. } | Self::Seats(_) if text.is_empty() => {
                Given::List(Vec::new())
            }
            _ => Given::Text(text.to_owned()),
        }
    }

    /// Sets the value; the error says what is accepted and what was received.
    pub(super) fn set(&self, config: &mut T, given: &Given) -> Result<(), String> {
        let wanted = |received: &dyn fmt::Display| {
            format!("must be {}; received `{received}`", self.wanted())
        };
        if let Self::List(at) | Self::Words { at, .. } = self {
            let texts: Vec<_> = match given {
                Given::List(texts) => texts.clone(),
                Given::Text(text) => text
                    .split(',')
                    .map(|it| it.trim().to_owned())
                    .filter(|it| !it.is_empty())
                    .collect(),
                _ => return Err(wanted(given)),
            };
            if let Self::Words { all, .. } = self
                && let Some(other) = texts.iter().find(|it| !all.contains(&it.as_str()))
            {
                return Err(wanted(other));
            }
            *at(config) = texts;
            return Ok(());
        }
        if let Self::Seats(at) = self {
            *at(config) = seats::read(given)?;
            return Ok(());
        }
        let text = match (self, given) {
            (_, Given::Text(text)) => text.clone(),
            (Self::Switch(_), Given::Switch(value)) => value.to_string(),
            (Self::Count { .. }, Given::Number(number)) => number.clone(),
            _ => return Err(wanted(given)),
        };
        match self {
            Self::Address(at) => *at(config) = text.parse().map_err(|_| wanted(&text))?,
            Self::Switch(at) => *at(config) = text.parse().map_err(|_| wanted(&text))?,
            Self::Count { at, min, max } => {
                let number = text.parse().ok().filter(|it| (min..=max).contains(&it));
                *at(config) = number.ok_or_else(|| wanted(&text))?;
            }
            Self::Span { at, min, max } => {
                let span = span::parse(&text).filter(|it| (min..=max).contains(&it));
                *at(config) = span.ok_or_else(|| wanted(&text))?;
            }
            Self::Text(at) => *at(config) = (!text.is_empty()).then_some(text),
            Self::Path(at) => *at(config) = (!text.is_empty()).then(|| text.into()),
            Self::Choice(at) => {
                if !at(config).choose(&text) {
                    return Err(wanted(&text));
                }
            }
            Self::Database(at) => *at(config) = Backend::read(&text)?,
            // Handled above.
            Self::List(_) | Self::Words { .. } | Self::Seats(_) => (),
        }
        Ok(())
    }

    fn wanted(&self) -> String {
        match self {
            Self::Address(_) => "an IP address and a port, such as `127.0.0.1:7180`".to_owned(),
            Self::Span { .. } => format!("a {}, such as `15m`", self.type_text()),
            Self::Count { .. }
            | Self::Text(_)
            | Self::Path(_)
            | Self::List(_)
            | Self::Words { .. } => format!("a {}", self.type_text()),
            Self::Seats(_) => format!("a {}", seats::WANTED),
            Self::Switch(_) | Self::Choice(_) | Self::Database(_) => self.type_text(),
        }
    }

    /// The effective value as it would be written in the file.
    pub(super) fn show(&self, config: &T) -> String {
        // The accessors borrow mutably, so they work on a copy.
        let config = &mut config.clone();
        let quoted = |text: &dyn fmt::Display| toml::Value::String(text.to_string()).to_string();
        match self {
            Self::Address(at) => quoted(at(config)),
            Self::Switch(at) => at(config).to_string(),
            Self::Count { at, .. } => at(config).to_string(),
            Self::Span { at, .. } => quoted(&span::show(*at(config))),
            Self::Text(at) => quoted(&at(config).as_deref().unwrap_or_default()),
            Self::Path(at) => match at(config) {
                Some(path) => quoted(&path.display()),
                None => quoted(&""),
            },
            Self::List(at) | Self::Words { at, .. } => {
                toml::Value::Array(at(config).iter().cloned().map(Into::into).collect()).to_string()
            }
            Self::Seats(at) => seats::show(at(config)),
            Self::Choice(at) => quoted(&at(config).word()),
            Self::Database(at) => quoted(at(config)),
        }
    }
}

fn either(words: &[&str]) -> String {
    words.iter().map(|it| format!("`{it}`")).collect::<Vec<_>>().join(" or ")
}

/// A value that is one of some words.
pub trait Choose {
    /// All of them.
    fn words(&self) -> &'static [&'static str];
    /// The chosen one.
    fn word(&self) -> &'static str;
    /// Takes the one that is called so; `false` if there is none.
    fn choose(&mut self, word: &str) -> bool;
}

macro_rules! choices {
    ($($(#[$doc:meta])* $name:ident {
        $($(#[$variant_doc:meta])* $variant:ident => $word:literal,)*
    })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub enum $name { $($(#[$variant_doc])* $variant,)* }

        impl Choose for $name {
            fn words(&self) -> &'static [&'static str] {
                &[$($word),*]
            }

            fn word(&self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }

            fn choose(&mut self, word: &str) -> bool {
                match word {
                    $($word => *self = Self::$variant,)*
                    _ => return false,
                }
                true
            }
        }
    )*};
}

choices! {
    /// What the answer to a refused action waits for.
    RefusalDurability {
        /// Until the record is fsynced in the log.
        #[default]
        Durable => "durable",
        /// Until the record is in the kernel's hands.
        Spooled => "spooled",
    }
    /// What the answers about approvals wait for, beside their commit.
    ApprovalDurability {
        /// Until the change is fsynced in the signed log too.
        #[default]
        Durable => "durable",
        /// For nothing else: the log has it soon.
        Spooled => "spooled",
    }
    /// What it means when nobody has answered within a chain's time-out.
    Silence {
        /// No.
        #[default]
        Deny => "deny",
        /// It stays open, without a clock.
        Park => "park",
        /// Yes.
        Allow => "allow",
    }
    /// What becomes of a rung whose time went by while nobody looked at the clock.
    Lateness {
        /// It is passed over.
        #[default]
        SkipToCurrent => "skip_to_current",
        /// It is told all the same.
        FireAll => "fire_all",
    }
    /// What a target of messages understands.
    NotifyKind {
        /// Signed requests of Standard Webhooks.
        #[default]
        Webhook => "webhook",
        /// Blocks for an incoming webhook of Slack.
        Slack => "slack",
    }
    /// What an approval is good for.
    Binding {
        /// The same action of the same agent.
        #[default]
        Action => "action",
        /// And in the same session.
        Session => "session",
    }
    /// Where audit events go.
    SinkKind {
        /// Nowhere: the event store has them at once, without a buffer.
        #[default]
        None => "none",
        /// Into a stream of NATS JetStream.
        Nats => "nats",
        /// To a server, over HTTP.
        Http => "http",
        /// Into a file, one event a line.
        JsonLines => "json-lines",
        /// Into the event store, which may be away for a while.
        EventStore => "event-store",
    }
    /// How events are written for a server.
    HttpFormat {
        /// A batch of `CloudEvents`.
        #[default]
        Webhook => "webhook",
        /// OTLP logs in JSON.
        Otlp => "otlp",
    }
    /// What becomes of an event for which the buffer has no room.
    Overflow {
        /// It is not taken.
        #[default]
        Reject => "reject",
        /// Its answer waits a while for room.
        Block => "block",
        /// The oldest one of an allowed action goes instead.
        DropOldest => "drop_oldest",
    }
    /// The least important messages that are written.
    LogLevel {
        /// Only what failed.
        Error => "error",
        /// And what may fail.
        Warn => "warn",
        /// And what happens seldom.
        #[default]
        Info => "info",
        /// And what happens often.
        Debug => "debug",
        /// Everything.
        Trace => "trace",
    }
    /// How messages are written.
    LogFormat {
        /// A line for people.
        #[default]
        Text => "text",
        /// A JSON object a line.
        Json => "json",
    }
}
