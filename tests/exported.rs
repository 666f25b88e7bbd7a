//! An exported log, read as an outsider would: files, and entries behind their lengths.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;

/// Every file below `dir`, in order.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(dir).unwrap().map(|it| it.unwrap().path()).collect();
    entries.sort();
    entries.into_iter().flat_map(|it| if it.is_dir() { files(&it) } else { vec![it] }).collect()
}

/// The entries of the epoch whose files lie in `dir`, in order.
pub(crate) fn entries(dir: &Path) -> Vec<Value> {
    let mut entries = Vec::new();
    // Full bundles sort before the partial one that follows them: fewer than 1,000 of them.
    for file in files(&dir.join("tile/entries")) {
        let bytes = fs::read(file).unwrap();
        let mut rest = &bytes[..];
        while let [high, low, more @ ..] = rest {
            let (entry, more) = more.split_at(u16::from_be_bytes([*high, *low]).into());
            entries.push(serde_json::from_slice(entry).unwrap());
            rest = more;
        }
    }
    entries
}

/// The ids of the refusals among them, in order.
pub(crate) fn refusals(entries: &[Value]) -> Vec<&str> {
    let refusals = entries.iter().filter(|it| it["kind"] == "action.refused");
    refusals.map(|it| it["id"].as_str().unwrap()).collect()
}
