//! The policy that a server begins with, and what it protects.

use std::{collections::BTreeMap, net::SocketAddr};

use gov_escalation::{Roster, chain::Chain};
use tracing::warn;

use super::StartError;
use crate::{
    check::Gate,
    data_dir::DataDir,
    policy::{
        PolicySet,
        chains::{unknown, unknown_or_unstaffed},
        normalise::Protected,
    },
    store::StoredPolicy,
};

/// The stored policy, ready to be judged by.
#[derive(Debug)]
pub(super) struct Loaded {
    /// Its name and version.
    pub(super) name: (String, u64),
    pub(super) protected: Protected,
    set: Option<PolicySet>,
}

impl Loaded {
    /// Compiles what is stored, for the server that listens on `address`.
    pub(super) fn load(
        stored: Option<&StoredPolicy>,
        chains: &BTreeMap<String, Chain>,
        people: &Roster,
        address: SocketAddr,
        data_dir: &DataDir,
    ) -> Result<Self, StartError> {
        let protected = protected(address, data_dir);
        let Some(StoredPolicy { version, name, text, .. }) = stored else {
            let name = ("none: everything is refused".to_owned(), 0);
            return Ok(Self { name, protected, set: None });
        };
        let known: Vec<_> = chains.keys().map(String::as_str).collect();
        let compiled = PolicySet::compile(text, *version)
            .and_then(|it| it.check_chains(text, &unknown(&known)).map(|()| it))
            .map_err(|source| StartError::Policy { version: *version, source })?;
        // Whoever is missing can be added only while the server runs.
        if let Err(problem) = compiled.check_chains(text, &unknown_or_unstaffed(chains, people)) {
            warn!(%problem, "what the policy asks people about is answered by nobody");
        }
        let set = Some(compiled.with_protected(protected.clone()));
        Ok(Self { name: (name.clone(), *version), protected, set })
    }

    /// Judges by it from now on; without one everything is refused.
    pub(super) fn activate(&mut self, gate: &Gate) {
        if let Some(set) = self.set.take() {
            gate.activate(set);
        }
    }
}

/// Where this very gov lives and listens.
fn protected(address: SocketAddr, data_dir: &DataDir) -> Protected {
    Protected {
        port: address.port(),
        data_dir: data_dir.path().to_str().map(str::to_owned),
        binary: std::env::current_exe().ok().and_then(|it| it.to_str().map(str::to_owned)),
    }
}
