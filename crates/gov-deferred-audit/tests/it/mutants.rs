//! Changed exports, each of another kind and place; all of them must be found.

use std::collections::BTreeMap;

use gov_deferred_audit::tlog::{bundle, key::PrivateKey, note::Note};

/// An export's files by their path below its directory.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// One changed export.
#[derive(Clone)]
pub(crate) struct Mutant {
    pub(crate) category: &'static str,
    /// What to put in the place of files; `None` removes one.
    pub(crate) changes: BTreeMap<String, Option<Vec<u8>>>,
    /// Where it must be found; `None` where a place makes no sense.
    pub(crate) index: Option<u64>,
}

impl Mutant {
    fn of(category: &'static str, file: &str, bytes: Option<Vec<u8>>) -> Self {
        let changes = [(file.to_owned(), bytes)].into();
        Self { category, changes, index: None }
    }

    fn at(self, index: usize) -> Self {
        Self { index: Some(index as u64), ..self }
    }
}

const ENTRIES: &str = "tile/entries/";

/// Mutants of single files: flips, insertions, deletions, cut tails, removed files.
pub(crate) fn of_bytes(files: &Files) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for (name, bytes) in files {
        // Every byte of the short files, and a hundred of the long ones.
        let step = (bytes.len() / 100).max(1);
        for at in (0..bytes.len()).step_by(step) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            let mutant = Mutant::of("flip", name, Some(flipped));
            mutants.push(match index_of(name, bytes, at) {
                Some(index) => mutant.at(index),
                None => mutant,
            });
            if at % 3 == 0 {
                let mut longer = bytes.clone();
                longer.insert(at, bytes[at].wrapping_add(1));
                mutants.push(Mutant::of("insert", name, Some(longer)));
                let mut shorter = bytes.clone();
                shorter.remove(at);
                mutants.push(Mutant::of("delete", name, Some(shorter)));
            }
            if at % 5 == 0 {
                mutants.push(Mutant::of("drop tail", name, Some(bytes[..at].to_vec())));
            }
        }
        mutants.push(Mutant::of("delete", name, None));
    }
    mutants
}

/// The entry or hash that a byte belongs to; `None` for lengths and other files.
fn index_of(name: &str, bytes: &[u8], at: usize) -> Option<usize> {
    if name.starts_with("tile/0/") {
        return Some(at / 32);
    }
    if !name.starts_with(ENTRIES) {
        return None;
    }
    let mut end = 0;
    for (index, entry) in bundle::split(bytes).unwrap().iter().enumerate() {
        let start = end + 2;
        end = start + entry.len();
        if at < end {
            return (at >= start).then_some(index);
        }
    }
    None
}

/// Makes a file of its items.
type Join = fn(&[Vec<u8>]) -> Vec<u8>;

/// Mutants that move whole entries, hashes and payloads.
pub(crate) fn of_items(files: &Files) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for (name, bytes) in files {
        let (items, join): (Vec<Vec<u8>>, Join) = if name.starts_with(ENTRIES) {
            let items = bundle::split(bytes).unwrap().into_iter().map(<[u8]>::to_vec);
            (items.collect(), join_entries)
        } else if name.starts_with("tile/") {
            (bytes.chunks(32).map(<[u8]>::to_vec).collect(), <[Vec<u8>]>::concat)
        } else if name.starts_with("payload/") {
            let lines = bytes.split_inclusive(|byte| *byte == b'\n');
            (lines.map(<[u8]>::to_vec).collect(), <[Vec<u8>]>::concat)
        } else {
            continue;
        };
        let first_bad = |index| {
            // An upper tile's hash stands for many records.
            (!name.starts_with("tile/1")).then_some(index as u64)
        };
        let mut push = |category, items: Vec<Vec<u8>>, index: Option<u64>| {
            mutants.push(Mutant { index, ..Mutant::of(category, name, Some(join(&items))) });
        };
        for at in 0..items.len() {
            for other in at + 1..items.len() {
                let mut swapped = items.clone();
                swapped.swap(at, other);
                push("swap", swapped, first_bad(at));
            }
            let mut doubled = items.clone();
            doubled.insert(at, items[at].clone());
            push("insert", doubled, None);
            let mut without = items.clone();
            without.remove(at);
            push("delete", without, None);
            push("drop tail", items[..at].to_vec(), None);
        }
    }
    mutants
}

fn join_entries(entries: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for entry in entries {
        bundle::push(&mut bytes, entry).unwrap();
    }
    bytes
}

