//! Every mutant is found: two thousand and more, by category.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    path::Path,
};

use gov_deferred_audit::verify::{Report, SourceError, VerifyOptions, verify_export};

use crate::{
    fixture::{Fixture, files},
    mutants::{self, Files, Mutant},
};

const CATEGORIES: [&str; 10] = [
    "flip",
    "swap",
    "insert",
    "delete",
    "drop tail",
    "restore old file",
    "fork",
    "foreign key",
    "stripped signature",
    "moved separator",
];

#[tokio::test]
async fn more_than_2000_mutants_are_all_found_and_at_their_place() {
    let it = Fixture::with_records(6).await;
    it.export();
    let old = read(&it.export_dir());
    let prefix = it.keep_database();
    it.append(6).await;
    it.export();
    let fork = read(&it.export_dir());
    it.restore_database(&prefix);
    it.append(6).await;
    it.export();
    let whole = read(&it.export_dir());

    let mut all = mutants::of_bytes(&whole);
    all.extend(mutants::of_items(&whole));
    all.extend(mutants::of_separators(&whole));
    all.extend(mutants::of_heads(&whole));
    all.extend(mutants::of_other_states("restore old file", &whole, &old));
    all.extend(mutants::of_other_states("fork", &whole, &fork));

    // The auditor holds a key and the last checkpoint: without it, an old but whole log is whole.
    let options = VerifyOptions {
        from_checkpoints: vec![whole["checkpoint"].clone()],
        ..VerifyOptions::trusting(vec![it.vkey(1)])
    };
    let mut seen = BTreeSet::new();
    let mut counts = BTreeMap::<_, u32>::new();
    for mutant in all {
        let differs = mutant.changes.iter().any(|(name, bytes)| whole.get(name) != bytes.as_ref());
        if !differs || !seen.insert(mutant.changes.clone()) {
            continue;
        }
        let judged = with_mutant(&it.export_dir(), &whole, &mutant, &options);
        *counts.entry(mutant.category).or_default() += 1;
        // A directory without a checkpoint is no log at all.
        let Ok(report) = judged else { continue };
        assert!(!report.is_ok(), "{} survived: {:?}", mutant.category, mutant.changes.keys());
        let found = report.findings.iter().any(|finding| finding.index == mutant.index);
        assert!(
            mutant.index.is_none() || found,
            "{} of {:?} at {:?}: {:?}",
            mutant.category,
            mutant.changes.keys(),
            mutant.index,
            report.first_bad()
        );
    }
    let total: u32 = counts.values().sum();
    writeln!(std::io::stdout(), "{total} mutants, all found: {counts:?}").unwrap();
    assert!(total >= 2000, "{total}");
    for category in CATEGORIES.into_iter().chain(["wrong epoch", "rewritten head"]) {
        assert!(counts.contains_key(category), "no mutant of `{category}`");
    }
    let report = verify_export(&it.export_dir(), &options).unwrap();
    assert!(report.is_ok(), "{:?}", report.first_bad());
}

fn with_mutant(
    dir: &Path,
    whole: &Files,
    mutant: &Mutant,
    options: &VerifyOptions,
) -> Result<Report, SourceError> {
    for (name, bytes) in &mutant.changes {
        put(&dir.join(name), bytes.as_deref());
    }
    let judged = verify_export(dir, options);
    for name in mutant.changes.keys() {
        put(&dir.join(name), whole.get(name).map(Vec::as_slice));
    }
    judged
}

fn put(path: &Path, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
        None => drop(fs::remove_file(path)),
    }
}

fn read(dir: &Path) -> Files {
    let name = |path: &Path| path.strip_prefix(dir).unwrap().display().to_string();
    files(dir).iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}
