//! `gov audit events`: what happened, over HTTP while a server runs, else on the files.

use clap::Args;
use gov_core::{Clock as _, SystemClock, Timestamp, text};
use gov_retention::event_store::MAX_PAGE;

use crate::{
    cli::{
        Exit, Failure, Outcome, console,
        target::{Target, json_line},
    },
    config::span,
    events::{EventQuestion, EventView, QuestionError},
    offline,
};

mod follow;
mod source;

use self::source::Source;

/// How much of a payload a line shows, in characters.
const SHOWN: usize = 160;

/// What happened: allowed and warned actions, and everything that the signed log holds.
///
/// A line for each event, or with `--json` an object a line; the newest first.
#[derive(Debug, Args)]
pub struct Events {
    /// From this time on: `2026-01-01T00:00:00.000000Z`, or a span such as `15m` for so long ago.
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// Before this time.
    #[arg(long, value_name = "TIME")]
    to: Option<String>,
    /// Of this kind, such as `action.refused`; of any of them, where it is given more than once.
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// Of this agent.
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    /// Of this session.
    #[arg(long, value_name = "ID")]
    session: Option<String>,
    /// Of this team.
    #[arg(long, value_name = "ID")]
    team: Option<String>,
    /// At most so many; with `--follow` so many before those that come.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    limit: u64,
    /// The oldest first.
    #[arg(long)]
    oldest_first: bool,
    /// Go on with what comes, the newest last, until Ctrl-C; of a running server only.
    ///
    /// It looks once a second. What reaches the store more than 30 seconds, or 10 000 events,
    /// behind a later event is not shown: ask for it without `--follow`.
    #[arg(long, conflicts_with_all = ["oldest_first", "to"])]
    follow: bool,
    #[command(flatten)]
    at: Target,
}

/// Parameters of one question, as the door knows them.
type Parameters = Vec<(&'static str, String)>;

impl Events {
    pub(super) fn run(self) -> Outcome {
        let parameters = self.parameters(SystemClock.now());
        // A mistake is told in the words of the flags, before anybody is asked.
        EventQuestion::read(parameters.iter().map(|(name, value)| (*name, &**value)))?;
        let server = self.at.server()?;
        if self.follow && server.is_none() {
            let what = "`--follow` needs a running server: set GOV_URL and GOV_TOKEN";
            return Err(Failure::new(Exit::Usage, what));
        }
        offline::block_on(async {
            let source = Source::open(server, &self.at.places).await?;
            let done = if self.follow {
                follow::run(&self, &source, &parameters).await
            } else {
                self.list(&source, &parameters).await
            };
            source.close().await;
            done.map(|()| Exit::Yes)
        })?
    }

    async fn list(&self, source: &Source, parameters: &Parameters) -> Result<(), Failure> {
        let order = if self.oldest_first { "oldest" } else { "newest" };
        let mut shown = 0;
        let mut pages = Pages::new(parameters, order, self.limit);
        while let Some(page) = pages.next(source).await? {
            shown += page.len();
            page.iter().try_for_each(|it| self.show(it))?;
        }
        if shown == 0 && !self.at.json {
            console::line("no event fits")?;
        }
        Ok(())
    }

    fn show(&self, event: &EventView) -> Result<(), Failure> {
        if self.at.json { json_line(event) } else { console::line(&row(event)) }
    }

    fn parameters(&self, now: Timestamp) -> Parameters {
        let time = |text: &String| time(text, now);
        let flags = [
            ("from", self.from.as_ref().map(time)),
            ("to", self.to.as_ref().map(time)),
            ("agent", self.agent.clone()),
            ("session", self.session.clone()),
            ("team", self.team.clone()),
        ];
        let given = flags.into_iter().filter_map(|(name, value)| value.map(|it| (name, it)));
        given.chain(self.kind.iter().map(|it| ("kind", it.clone()))).collect()
    }
}

/// Page after page, until there are enough events.
struct Pages<'a> {
    parameters: &'a Parameters,
    order: &'static str,
    left: u64,
    cursor: Option<String>,
}

impl<'a> Pages<'a> {
    fn new(parameters: &'a Parameters, order: &'static str, limit: u64) -> Self {
        Self { parameters, order, left: limit, cursor: None }
    }

    /// The next page; `None` after the last. In memory there is one at a time.
    async fn next(&mut self, source: &Source) -> Result<Option<Vec<EventView>>, Failure> {
        if self.left == 0 {
            return Ok(None);
        }
        let mut parameters = self.parameters.clone();
        parameters.push(("order", self.order.to_owned()));
        parameters.push(("limit", self.left.min(MAX_PAGE.into()).to_string()));
        parameters.extend(self.cursor.take().map(|it| ("cursor", it)));
        let page = source.page(&parameters).await?;
        self.left = match page.next {
            Some(_) => self.left.saturating_sub(page.items.len() as u64),
            None => 0,
        };
        self.cursor = page.next;
        Ok(Some(page.items))
    }
}

/// A time as it is, or a span as the time so long ago; anything else is judged as a time.
fn time(text: &str, now: Timestamp) -> String {
    let Some(span) = span::parse(text) else { return text.to_owned() };
    let micros = i64::try_from(span.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros_clamped(now.as_micros().saturating_sub(micros)).to_string()
}

/// One line; what could deceive a terminal is escaped.
fn row(event: &EventView) -> String {
    let payload = event.payload.get();
    let cut = payload.char_indices().nth(SHOWN).and_then(|(end, _)| payload.get(..end));
    let (payload, more) = cut.map_or((payload, ""), |it| (it, "…"));
    let agent = event.agent_id.as_ref().map_or("-", |it| it.as_str());
    let subjects = ["rule_id", "approval_id", "record_id"].iter().filter_map(|key| {
        let value = event.subjects.get(*key)?;
        Some(format!("  {key}={}", text::escape(value)))
    });
    format!(
        "{}  {:18}  {}{}  {}{more}",
        event.at,
        text::escape(event.kind.as_str()),
        text::escape(agent),
        subjects.collect::<String>(),
        text::escape(payload)
    )
}

impl From<QuestionError> for Failure {
    fn from(error: QuestionError) -> Self {
        let QuestionError { field, problem, received } = error;
        Self::new(Exit::Usage, format!("`--{field}` {problem}; received `{received}`"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_the_time_so_long_ago() {
        let now: Timestamp = "2026-01-01T00:15:00.000000Z".parse().unwrap();
        assert_eq!(time("15m", now), "2026-01-01T00:00:00.000000Z");
        for text in ["yesterday", "2026-01-01T00:00:00.000000Z"] {
            assert_eq!(time(text, now), text);
        }
        assert_eq!(time("99999999d", now), Timestamp::UNIX_EPOCH.to_string());
    }

    #[test]
    fn a_row_is_one_line_whatever_the_event_says() {
        let event: EventView = serde_json::from_value(serde_json::json!({
            "id": "evt_019b76da80007000800000000000000a", "at": "2026-01-01T00:00:00.000000Z",
            "kind": "action.refused", "agent_id": "coder", "session_id": null, "team_id": null,
            "subjects": {"rule_id": "no-\u{202e}rm", "seq": "7"},
            "payload": {"command": "x".repeat(200)},
        }))
        .unwrap();
        let row = row(&event);
        assert!(
            row.starts_with("2026-01-01T00:00:00.000000Z  action.refused      coder  "),
            "{row}"
        );
        assert!(row.contains("rule_id=no-\\u{202e}rm") && !row.contains("seq"), "{row}");
        assert!(row.ends_with("xxx…"), "{row}");
    }
}
