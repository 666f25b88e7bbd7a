//! A question to the event store, in the words of a URL or of the command line.

use std::str::FromStr;

use gov_core::{AuditEventKind, Timestamp, name::NameError};
use gov_retention::event_store::{EventFilter, MAX_PAGE, Order, PageRequest};

/// How many events are shown to whoever names no limit.
pub const UNASKED_LIMIT: u32 = 50;

/// The parameters there are.
const PARAMETERS: [&str; 9] =
    ["from", "to", "kind", "agent", "session", "team", "order", "limit", "cursor"];

/// One page of the events that fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventQuestion {
    /// Which events.
    pub filter: EventFilter,
    /// Which page of them.
    pub page: PageRequest,
}

/// A parameter that is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{field}` {problem}")]
pub struct QuestionError {
    /// Which parameter; text from outside where it is unknown.
    pub field: String,
    /// What is wrong with it, and what is accepted.
    pub problem: String,
    /// What was given.
    pub received: String,
}

impl Default for EventQuestion {
    /// The newest [`UNASKED_LIMIT`] of all.
    fn default() -> Self {
        let page = PageRequest { order: Order::default(), after: None, limit: UNASKED_LIMIT };
        Self { filter: EventFilter::default(), page }
    }
}

impl EventQuestion {
    /// Reads parameters: each at most once, but `kind`, of which any one may fit.
    ///
    /// # Errors
    ///
    /// [`QuestionError`] for the first that is not accepted.
    pub fn read<'a>(
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, QuestionError> {
        let mut question = Self::default();
        let mut seen = Vec::new();
        for (name, value) in parameters {
            if name != "kind" && seen.contains(&name) {
                return Err(refused(name, "must come once", value));
            }
            seen.push(name);
            question.set(name, value)?;
        }
        Ok(question)
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), QuestionError> {
        let refused = |problem: &dyn std::fmt::Display| refused(name, problem, value);
        let time =
            || value.parse::<Timestamp>().map_err(|it| refused(&format!("is no time: {it}")));
        match name {
            "from" => self.filter.from = Some(time()?),
            "to" => self.filter.to = Some(time()?),
            "kind" => self.filter.kinds.push(kind(value)?),
            "agent" => self.filter.agent_id = Some(named(name, value)?),
            "session" => self.filter.session_id = Some(named(name, value)?),
            "team" => self.filter.team_id = Some(named(name, value)?),
            "order" => {
                self.page.order = match value {
                    "newest" => Order::NewestFirst,
                    "oldest" => Order::OldestFirst,
                    _ => return Err(refused(&"must be `newest` or `oldest`")),
                }
            }
            "limit" => {
                let limit = value.parse().ok().filter(|it| (1..=MAX_PAGE).contains(it));
                let wanted = format!("must be a whole number from 1 to {MAX_PAGE}");
                self.page.limit = limit.ok_or_else(|| refused(&wanted))?;
            }
            "cursor" => {
                let wanted = "must be the `next` of the page before";
                self.page.after = Some(value.parse().map_err(|_| refused(&wanted))?);
            }
            _ => return Err(unknown(name, value)),
        }
        Ok(())
    }
}

/// A kind that this build knows: a misspelt one would find nothing, and look like an answer.
fn kind(value: &str) -> Result<AuditEventKind, QuestionError> {
    if let Some(kind) = AuditEventKind::ALL.iter().find(|it| it.as_str() == value) {
        return Ok(kind.clone());
    }
    let near = near(value, AuditEventKind::ALL.iter().map(AuditEventKind::as_str));
    Err(refused("kind", format!("is no kind of event{near}"), value))
}

fn unknown(name: &str, value: &str) -> QuestionError {
    let shown = gov_core::text::escape(name);
    refused(&shown, format!("is no parameter{}", near(name, PARAMETERS)), value)
}

/// What is near to a word that is not known.
fn near<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    known
        .into_iter()
        .map(|it| (strsim::damerau_levenshtein(word, it), it))
        .min()
        .filter(|(distance, near)| *distance <= near.len() / 3 + 1)
        .map_or_else(String::new, |(_, near)| format!("; did you mean `{near}`?"))
}

fn named<T: FromStr<Err = NameError>>(field: &str, value: &str) -> Result<T, QuestionError> {
    value.parse().map_err(|error| refused(field, format!("is no name: {error}"), value))
}

fn refused(field: &str, problem: impl std::fmt::Display, received: &str) -> QuestionError {
    let received = gov_core::text::escape(received).into_owned();
    QuestionError { field: field.to_owned(), problem: problem.to_string(), received }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_parameter_is_read_and_a_cursor_reads_back() {
        let at = "2026-01-01T00:00:00.000001Z";
        let cursor = "1767225600000001_evt_019b76da80007000800000000000000a";
        let question = EventQuestion::read([
            ("from", at),
            ("to", "2026-01-02T00:00:00.000000Z"),
            ("kind", "action.allowed"),
            ("kind", "action.warned"),
            ("agent", "coder"),
            ("session", "s-1"),
            ("team", "core"),
            ("order", "oldest"),
            ("limit", "1000"),
            ("cursor", cursor),
        ])
        .unwrap();
        let EventFilter { from, to, kinds, agent_id, session_id, team_id } = question.filter;
        assert_eq!(
            (from.unwrap().to_string(), to.unwrap().as_unix_seconds()),
            (at.to_owned(), 1_767_312_000)
        );
        assert_eq!(kinds, [AuditEventKind::ActionAllowed, AuditEventKind::ActionWarned]);
        assert_eq!(agent_id.unwrap().as_str(), "coder");
        assert_eq!((session_id.unwrap().as_str(), team_id.unwrap().as_str()), ("s-1", "core"));
        assert_eq!((question.page.order, question.page.limit), (Order::OldestFirst, 1000));
        assert_eq!(question.page.after.unwrap().to_string(), cursor);
        assert_eq!(EventQuestion::read([]).unwrap(), EventQuestion::default());
    }

    #[test]
    fn what_is_not_accepted_is_named_with_what_is() {
        for (name, value, message) in [
            ("frm", "x", "`frm` is no parameter; did you mean `from`?"),
            ("x", "", "`x` is no parameter"),
            ("from", "yesterday", "`from` is no time: a time must look like"),
            ("to", "2026-01-01", "`to` is no time: a time must look like"),
            ("kind", "action.alowed", "`kind` is no kind of event; did you mean `action.allowed`?"),
            ("agent", "", "`agent` is no name: "),
            ("session", "a\nb", "`session` is no name: "),
            ("order", "up", "`order` must be `newest` or `oldest`"),
            ("limit", "0", "`limit` must be a whole number from 1 to 1000"),
            ("limit", "1001", "`limit` must be a whole number from 1 to 1000"),
            ("cursor", "7", "`cursor` must be the `next` of the page before"),
            ("cursor", "07_evt_019b76da80007000800000000000000a", "`cursor` must be"),
        ] {
            let error = EventQuestion::read([(name, value)]).unwrap_err();
            assert!(error.to_string().starts_with(message), "{error}");
        }
        let twice = EventQuestion::read([("limit", "1"), ("limit", "2")]).unwrap_err();
        assert_eq!(twice.to_string(), "`limit` must come once");
    }
}
