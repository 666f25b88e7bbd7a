//! Changed logs, each of another kind and place; all of them must be found.

use std::collections::BTreeMap;

use gov_deferred_audit::{
    entry::Entry,
    payload_file,
    tlog::{bundle, checkpoint::Checkpoint, key::VerifierKey, note::Note, tile},
};

pub(crate) mod bytes;
pub(crate) mod content;
pub(crate) mod heads;
pub(crate) mod rows;

/// An export's files by their path below its directory.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// An epoch, and an index in its tree.
pub(crate) type Place = (u64, u64);

/// One changed export.
#[derive(Clone)]
pub(crate) struct Mutant {
    pub(crate) category: &'static str,
    /// What to put in the place of files; `None` removes one.
    pub(crate) changes: BTreeMap<String, Option<Vec<u8>>>,
    /// Where it must be found; `None` where a place makes no sense.
    pub(crate) place: Option<Place>,
}

impl Mutant {
    fn of(category: &'static str, file: &str, bytes: Option<Vec<u8>>) -> Self {
        let changes = [(file.to_owned(), bytes)].into();
        Self { category, changes, place: None }
    }

    fn at(self, place: Option<Place>) -> Self {
        Self { place, ..self }
    }

    /// Whether each changed file is still what its name says: found by what it holds, not by its
    /// form.
    pub(crate) fn parses(&self) -> bool {
        let whole = |(name, bytes): (&String, &Option<Vec<u8>>)| {
            bytes.as_ref().is_some_and(|it| parses(name, it))
        };
        self.changes.iter().all(whole)
    }
}

const ENTRIES: &str = "tile/entries/";

/// A file's epoch in an export of two, and its name below the epoch's directory.
fn epoch_of(name: &str) -> (u64, &str) {
    name.strip_prefix("epoch/1/").map_or((2, name), |rest| (1, rest))
}

fn parses(name: &str, bytes: &[u8]) -> bool {
    match epoch_of(name).1 {
        "checkpoint" | "first-checkpoint" => {
            Note::parse(bytes).is_ok_and(|it| Checkpoint::parse(it.text()).is_ok())
        }
        "vkey" => {
            let line = std::str::from_utf8(bytes).ok().and_then(|it| it.strip_suffix('\n'));
            line.is_some_and(|it| it.parse::<VerifierKey>().is_ok())
        }
        it if it.starts_with(ENTRIES) => bundle::split(bytes)
            .is_some_and(|entries| entries.iter().all(|it| Entry::from_bytes(it).is_ok())),
        it if it.starts_with("tile/") => tile::decode(bytes).is_some(),
        _ => payload_file::parse(bytes).is_some(),
    }
}

fn join_entries(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        bundle::push(&mut bytes, entry).unwrap();
    }
    bytes
}

fn split_entries(bytes: &[u8]) -> Vec<Vec<u8>> {
    bundle::split(bytes).unwrap().into_iter().map(<[u8]>::to_vec).collect()
}
