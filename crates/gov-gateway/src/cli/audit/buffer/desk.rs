//! Who is asked about the buffer: a server, or the file.

use std::{path::PathBuf, sync::Arc};

use gov_audit_buffer::{
    AppendError, BufferConfig, EventBuffer,
    at_rest::{self, AtRestError},
    buffer::{BufferError, Letters, OpenBufferError},
};
use gov_core::{EventId, SystemClock};
use gov_store::{
    lock::{DataDirLock, LockError},
    sqlite::OpenError,
};
use serde_json::json;

use crate::{
    audit_buffer::{BufferLetterView, BufferView, DoneView, Items, MAX_LIMIT, WaitingView},
    cli::{
        Exit, Failure, console,
        target::{self, Target},
    },
    client::Client,
    data_dir::{DataDir, node_name},
    offline,
    server::{StartError, buffer_config},
};

const UNREAD: &str = "the audit buffer cannot be read; a damaged one is set aside by the next \
                      start, and `gov audit buffer salvage` reads what is left of it";

const SET_ASIDE: &str = "gov: the audit buffer was damaged, and is set aside as \
                         `audit-buffer.db.corrupt-…`; `gov audit buffer salvage` reads what is \
                         left of it";

/// A server or the file.
pub(super) enum Desk {
    Server(Client),
    File(Box<File>),
}

/// The buffer of a data directory.
pub(super) struct File {
    dir: DataDir,
    config: BufferConfig,
}

impl Desk {
    /// The server that the environment names, unless flags name files.
    pub(super) fn of(target: &Target) -> Result<Self, Failure> {
        match target.server()? {
            Some(server) => Ok(Self::Server(server)),
            None => File::find(target).map(|it| Self::File(Box::new(it))),
        }
    }

    /// How it stands.
    pub(super) fn status(&self) -> Result<BufferView, Failure> {
        match self {
            Self::Server(server) => target::ask(server.get("/v1/audit/buffer")),
            Self::File(file) => {
                Ok(BufferView::from(&at_rest::status(&file.path()?).map_err(unread)?))
            }
        }
    }

    /// At most `limit` events from the front.
    pub(super) fn peek(&self, limit: u64) -> Result<Vec<WaitingView>, Failure> {
        match self {
            Self::Server(server) => {
                let limit = limit.min(MAX_LIMIT);
                let path = format!("/v1/audit/buffer/events?limit={limit}");
                let page: Items<WaitingView> = target::ask(server.get(&path))?;
                Ok(page.items)
            }
            Self::File(file) => {
                let waiting = at_rest::peek(&file.path()?, count(limit)).map_err(unread)?;
                Ok(waiting.into_iter().map(WaitingView::from).collect())
            }
        }
    }

    /// At most `limit` dead letters, the longest dead first.
    pub(super) fn dead_letters(&self, limit: u64) -> Result<Vec<BufferLetterView>, Failure> {
        match self {
            Self::Server(server) => {
                target::pages(server, "/v1/audit/buffer/dead-letters", limit, MAX_LIMIT)
            }
            Self::File(file) => {
                let letters = at_rest::dead_letters(&file.path()?, 0, count(limit));
                let letters = letters.map_err(unread)?;
                Ok(letters.into_iter().map(BufferLetterView::from).collect())
            }
        }
    }

    /// Sends `ids`, or all that there are, once more, and gives how many.
    pub(super) fn replay(&self, ids: Option<&[EventId]>) -> Result<u64, Failure> {
        match self {
            Self::Server(server) => change(server, "replay", ids),
            Self::File(file) => file.on_buffer(ask_it, async |buffer| {
                buffer.replay_dead_letters(letters(ids)).await.map_err(not_taken)
            }),
        }
    }

    /// Gives `ids`, or all that there are, up, and gives how many.
    pub(super) fn discard(&self, ids: Option<&[EventId]>) -> Result<u64, Failure> {
        match self {
            Self::Server(server) => change(server, "discard", ids),
            Self::File(file) => file.on_buffer(ask_it, async |buffer| {
                buffer.discard_dead_letters(letters(ids)).await.map_err(unmoved)
            }),
        }
    }
}

impl File {
    /// The directory, which must exist, and how its server keeps the buffer.
    pub(super) fn find(target: &Target) -> Result<Self, Failure> {
        let config = target.places.load(&[])?.config;
        let dir = DataDir::open(&target.places.data_dir()?)?;
        let node = node_name::load_or_create(config.server.node.as_deref(), &dir.node_name());
        let node = node.map_err(StartError::from)?;
        Ok(Self { config: buffer_config(&config.buffer, &node), dir })
    }

    /// The file, which is there.
    fn path(&self) -> Result<PathBuf, Failure> {
        let path = self.dir.audit_buffer();
        if path.exists() {
            return Ok(path);
        }
        let what =
            "the data directory holds no audit buffer; a server with a `buffer.sink` makes it";
        Err(Failure::new(Exit::Unreachable, what))
    }

    /// Runs `work` on the buffer while no server runs; one that does is `in_use`.
    pub(super) fn on_buffer<T>(
        &self,
        in_use: impl FnOnce(LockError) -> Failure,
        work: impl AsyncFnOnce(&EventBuffer) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let path = self.path()?;
        let lock = DataDirLock::acquire(self.dir.path()).map_err(in_use)?;
        let opened = EventBuffer::open(&path, self.config.clone(), Arc::new(SystemClock));
        let buffer = opened.map_err(|error: OpenBufferError| StartError::from(error))?;
        if buffer.put_aside() > 0 {
            // Who cannot read that finds the file all the same.
            let _ = console::error(SET_ASIDE);
        }
        let done = offline::block_on(async {
            let done = work(&buffer).await;
            buffer.close().await;
            done
        })?;
        drop(lock);
        done
    }
}

/// A server that has the file can be asked instead.
fn ask_it(error: LockError) -> Failure {
    StartError::from(error).into()
}

fn letters(ids: Option<&[EventId]>) -> Letters {
    ids.map_or(Letters::All, |it| Letters::Of(it.to_vec()))
}

fn count(limit: u64) -> u32 {
    u32::try_from(limit).unwrap_or(u32::MAX)
}

fn change(server: &Client, what: &str, ids: Option<&[EventId]>) -> Result<u64, Failure> {
    let body = ids.map_or_else(|| json!({"all": true}), |ids| json!({ "ids": ids }));
    let path = format!("/v1/audit/buffer/{what}");
    let done: DoneView = target::ask(server.post(&path, body.to_string().into_bytes()))?;
    Ok(done.done)
}

/// What found no room can be tried again once the sink has taken something.
pub(super) fn not_taken(error: AppendError) -> Failure {
    let exit = match error {
        AppendError::Full { .. } => Exit::Unreachable,
        _ => Exit::NotJudged,
    };
    Failure::of(exit, error)
}

/// A newer build's file has a code of its own.
fn unread(error: AtRestError) -> Failure {
    match error {
        AtRestError::Open(OpenError::Sqlite { .. }) | AtRestError::Read { .. } => {
            Failure::because(Exit::NotJudged, UNREAD, error)
        }
        AtRestError::Open(error) => StartError::from(OpenBufferError::from(error)).into(),
        other => Failure::of(Exit::NotJudged, other),
    }
}

fn unmoved(error: BufferError) -> Failure {
    Failure::of(Exit::NotJudged, error)
}
