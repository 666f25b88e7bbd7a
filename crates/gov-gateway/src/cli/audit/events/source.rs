//! Where events are asked for: a server, or the files that no server has open.

use std::sync::Arc;

use gov_core::SystemClock;
use gov_retention::event_store::sqlite::SqliteEventStore;
use gov_store::lock::DataDirLock;
use reqwest::Url;

use crate::{
    cli::{Exit, Failure, Places, target},
    client::Client,
    data_dir::DataDir,
    events::{EventList, EventQuestion},
    server::StartError,
};

/// A server or the files.
pub(super) enum Source {
    Server(Client),
    Files { store: SqliteEventStore, lock: DataDirLock },
}

impl Source {
    /// The server, or else the files under their lock.
    pub(super) async fn open(server: Option<Client>, places: &Places) -> Result<Self, Failure> {
        if let Some(server) = server {
            return Ok(Self::Server(server));
        }
        let dir = DataDir::open(&places.data_dir()?)?;
        let lock = DataDirLock::acquire(dir.path()).map_err(StartError::from)?;
        let store = SqliteEventStore::open(&dir.events(), Arc::new(SystemClock)).await;
        Ok(Self::Files { store: store.map_err(StartError::from)?, lock })
    }

    /// One page.
    pub(super) async fn page(
        &self,
        parameters: &[(&'static str, String)],
    ) -> Result<EventList, Failure> {
        match self {
            Self::Server(server) => target::read(server.get(&path(parameters)?).await),
            Self::Files { store, .. } => {
                let question =
                    EventQuestion::read(parameters.iter().map(|(name, value)| (*name, &**value)))?;
                let page = EventList::read(store, &question).await;
                page.map_err(|error| Failure::of(Exit::NotJudged, error))
            }
        }
    }

    /// Gives the files back.
    pub(super) async fn close(self) {
        if let Self::Files { store, lock } = self {
            store.close().await;
            drop(lock);
        }
    }
}

fn path(parameters: &[(&'static str, String)]) -> Result<String, Failure> {
    let url = Url::parse_with_params("http://gov/v1/audit/events", parameters)
        .map_err(|error| Failure::of(Exit::Usage, error))?;
    Ok(format!("{}?{}", url.path(), url.query().unwrap_or_default()))
}
