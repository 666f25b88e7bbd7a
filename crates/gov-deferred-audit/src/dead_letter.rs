//! What the log did not take: kept whole, seen by a person, handed in again or given up.
//!
//! ```text
//!             the log refuses ─▶ table ──replay──▶ log (same id, time and salt: same leaf)
//!                                ▲   └──discard─▶ a record that says so, in the same transaction
//! no sink takes it ─▶ quarantine ┘
//! ```
//!
//! Each step is one transaction, so a record is never in two places and never in none. The queue's
//! balance counts what became of a submit, once: a letter stays `dead_lettered` there, also when it
//! enters the log later. What the log holds and what lies here is counted by the log.
//!
//! Start reading at [`DeadLetters`]; [`SignedLog`](crate::SignedLog) does the work on its table.

use std::{fmt, path::PathBuf, str::FromStr};

use gov_core::{
    ActionDigest, Payload, RecordId, Timestamp,
    canonical::{self, CanonicalError},
    hex::Hex,
};
use serde_json::json;

use crate::{
    record::{LogRecord, TooLarge, Verdict},
    signed_log::ReadLogError,
};

mod at_rest;
mod desk;
pub(crate) mod quarantine;

#[cfg(feature = "sqlite")]
pub use self::at_rest::{find_dead_letter, list_dead_letters};
#[cfg(feature = "postgres")]
pub use self::at_rest::{find_dead_letter_postgres, list_dead_letters_postgres};
pub use self::desk::{AtStart, DeadLetters};

/// A page holds no further letter once its payloads have reached so many bytes.
pub const PAGE_BYTES: u64 = 8 * 1024 * 1024;

/// The longest `by` and the longest `reason` of a discard, in bytes.
pub const MAX_DISCARD_TEXT_BYTES: usize = 1024;

/// One record that the log did not take, part for part as it is kept.
///
/// The parts are as wide as what may be wrong with them; [`record`](Self::record) gives the record
/// if they make one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetter {
    /// Names the record.
    pub id: RecordId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub kind: String,
    /// The agent concerned.
    pub agent_id: Option<String>,
    /// The agent's session.
    pub session_id: Option<String>,
    /// The policy version that decided, in decimal.
    pub policy_version: Option<String>,
    /// The action's `kind` tag.
    pub action_kind: Option<String>,
    /// Stands for the action: 32 bytes.
    pub digest: Option<Vec<u8>>,
    /// What was decided.
    pub decision: Option<String>,
    /// The policy that decided.
    pub rule_id: Option<String>,
    /// Why it was decided so.
    pub reason: Option<String>,
    /// Everything else, with its salt.
    pub payload: Payload,
    /// Why the log did not take it, when it was asked last.
    pub why: String,
    /// Since when it lies here.
    pub dead_at: Timestamp,
    /// Where.
    pub lies: Lies,
}

/// Where a dead letter lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lies {
    /// In the log's dead-letter table.
    Table,
    /// In a file of the queue's quarantine directory, until the table takes it in.
    Quarantine,
}

/// A place in the order of death: a page begins behind one.
///
/// Its text is `<microseconds since 1970>.<record id>`, fit for a URL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LetterPlace {
    /// Since when the letter lies there.
    pub dead_at: Timestamp,
    /// Which letter.
    pub id: RecordId,
}

/// The text is no [`LetterPlace`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a place among the dead letters must look like `1767225600000000.rec_<32 hex digits>`")]
pub struct ParsePlaceError;

/// A part of a dead letter cannot be a part of a record, so no replay helps: discard it, or run a
/// build that knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` of the dead letter is nothing that a record of this build can have")]
pub struct NotARecord {
    /// Which part.
    pub field: &'static str,
}

/// What became of some dead letters that were handed in again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[must_use]
pub struct Replayed {
    /// In the log now, with the sequence number; also what was there already.
    pub appended: Vec<(RecordId, u64)>,
    /// Still dead, with the reason of now.
    pub still_dead: Vec<(RecordId, String)>,
    /// Behind the last that was looked at; `None` if there was none to look at.
    pub next: Option<LetterPlace>,
}

/// A dead letter was given up, and the log says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Discarded {
    /// The record that says so: always the same for the same letter.
    pub record: RecordId,
    /// Its sequence number in the log.
    pub seq: u64,
}

/// Nothing was done to a dead letter, by what to do next.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DeadLetterError {
    /// Neither the dead letters nor the log know the id: list them and correct it.
    #[error("`{id}` is neither a dead letter nor in the log")]
    NotFound {
        /// The id that was asked for.
        id: RecordId,
    },
    /// The record is where it belongs: there is nothing to discard.
    #[error("`{id}` is no dead letter: it is record {seq} of epoch {epoch}")]
    InTheLog {
        /// The id that was asked for.
        id: RecordId,
        /// Its epoch.
        epoch: u64,
        /// Its sequence number.
        seq: u64,
    },
    /// `reason` is empty: say why the record may be given up.
    #[error("`reason` must not be empty: it is all that is left of the record")]
    NoReason,
    /// `by` or `reason` is too long: shorten it.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The log does not take the record of the discarding; the letter stays. Mend the cause.
    #[error("the log does not take the record that says so: {why}")]
    Refused {
        /// What it says.
        why: String,
    },
    /// A file of the quarantine cannot be read or removed: mend that, and try again.
    #[error("cannot use `{}` in the quarantine", path.display())]
    Quarantine {
        /// The file, or the directory.
        path: PathBuf,
        /// What the file system says.
        source: std::io::Error,
    },
    /// The log cannot be read or written now: try again.
    #[error(transparent)]
    Log(#[from] ReadLogError),
}

