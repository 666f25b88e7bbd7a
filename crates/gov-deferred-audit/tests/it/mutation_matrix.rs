//! Every mutant is found: some thousands, by category, in two epochs.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, fs,
    io::Write as _,
    path::Path,
};

use gov_core::canonical;
use gov_deferred_audit::verify::{
    Report, SourceError, VerifyOptions, verify_database, verify_export,
};
use rusqlite::{Connection, types::ValueRef};

use crate::{
    fixture::{Fixture, files},
    mutants::{
        Files, Mutant, Place, bytes, content, heads,
        rows::{self, OldHead, Tables},
    },
    rollbacks::{accept, grow},
};

/// Two epochs: `first` records survive of the one before, `second` follow in the new one.
async fn two_epochs(first: u64, second: u64) -> Fixture {
    let it = Fixture::new();
    grow(&it, first).await;
    let old = it.keep_database();
    grow(&it, 3).await;
    it.restore_database(&old);
    accept(&it).await.unwrap();
    grow(&it, second).await;
    it
}

/// What the auditor holds: both keys and the last checkpoint. Without it, an old but whole log is
/// whole. What the second epoch admits as lost is settled.
fn auditor(it: &Fixture, checkpoint: Vec<u8>) -> VerifyOptions {
    VerifyOptions {
        from_epoch: 2,
        from_checkpoints: vec![checkpoint],
        ..VerifyOptions::trusting(vec![it.vkey(1), it.vkey(2)])
    }
}

#[tokio::test]
async fn more_than_2000_mutants_of_an_export_are_all_found_and_at_their_place() {
    let it = two_epochs(7, 5).await;
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

    let mut all = bytes::of_bytes(&whole);
    all.extend(bytes::of_items(&whole));
    all.extend(bytes::of_separators(&whole));
    all.extend(content::of_entries(&whole));
    all.extend(content::of_payloads(&whole));
    all.extend(content::of_hashes(&whole));
    all.extend(heads::of_heads(&whole));
    all.extend(heads::of_other_states("restore old file", &whole, &old));
    all.extend(heads::of_other_states("fork", &whole, &fork));
    all.extend(heads::of_other_epochs(&whole));

    let options = auditor(&it, whole["checkpoint"].clone());
    let (mut seen, mut tally) = (BTreeSet::new(), Tally::default());
    for mutant in all {
        let differs = mutant.changes.iter().any(|(name, bytes)| whole.get(name) != bytes.as_ref());
        if !differs || !seen.insert(mutant.changes.clone()) {
            continue;
        }
        let judged = with_mutant(&it.export_dir(), &whole, &mutant, &options);
        let what = format!("{:?}", mutant.changes.keys());
        assert_found(mutant.category, &what, mutant.place, &judged);
        tally.count(mutant.category, mutant.parses(), mutant.place);
    }
    tally.tell("an export");
    assert!(tally.parsing() >= 2000, "{tally}");
    for category in [
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
        "wrong epoch",
        "rewritten head",
        "changed field",
        "changed field and hash",
        "changed hash",
        "changed payload",
    ] {
        assert!(tally.0.contains_key(category), "no mutant of `{category}`");
    }
    let report = verify_export(&it.export_dir(), &options).unwrap();
    assert!(report.is_ok(), "{:?}", report.first_bad());
}

#[tokio::test]
async fn more_than_500_mutants_of_a_database_are_all_found_and_at_their_place() {
    let it = two_epochs(5, 8).await;
    let old = [head(&it), grown(&it, 246).await, grown(&it, 1).await, grown(&it, 1).await];
    grow(&it, 3).await;
    // From here on nothing in the tables resists.
    it.tamper("pragma journal_mode = delete");
    let whole = it.keep_database();
    let (tables, dumped) = {
        let connection = Connection::open(&it.config.database).unwrap();
        (Tables::read(&connection, 2), dump(&connection))
    };
    let mut all = tables.mutants();
    all.extend(rows::of_old_heads(&old));

    let options = auditor(&it, head(&it).note.into_bytes());
    let (mut seen, mut tally) = (BTreeSet::from([dumped]), Tally::default());
    for mutant in all {
        it.restore_database(&whole);
        {
            let connection = Connection::open(&it.config.database).unwrap();
            connection.execute_batch("pragma synchronous = off").unwrap();
            connection
                .execute_batch(&mutant.sql)
                .unwrap_or_else(|it| panic!("{it}: {}", mutant.sql));
            // Nothing changed, or the same as before.
            if !seen.insert(dump(&connection)) {
                continue;
            }
        }
        let judged = verify_database(&it.config.database, &options);
        assert_found(mutant.category, &mutant.sql, mutant.place, &judged);
        tally.count(mutant.category, true, mutant.place);
    }
    tally.tell("a database");
    assert!(tally.parsing() >= 500, "{tally}");
    it.restore_database(&whole);
    let report = verify_database(&it.config.database, &options).unwrap();
    assert!(report.is_ok(), "{:?}", report.first_bad());
}

