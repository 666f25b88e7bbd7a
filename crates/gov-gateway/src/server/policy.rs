//! The policy that a server begins with, and what it protects.

use std::{collections::BTreeMap, net::SocketAddr};

use gov_escalation::chain::Chain;

use super::StartError;
use crate::{
    check::Gate,
    data_dir::DataDir,
    policy::{PolicySet, normalise::Protected},
    store::StoredPolicy,
};

/// Judges by the stored policy from now on; gives its name and version.
pub(super) fn activate(
    gate: &Gate,
    stored: Option<StoredPolicy>,
    chains: &BTreeMap<String, Chain>,
    protected: &Protected,
) -> Result<(String, u64), StartError> {
    let Some(StoredPolicy { version, name, text, .. }) = stored else {
        return Ok(("none: everything is refused".to_owned(), 0));
    };
    let known: Vec<_> = chains.keys().map(String::as_str).collect();
    let compiled = PolicySet::compile(&text, version)
        .and_then(|it| it.check_chains(&text, &known).map(|()| it))
        .map_err(|source| StartError::Policy { version, source })?;
    gate.activate(compiled.with_protected(protected.clone()));
    Ok((name, version))
}

/// Where this very gov lives and listens.
pub(super) fn protected(address: SocketAddr, data_dir: &DataDir) -> Protected {
    Protected {
        port: address.port(),
        data_dir: data_dir.path().to_str().map(str::to_owned),
        binary: std::env::current_exe().ok().and_then(|it| it.to_str().map(str::to_owned)),
    }
}
