//! Mutants that only say something else: every entry, payload and hash in them can be read.

use gov_core::{ActionDigest, RecordId, Timestamp};
use gov_deferred_audit::{entry::Entry, payload_file};

use super::{ENTRIES, Files, Mutant, epoch_of, join_entries, split_entries};

/// An entry that says something else in one field.
type Change = fn(&mut Entry);

/// Every field of an entry, changed to something that it could be.
pub(crate) const CHANGES: [(&str, Change); 19] = [
    ("action_kind", |it| it.action_kind = Some("filesystem_write".into())),
    ("action_kind", |it| it.action_kind = it.action_kind.is_none().then(|| "bash".into())),
    ("agent", |it| it.agent_id = Some("somebody-else".parse().unwrap())),
    ("agent", |it| it.agent_id = None),
    ("decision", |it| it.decision = Some("allow".into())),
    ("digest", |it| it.digest = Some(ActionDigest::from_bytes([9; 32]))),
    ("id", |it| it.id = RecordId::derived("mutant", &it.id.to_string())),
    ("kind", |it| it.kind = "approval.decided".parse().unwrap()),
    ("origin", |it| it.origin = format!("{}0", it.origin)),
    ("origin", |it| it.origin = it.origin.replace("example.com", "example.org")),
    ("payload_commit", |it| it.payload_commit[31] ^= 1),
    ("policy_version", |it| it.policy_version = Some(it.policy_version.unwrap_or(0) + 1)),
    ("policy_version", |it| it.policy_version = Some(7).filter(|_| it.policy_version.is_none())),
    ("reason", |it| it.reason = Some("deletes inside the working directory".into())),
    ("rule_id", |it| it.rule_id = Some("another-rule".parse().unwrap())),
    ("seq", |it| it.seq += 1),
    ("seq", |it| it.seq += 256),
    ("session", |it| it.session_id = Some("s-2".parse().unwrap())),
    ("ts", |it| it.at = Timestamp::from_micros(it.at.as_micros() + 1).unwrap()),
];

/// Entries that say something else in one field, alone and with the stored hash that fits them.
pub(crate) fn of_entries(files: &Files) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for (name, bytes) in files.iter().filter(|(name, _)| epoch_of(name).1.starts_with(ENTRIES)) {
        let entries = split_entries(bytes);
        for at in 0..entries.len() {
            for (_, change) in CHANGES {
                let mut changed = entries.clone();
                changed[at] = with(&entries[at], change);
                let place = Some((epoch_of(name).0, at as u64));
                let joined = Some(join_entries(&changed));
                let mutant = Mutant::of("changed field", name, joined).at(place);
                let mut hashed = Mutant { category: "changed field and hash", ..mutant.clone() };
                let tile = name.replace("entries", "0");
                let mut tiled = files[&tile].clone();
                let hash = gov_deferred_audit::tlog::leaf_hash(&changed[at]);
                tiled[at * 32..][..32].copy_from_slice(&hash);
                hashed.changes.insert(tile, Some(tiled));
                // Where a field fits its place, only the root tells that something is not as it
                // was signed.
                hashed.place = None;
                mutants.extend([mutant, hashed]);
            }
        }
    }
    mutants
}

/// `entry` with one field changed.
pub(crate) fn with(entry: &[u8], change: Change) -> Vec<u8> {
    let mut entry = Entry::from_bytes(entry).unwrap();
    change(&mut entry);
    entry.to_bytes().unwrap()
}

/// Payloads that say something else, or say it under another salt or number.
pub(crate) fn of_payloads(files: &Files) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    for (name, bytes) in files.iter().filter(|(name, _)| epoch_of(name).1.starts_with("payload/")) {
        let lines = payload_file::parse(bytes).unwrap();
        for at in 0..lines.len() {
            let next = lines[(at + 1) % lines.len()].clone();
            let mut push = |change: &dyn Fn(&mut payload_file::PayloadLine)| {
                let (mut lines, mut file) = (lines.clone(), Vec::new());
                change(&mut lines[at]);
                for it in &lines {
                    it.write(&mut file);
                }
                let place = Some((epoch_of(name).0, at as u64));
                mutants.push(Mutant::of("changed payload", name, Some(file)).at(place));
            };
            push(&|it| it.payload = b"{}".to_vec());
            push(&|it| it.payload = [b" ", it.payload.as_slice()].concat());
            push(&|it| it.payload.clone_from(&next.payload));
            push(&|it| it.salt[0] ^= 1);
            push(&|it| it.salt = [0; 16]);
            push(&|it| it.seq += 1);
        }
    }
    mutants
}

/// Hashes of the tree that are others.
pub(crate) fn of_hashes(files: &Files) -> Vec<Mutant> {
    let mut mutants = Vec::new();
    let tiles = files.iter().filter(|(name, _)| epoch_of(name).1.starts_with("tile/0/"));
    for (name, bytes) in tiles {
        let others = bytes.chunks(32).map(|it| gov_deferred_audit::tlog::leaf_hash(it).to_vec());
        for (at, other) in others.enumerate() {
            for hash in [other, vec![0; 32], vec![0xff; 32]] {
                let mut changed = bytes.clone();
                changed[at * 32..][..32].copy_from_slice(&hash);
                let place = Some((epoch_of(name).0, at as u64));
                mutants.push(Mutant::of("changed hash", name, Some(changed)).at(place));
            }
        }
    }
    mutants
}
