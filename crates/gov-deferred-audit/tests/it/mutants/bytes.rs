//! Mutants that know nothing of what the bytes mean, or only where one item ends.

use super::{ENTRIES, Files, Mutant, epoch_of, join_entries, split_entries};

/// Mutants of single files: flips, insertions, deletions, cut tails, removed files.
pub(crate) fn of_bytes(files: &Files) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for (name, bytes) in files {
        // Every byte of the short files, and a hundred of the long ones.
        let step = (bytes.len() / 100).max(1);
        for at in (0..bytes.len()).step_by(step) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            let place = index_of(name, bytes, at).map(|index| (epoch_of(name).0, index));
            mutants.push(Mutant::of("flip", name, Some(flipped)).at(place));
            if at % 7 == 0 {
                let mut longer = bytes.clone();
                longer.insert(at, bytes[at].wrapping_add(1));
                mutants.push(Mutant::of("insert", name, Some(longer)));
                let mut shorter = bytes.clone();
                shorter.remove(at);
                mutants.push(Mutant::of("delete", name, Some(shorter)));
            }
            if at % 11 == 0 {
                mutants.push(Mutant::of("drop tail", name, Some(bytes[..at].to_vec())));
            }
        }
        mutants.push(Mutant::of("delete", name, None));
    }
    mutants
}

/// The entry or hash that a byte belongs to; `None` for lengths and other files.
fn index_of(name: &str, bytes: &[u8], at: usize) -> Option<u64> {
    let name = epoch_of(name).1;
    if name.starts_with("tile/0/") {
        return Some(at as u64 / 32);
    }
    if !name.starts_with(ENTRIES) {
        return None;
    }
    let mut end = 0;
    for (index, entry) in (0..).zip(split_entries(bytes)) {
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
        let (epoch, below) = epoch_of(name);
        let (items, join): (Vec<Vec<u8>>, Join) = if below.starts_with(ENTRIES) {
            (split_entries(bytes), join_entries)
        } else if below.starts_with("tile/") {
            (bytes.chunks(32).map(<[u8]>::to_vec).collect(), <[Vec<u8>]>::concat)
        } else if below.starts_with("payload/") {
            let lines = bytes.split_inclusive(|byte| *byte == b'\n');
            (lines.map(<[u8]>::to_vec).collect(), <[Vec<u8>]>::concat)
        } else {
            continue;
        };
        // A tile of another length is judged as one thing.
        let shifts = !below.starts_with("tile/0");
        let mut push = |category, items: Vec<Vec<u8>>, index: usize| {
            let place = Some((epoch, index as u64));
            mutants.push(Mutant::of(category, name, Some(join(&items))).at(place));
        };
        for at in 0..items.len() {
            for other in at + 1..items.len() {
                let mut swapped = items.clone();
                swapped.swap(at, other);
                push("swap", swapped, at);
            }
            let mut doubled = items.clone();
            doubled.insert(at, items[at].clone());
            // What follows lies one too far; behind the last payload only the second is too much.
            let last_payload = below.starts_with("payload/") && at + 1 == items.len();
            let follows = if last_payload { at } else { at + 1 };
            push("insert", doubled, if shifts { follows } else { 0 });
            let mut without = items.clone();
            without.remove(at);
            push("delete", without, if shifts { at } else { 0 });
            push("drop tail", items[..at].to_vec(), if shifts { at } else { 0 });
        }
    }
    mutants
}

/// Mutants that move what separates one thing from the next.
pub(crate) fn of_separators(files: &Files) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for (name, bytes) in files.iter().filter(|(name, _)| epoch_of(name).1.starts_with(ENTRIES)) {
        let entries = split_entries(bytes);
        for at in 0..entries.len() - 1 {
            // The same bytes, parted elsewhere.
            for shift in [1, 2, 7] {
                let mut moved = entries.clone();
                let tail = moved[at].split_off(entries[at].len() - shift);
                moved[at + 1].splice(..0, tail);
                let place = Some((epoch_of(name).0, at as u64));
                let joined = Some(join_entries(&moved));
                mutants.push(Mutant::of("moved separator", name, joined).at(place));
            }
        }
    }
    let note = String::from_utf8(files["checkpoint"].clone()).unwrap();
    let feeds: Vec<_> = note.match_indices('\n').map(|(at, _)| at).collect();
    for from in &feeds {
        for to in (0..note.len()).step_by(3) {
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