/// It is no log any more, or something is wrong, and at the place that was changed.
fn assert_found(
    category: &str,
    what: &str,
    place: Option<Place>,
    judged: &Result<Report, SourceError>,
) {
    let Ok(report) = judged else { return };
    assert!(!report.is_ok(), "{category} survived: {what}");
    let wanted = |(epoch, index)| {
        report.findings.iter().any(|it| (it.epoch, it.index) == (epoch, Some(index)))
    };
    let first = report.first_bad();
    assert!(place.is_none_or(wanted), "{category} at {place:?} of {what}: {first:?}");
}

/// How many mutants of each category there were.
#[derive(Default)]
struct Tally(BTreeMap<&'static str, [u32; 3]>);

impl Tally {
    fn count(&mut self, category: &'static str, parses: bool, place: Option<Place>) {
        let [all, parsing, placed] = self.0.entry(category).or_default();
        *all += 1;
        *parsing += u32::from(parses);
        *placed += u32::from(place.is_some());
    }

    fn parsing(&self) -> u32 {
        self.0.values().map(|[_, parsing, _]| parsing).sum()
    }

    fn tell(&self, of: &str) {
        let line = format!("mutants of {of}, all found: {self}\n");
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sum = |n: usize| self.0.values().map(|it| it[n]).sum::<u32>();
        let (all, parsing, placed) = (sum(0), sum(1), sum(2));
        write!(f, "{all}, of them {parsing} that parse and {placed} at their place")?;
        self.0.iter().try_for_each(|(category, [all, parsing, placed])| {
            write!(f, "; {category} {all}/{parsing}/{placed}")
        })
    }
}

/// The head of the last epoch, as it is stored.
fn head(it: &Fixture) -> OldHead {
    OldHead::read(&Connection::open(&it.config.database).unwrap(), 2)
}

async fn grown(it: &Fixture, count: u64) -> OldHead {
    grow(it, count).await;
    head(it)
}

/// Stands for everything that the tables hold.
fn dump(connection: &Connection) -> [u8; 32] {
    let mut all = Vec::new();
    for (table, key) in [
        ("entry", "place"),
        ("payload", "place"),
        ("tile", "epoch, level, tile"),
        ("checkpoint", "epoch"),
        ("pruned_record", "record_id"),
    ] {
        let sql = format!("select * from audit_log_{table} order by {key}");
        let mut select = connection.prepare(&sql).unwrap();
        let columns = select.column_count();
        let mut rows = select.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            for column in 0..columns {
                let length = all.len();
                match row.get_ref(column).unwrap() {
                    ValueRef::Integer(number) => all.extend(number.to_be_bytes()),
                    ValueRef::Text(bytes) | ValueRef::Blob(bytes) => all.extend_from_slice(bytes),
                    ValueRef::Null => (),
                    ValueRef::Real(number) => panic!("{number}"),
                }
                all.extend((all.len() - length).to_be_bytes());
            }
        }
    }
    canonical::sha256(&all)
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

/// A file that is cut before it is written again waits for the disk; a new one does not.
fn put(path: &Path, bytes: Option<&[u8]>) {
    let _ = fs::remove_file(path);
    if let Some(bytes) = bytes {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

fn read(dir: &Path) -> Files {
    let name = |path: &Path| path.strip_prefix(dir).unwrap().display().to_string();
    files(dir).iter().map(|path| (name(path), fs::read(path).unwrap())).collect()
}
