//! Keeps messages away from machines that are not on the public internet: whoever may write a
//! target's name into DNS must not reach what only this machine can.
//!
//! An address is judged where the connection is made: one in the URL when the target is
//! configured, one from DNS at every connection, so an answer that changes helps nobody.

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use async_trait::async_trait;
use reqwest::dns::{Name, Resolve, Resolving};

mod address;

pub use self::address::is_public;

/// Says whether an address may be connected to.
pub type Judge = fn(IpAddr) -> bool;

/// Finds the addresses of a name.
#[async_trait]
pub trait Lookup: fmt::Debug + Send + Sync {
    /// All of them, in the order in which they are to be tried.
    ///
    /// # Errors
    ///
    /// If there is none, or nobody can say.
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// Asks this machine's resolver.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|it| it.ip()).collect())
    }
}

/// A name or a URL leads to a machine that is not on the public internet.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{host}` is at {address}, which is not on the public internet; `allow_private` allows it")]
pub struct Blocked {
    /// The host as it is named.
    pub host: String,
    /// Where it is.
    pub address: IpAddr,
}

/// Judges every address of a name before anybody connects. One bad address among good ones
/// spoils all: the next try could take it.
#[derive(Clone, Debug)]
pub(super) struct Guard {
    lookup: Arc<dyn Lookup>,
    judge: Judge,
}

impl Guard {
    pub(super) fn new(lookup: Arc<dyn Lookup>, judge: Judge) -> Self {
        Self { lookup, judge }
    }

    /// Judges a host that is an address; a name is judged when it is looked up.
    ///
    /// # Errors
    ///
    /// [`Blocked`] if it must not be connected to.
    pub(super) fn check(&self, host: &str) -> Result<(), Blocked> {
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse();
        literal.map_or(Ok(()), |address| self.check_address(host, address))
    }

    fn check_address(&self, host: &str, address: IpAddr) -> Result<(), Blocked> {
        if (self.judge)(address) {
            return Ok(());
        }
        Err(Blocked { host: host.to_owned(), address })
    }
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.clone();
        Box::pin(async move {
            let addresses = guard.lookup.lookup(name.as_str()).await?;
            for address in &addresses {
                guard.check_address(name.as_str(), *address)?;
            }
            // Port 0: the one of the URL.
            let addresses = addresses.into_iter().map(|it| SocketAddr::new(it, 0));
            Ok(Box::new(addresses) as Box<dyn Iterator<Item = SocketAddr> + Send>)
        })
    }
}
