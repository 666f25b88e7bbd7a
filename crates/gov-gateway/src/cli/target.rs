//! What a command works on: a running server, or the files.

use clap::Args;
use gov_core::text;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{Exit, Failure, Places, console};
use crate::{
    audit_buffer::Items,
    client::{Client, ClientError, Patience, Reply, Token, problem::Problem},
    logged::{Changed, Durability},
    offline,
    registry::List,
};

/// Where a command works and how it answers: the flags that all of them share.
///
/// The server that `GOV_URL` names (asked with an admin's `GOV_TOKEN`), else the files, which are
/// changed only while no server runs on them.
#[derive(Debug, Args)]
pub struct Target {
    #[command(flatten)]
    pub(super) places: Places,
    /// Print JSON.
    #[arg(long)]
    pub(super) json: bool,
}

impl Target {
    /// The server to ask; `None` for the files. Flags that name files win over the environment.
    pub(super) fn server(&self) -> Result<Option<Client>, Failure> {
        server(&self.places)
    }

    /// Prints a change as JSON, or as `text` says it.
    pub(super) fn print<T: Serialize>(
        &self,
        changed: &Changed<T>,
        text: impl Fn(&Changed<T>) -> String,
    ) -> Result<(), Failure> {
        if self.json {
            return json_line(changed);
        }
        console::line(&text(changed))?;
        // Where no server was asked, everyone knows that none has logged it.
        let asked = self.server()?.is_some();
        if asked && changed.record.durability == Durability::Pending {
            let id = changed.record.id;
            console::line(&format!("made, and not yet in the signed log: {id} follows"))?;
        }
        Ok(())
    }

    /// Prints a list as JSON, or a line an item.
    pub(super) fn print_list<T: Serialize>(
        &self,
        list: &List<T>,
        row: impl Fn(&T) -> String,
        if_empty: &str,
    ) -> Result<(), Failure> {
        if self.json {
            return json_line(list);
        }
        if list.items.is_empty() {
            return console::line(if_empty);
        }
        list.items.iter().try_for_each(|it| console::line(&row(it)))
    }
}

/// The server to ask; `None` for the files. Flags that name files win over the environment.
pub(super) fn server(places: &Places) -> Result<Option<Client>, Failure> {
    let url = std::env::var("GOV_URL").ok().filter(|_| !places.name_files());
    let Some(url) = url else { return Ok(None) };
    let usage = |error| Failure::of(Exit::Usage, error);
    let token = Token::find(None)
        .map_err(|it| usage(Box::<dyn std::error::Error + Send + Sync>::from(it)))?;
    Client::new(&url, token.as_ref(), Patience::default()).map(Some).map_err(|it| usage(it.into()))
}

/// JSON over several lines for people: what a text holds of line feeds stays in its quotes.
pub(super) fn block(value: &Value) -> String {
    // A value that was read is written.
    let pretty = serde_json::to_string_pretty(value).unwrap_or_default();
    let lines: Vec<_> = pretty.lines().map(|it| format!("\n  {}", text::escape(it))).collect();
    lines.concat()
}

/// Prints a value as JSON on one line.
pub(super) fn json_line(value: &impl Serialize) -> Result<(), Failure> {
    let text = serde_json::to_string(value)
        .map_err(|error| Failure::because(Exit::NotJudged, "the answer is no JSON", error))?;
    console::line(&text)
}

/// As [`ask`], where a field that is not accepted is a judgement of what the user wrote.
pub(super) fn judged<T: DeserializeOwned>(
    call: impl Future<Output = Result<Reply, ClientError>>,
) -> Result<T, Failure> {
    let mut status = 0;
    let call = async {
        let reply = call.await?;
        status = reply.status;
        Ok(reply)
    };
    ask(call).map_err(|failure| if status == 422 { failure.judged_no() } else { failure })
}

/// Waits for a server's answer and reads it.
pub(super) fn ask<T: DeserializeOwned>(
    call: impl Future<Output = Result<Reply, ClientError>>,
) -> Result<T, Failure> {
    read(offline::block_on(call)?)
}

/// At most `limit` items of a server's list at `path`, which gives at most `most` at once.
pub(super) fn pages<T: DeserializeOwned>(
    server: &Client,
    path: &str,
    limit: u64,
    most: u64,
) -> Result<Vec<T>, Failure> {
    let mut items: Vec<T> = Vec::new();
    let mut next: Option<String> = None;
    loop {
        let left = limit.saturating_sub(items.len() as u64).min(most);
        if left == 0 {
            return Ok(items);
        }
        let cursor = next.map(|it| format!("&cursor={it}")).unwrap_or_default();
        let page: Items<T> = ask(server.get(&format!("{path}?limit={left}{cursor}")))?;
        items.extend(page.items);
        next = page.next;
        if next.is_none() {
            return Ok(items);
        }
    }
}

/// Reads a server's answer.
pub(super) fn read<T: DeserializeOwned>(reply: Result<Reply, ClientError>) -> Result<T, Failure> {
    let reply = reply.map_err(|it| Failure::of(Exit::Unreachable, it))?;
    match reply.status {
        200..300 => serde_json::from_slice(&reply.body)
            .map_err(|it| Failure::because(Exit::NotJudged, "the answer is not ours", it)),
        500.. => Err(Failure::new(Exit::NotJudged, Problem::of(&reply).to_string())),
        _ => Err(Failure::new(Exit::Usage, Problem::of(&reply).to_string())),
    }
}
