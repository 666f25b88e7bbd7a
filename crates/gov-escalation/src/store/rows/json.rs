//! What is stored as JSON, each with its version in front.

use serde::{Deserialize, Serialize};

use super::unavailable;
use crate::{approval::Vote, chain::Chain, grant::GrantTerms, store::StoreError};

/// The version of a chain's JSON. Version 1 has no quorum: one person's answer was enough.
const CHAIN_VERSION: u8 = 2;

/// The version of the votes' JSON.
const VOTES_VERSION: u8 = 1;

/// The version of a grant's JSON.
const TERMS_VERSION: u8 = 1;

#[derive(Serialize, Deserialize)]
struct StoredTerms<T> {
    v: u8,
    terms: T,
}

#[derive(Serialize, Deserialize)]
struct StoredChain<C> {
    v: u8,
    chain: C,
}

#[derive(Serialize, Deserialize)]
struct StoredVotes<V> {
    v: u8,
    votes: V,
}

/// A chain as it is stored.
pub(in crate::store) fn chain_text(chain: &Chain) -> Result<String, StoreError> {
    serde_json::to_string(&StoredChain { v: CHAIN_VERSION, chain }).map_err(unavailable)
}

/// The chain that is asked now, where it is another one.
pub(in crate::store) fn optional_chain_text(
    chain: Option<&Chain>,
) -> Result<Option<String>, StoreError> {
    chain.map(chain_text).transpose()
}

/// The votes as they are stored; null while there are none.
pub(in crate::store) fn votes_text(votes: &[Vote]) -> Result<Option<String>, StoreError> {
    let text = || serde_json::to_string(&StoredVotes { v: VOTES_VERSION, votes });
    (!votes.is_empty()).then(text).transpose().map_err(unavailable)
}

/// What a grant covers; null for one exact action.
pub(in crate::store) fn terms_text(
    terms: Option<&GrantTerms>,
) -> Result<Option<String>, StoreError> {
    let text = |terms| serde_json::to_string(&StoredTerms { v: TERMS_VERSION, terms });
    terms.map(text).transpose().map_err(unavailable)
}

pub(super) fn terms_from(text: &str) -> Option<GrantTerms> {
    let stored: StoredTerms<GrantTerms> = serde_json::from_str(text).ok()?;
    (stored.v == TERMS_VERSION).then_some(stored.terms)
}

pub(super) fn chain_from(text: &str) -> Option<Chain> {
    let stored: StoredChain<Chain> = serde_json::from_str(text).ok()?;
    (1..=CHAIN_VERSION).contains(&stored.v).then_some(stored.chain)
}

pub(super) fn votes_from(text: &str) -> Option<Vec<Vote>> {
    let stored: StoredVotes<Vec<Vote>> = serde_json::from_str(text).ok()?;
    (stored.v == VOTES_VERSION).then_some(stored.votes)
}
