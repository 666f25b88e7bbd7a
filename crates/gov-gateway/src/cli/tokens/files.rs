//! Tokens in the files of a data directory that no server runs on.

use std::sync::Arc;

use gov_core::{SystemClock, Timestamp};

use crate::{
    cli::{Exit, Failure, Places},
    data_dir::DataDir,
    identity::Directory,
    offline,
    registry::{Registry, RegistryError, TokenList, TokenView},
    store::sqlite,
};

/// Changes tokens under the directory's lock.
pub(super) fn with_registry<T>(
    places: &Places,
    change: impl AsyncFnOnce(&Registry) -> Result<T, RegistryError>,
) -> Result<T, Failure> {
    let dir = DataDir::open_or_create(&places.data_dir()?)?;
    offline::change(dir, async |db| {
        let contents = db.contents().await.map_err(|error| Failure::of(Exit::NotJudged, error))?;
        let directory = Directory::new(contents.identities);
        let writer = db.database.writer.clone();
        let registry = Registry::new(writer, Arc::new(directory), Arc::new(SystemClock), None);
        change(&registry).await.map_err(Failure::from)
    })
}

/// Reads without the lock.
pub(super) fn list(places: &Places, now: Timestamp) -> Result<TokenList, Failure> {
    let tokens = offline::read(places, sqlite::tokens)?;
    Ok(TokenList::new(tokens.iter().map(|it| TokenView::of(it, now)).collect()))
}