impl DeadLetter {
    /// The letter of `record`.
    pub(crate) fn of(record: LogRecord, why: String, dead_at: Timestamp, lies: Lies) -> Self {
        let LogRecord { id, at, kind, agent_id, session_id, policy_version, verdict, payload } =
            record;
        let (action_kind, digest, decision, rule_id, reason) = match verdict {
            None => (None, None, None, None, None),
            Some(it) => (
                Some(it.action_kind),
                Some(it.digest.as_bytes().to_vec()),
                Some(it.decision),
                it.rule_id.map(|it| it.to_string()),
                it.reason,
            ),
        };
        Self {
            id,
            at,
            kind: kind.as_str().to_owned(),
            agent_id: agent_id.map(|it| it.to_string()),
            session_id: session_id.map(|it| it.to_string()),
            policy_version: policy_version.map(|it| it.to_string()),
            action_kind,
            digest,
            decision,
            rule_id,
            reason,
            payload,
            why,
            dead_at,
            lies,
        }
    }

    /// Its place in the order of death.
    #[must_use]
    pub fn place(&self) -> LetterPlace {
        LetterPlace { dead_at: self.dead_at, id: self.id }
    }

    /// The record, with the id, time and salt that it was submitted with.
    ///
    /// # Errors
    ///
    /// [`NotARecord`] with the first part that is wrong.
    pub fn record(&self) -> Result<LogRecord, NotARecord> {
        let verdict = match (&self.action_kind, &self.digest, &self.decision) {
            (None, None, None) => None,
            (Some(action_kind), Some(digest), Some(decision)) => Some(Verdict {
                action_kind: action_kind.clone(),
                digest: <[u8; 32]>::try_from(digest.as_slice())
                    .map(ActionDigest::from_bytes)
                    .map_err(|_| NotARecord { field: "digest" })?,
                decision: decision.clone(),
                rule_id: part(self.rule_id.as_deref(), "rule_id")?,
                reason: self.reason.clone(),
            }),
            _ => return Err(NotARecord { field: "decision" }),
        };
        Ok(LogRecord {
            id: self.id,
            at: self.at,
            kind: self.kind.parse().map_err(|_| NotARecord { field: "kind" })?,
            agent_id: part(self.agent_id.as_deref(), "agent_id")?,
            session_id: part(self.session_id.as_deref(), "session_id")?,
            policy_version: part(self.policy_version.as_deref(), "policy_version")?,
            verdict,
            payload: self.payload.clone(),
        })
    }

    /// Stands for all that is given up with this letter: SHA-256 of the JCS object of its parts,
    /// named as here, with `payload_commit` for the payload, so that nobody can guess a short one.
    ///
    /// # Errors
    ///
    /// [`CanonicalError`] never happens: all parts are text.
    pub fn content_digest(&self) -> Result<[u8; 32], CanonicalError> {
        let content = json!({
            "action_kind": self.action_kind,
            "agent_id": self.agent_id,
            "at": self.at,
            "decision": self.decision,
            "digest": self.digest.as_ref().map(|it| Hex(it).to_string()),
            "id": self.id,
            "kind": self.kind,
            "payload_commit": Hex(&self.payload.commit()).to_string(),
            "policy_version": self.policy_version,
            "reason": self.reason,
            "rule_id": self.rule_id,
            "session_id": self.session_id,
        });
        Ok(canonical::sha256(&canonical::to_bytes(&content)?))
    }

    /// The id of the record that says that this letter was given up.
    #[must_use]
    pub fn discarded_as(id: RecordId) -> RecordId {
        RecordId::derived("audit_log_dead_letter_discarded", &id.to_string())
    }
}

fn part<T: FromStr>(text: Option<&str>, field: &'static str) -> Result<Option<T>, NotARecord> {
    text.map(str::parse).transpose().map_err(|_| NotARecord { field })
}

impl fmt::Display for LetterPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.dead_at.as_micros(), self.id)
    }
}

impl FromStr for LetterPlace {
    type Err = ParsePlaceError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (micros, id) = text.split_once('.').ok_or(ParsePlaceError)?;
        let micros = micros.parse().map_err(|_| ParsePlaceError)?;
        let dead_at = Timestamp::from_micros(micros).ok_or(ParsePlaceError)?;
        Ok(Self { dead_at, id: id.parse().map_err(|_| ParsePlaceError)? })
    }
}