/// Mutants that move what separates one thing from the next.
pub(crate) fn of_separators(files: &Files) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    let entries_file = files.keys().find(|name| name.starts_with(ENTRIES)).unwrap();
    let entries = bundle::split(&files[entries_file]).unwrap();
    for at in 0..entries.len() - 1 {
        // The same bytes, parted elsewhere.
        for shift in [1, 2, 7] {
            let mut moved: Vec<_> = entries.iter().map(|it| it.to_vec()).collect();
            let tail = moved[at].split_off(entries[at].len() - shift);
            moved[at + 1].splice(..0, tail);
            let joined = join_entries(&moved);
            mutants.push(Mutant::of("moved separator", entries_file, Some(joined)).at(at));
        }
    }
    let note = String::from_utf8(files["checkpoint"].clone()).unwrap();
    let feeds: Vec<_> = note.match_indices('\n').map(|(at, _)| at).collect();
    for from in &feeds {
        for to in 0..note.len() {
            if !note.is_char_boundary(to) || note.as_bytes()[to] == b'\n' {
                continue;
            }
            let mut moved = note.clone();
            moved.remove(*from);
            if moved.is_char_boundary(to) {
                moved.insert(to, '\n');
            }
            if moved != note {
                let bytes = Some(moved.into_bytes());
                mutants.push(Mutant::of("moved separator", "checkpoint", bytes));
            }
        }
    }
    mutants
}

/// Mutants of the signed head: rewritten, signed by others, not signed, of another epoch.
pub(crate) fn of_heads(files: &Files) -> Vec<Mutant> {
    let note = Note::parse(&files["checkpoint"]).unwrap();
    let lines: Vec<_> = note.text().lines().collect();
    let (origin, size): (&str, u64) = (lines[0], lines[1].parse().unwrap());
    let forger = PrivateKey::generate(origin).unwrap();
    let signed_by_forger = |text: String| {
        let signature = forger.sign(text.as_bytes());
        Note::unsigned(text).with_signature(&forger.verifier(), signature).to_string().into_bytes()
    };
    let with_text = |text: &str| {
        let signed = String::from_utf8(files["checkpoint"].clone()).unwrap();
        signed.replacen(note.text(), text, 1).into_bytes()
    };
    let mut mutants = Vec::new();
    let mut push = |category, bytes| mutants.push(Mutant::of(category, "checkpoint", Some(bytes)));
    for other in (0..2 * size).filter(|other| *other != size) {
        let text = note.text().replacen(&format!("\n{size}\n"), &format!("\n{other}\n"), 1);
        push("rewritten head", with_text(&text));
        push("foreign key", signed_by_forger(text));
    }
    for root in 0..40_u8 {
        let text = format!("{origin}\n{size}\n{}\n", base64(&[root; 32]));
        push("rewritten head", with_text(&text));
        push("foreign key", signed_by_forger(text));
    }
    for epoch in (0..40).filter(|epoch| *epoch != 1) {
        let text = note.text().replacen("/gov/e1", &format!("/gov/e{epoch}"), 1);
        push("wrong epoch", with_text(&text));
        push("wrong epoch", signed_by_forger(text));
    }
    push("foreign key", signed_by_forger(note.text().to_owned()));
    for text in [note.text().to_owned(), format!("{}\n", note.text())] {
        push("stripped signature", text.into_bytes());
    }
    let line = String::from_utf8(files["checkpoint"].clone()).unwrap();
    let line = line.lines().last().unwrap().to_owned();
    for length in 0..line.len() {
        if let Some(kept) = line.get(..length) {
            let text = format!("{}\n{kept}\n", note.text());
            push("stripped signature", text.into_bytes());
        }
    }
    // The key goes along with the forged head.
    let mut both =
        Mutant::of("foreign key", "checkpoint", Some(signed_by_forger(note.text().to_owned())));
    let vkey = format!("{}\n", forger.verifier()).into_bytes();
    both.changes.insert("vkey".to_owned(), Some(vkey));
    mutants.push(both);
    mutants
}

/// Mutants that put files of another state of the log in the place of this one's.
pub(crate) fn of_other_states(
    category: &'static str,
    files: &Files,
    others: &Files,
) -> Vec<Mutant> {
    let names: Vec<_> = files.keys().chain(others.keys()).collect();
    let change = |name: &String| (name.clone(), others.get(name).cloned());
    let mut mutants = Vec::new();
    for name in &names {
        mutants.push(Mutant { category, changes: [change(name)].into(), index: None });
        let rest = names.iter().filter(|other| other != &name).map(|name| change(name));
        mutants.push(Mutant { category, changes: rest.collect(), index: None });
    }
    let all = names.iter().map(|name| change(name)).collect();
    mutants.push(Mutant { category, changes: all, index: None });
    mutants
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}
