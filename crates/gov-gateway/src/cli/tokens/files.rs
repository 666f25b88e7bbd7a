//! Tokens in the files of a data directory that no server runs on.

use std::sync::Arc;

use gov_core::{Clock as _, SystemClock, Timestamp};

use crate::{
    cli::{Exit, Failure, Places},
    data_dir::DataDir,
    identity::Directory,
    offline::{self, Offline},
    registry::{Registry, RegistryError, TokenList, TokenView},
    store::sqlite,
};

/// Changes tokens under the directory's lock. The row in the history reaches the signed log when
/// a server runs again.
pub(super) fn with_registry<T>(
    places: &Places,
    change: impl AsyncFnOnce(&Registry) -> Result<T, RegistryError>,
) -> Result<T, Failure> {
    let dir = DataDir::open_or_create(&places.data_dir()?)?;
    let files = Offline::open(dir, SystemClock.now())?;
    offline::block_on(async {
        let contents = files.db.contents().await;
        let changed = match contents {
            Ok(contents) => {
                let directory = Directory::new(contents.tokens, contents.agents);
                let writer = files.db.database.writer.clone();
                let registry =
                    Registry::new(writer, Arc::new(directory), Arc::new(SystemClock), None);
                change(&registry).await.map_err(Failure::from)
            }
            Err(error) => Err(Failure::of(Exit::NotJudged, error)),
        };
        files.close().await;
        changed
    })?
}

/// Reads without the lock: also beside a running server.
pub(super) fn list(places: &Places, now: Timestamp) -> Result<TokenList, Failure> {
    let dir = DataDir::open(&places.data_dir()?)?;
    let failed = |error: Box<dyn std::error::Error + Send + Sync>| {
        Failure::because(Exit::NotJudged, "cannot read gov.db; `gov init` makes one", error)
    };
    let db = gov_store::sqlite::open_read_only(&dir.gov_db()).map_err(|it| failed(it.into()))?;
    let tokens = sqlite::tokens(&db).map_err(|it| failed(it.into()))?;
    Ok(TokenList::new(tokens.iter().map(|it| TokenView::of(it, now)).collect()))
}
