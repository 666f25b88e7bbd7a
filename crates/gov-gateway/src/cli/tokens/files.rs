//! Tokens, agents and people where no server is asked.

use std::sync::Arc;

use gov_core::{Clock as _, SystemClock, Timestamp};

use crate::{
    cli::{Exit, Failure, Places},
    data_dir::DataDir,
    identity::{Directory, Identities},
    offline,
    registry::{
        AgentList, AgentView, PersonList, PersonView, Registry, RegistryError, TokenList, TokenView,
    },
    store::{GatewayStore, sqlite},
};

/// Changes who may ask and who decides: under the directory's lock, or in the shared database.
pub(in crate::cli) fn with_registry<T>(
    places: &Places,
    change: impl AsyncFnOnce(&Registry) -> Result<T, RegistryError>,
) -> Result<T, Failure> {
    offline::change(places, DataDir::open_or_create, async |store| {
        change(&registry(store).await?).await.map_err(Failure::from)
    })
}

/// Everyone as they are stored.
pub(in crate::cli) async fn registry(store: Arc<dyn GatewayStore>) -> Result<Registry, Failure> {
    let contents = store.contents().await.map_err(|it| Failure::of(Exit::NotJudged, it))?;
    let directory = Directory::new(contents.identities);
    Ok(Registry::new(store, Arc::new(directory), Arc::new(SystemClock), None))
}

/// Reads the people without the lock.
pub(in crate::cli) fn people(places: &Places) -> Result<PersonList, Failure> {
    let directory = Directory::new(identities(places)?);
    let (now, people) = (SystemClock.now(), directory.people());
    Ok(PersonList::new(people.iter().map(|it| PersonView::of(it, &directory, now)).collect()))
}

/// Reads the agents without the lock.
pub(in crate::cli) fn agents(places: &Places) -> Result<AgentList, Failure> {
    let directory = Directory::new(identities(places)?);
    let agents = directory.agents();
    Ok(AgentList::new(agents.iter().map(|it| AgentView::of(it, &directory)).collect()))
}

/// Reads everyone without the lock.
fn identities(places: &Places) -> Result<Identities, Failure> {
    offline::read(places, sqlite::identities, async |store| Ok(store.contents().await?.identities))
}

/// Reads the tokens without the lock.
pub(super) fn list(places: &Places, now: Timestamp) -> Result<TokenList, Failure> {
    let tokens = identities(places)?.tokens;
    Ok(TokenList::new(tokens.iter().map(|it| TokenView::of(it, now)).collect()))
}
