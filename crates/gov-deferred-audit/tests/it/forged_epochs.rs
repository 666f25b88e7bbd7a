//! A middle epoch is forged by who has its key: the next epoch says what it was.

use std::{fs, path::Path};

use gov_deferred_audit::{
    entry::Entry,
    epoch::Handover,
    payload_file::{self, PayloadLine},
    tlog::{
        bundle, checkpoint::Checkpoint, edge::Edge, key::PrivateKey, leaf_hash, note::Note, tile,
    },
    verify::{Finding, Report, VerifyOptions, verify_database, verify_export},
};
use rusqlite::{Connection, params};

use crate::{fixture::Fixture, rotations::rotated_twice};

/// Everything that an epoch of less than 256 records is.
#[derive(Clone)]
struct Epoch {
    entries: Vec<Vec<u8>>,
    payloads: Vec<PayloadLine>,
}

impl Epoch {
    fn read(dir: &Path) -> Self {
        let only = |folder: &str| {
            let files = crate::fixture::files(&dir.join(folder));
            assert_eq!(files.len(), 1);
            fs::read(&files[0]).unwrap()
        };
        let bytes = only("tile/entries");
        let entries = bundle::split(&bytes).unwrap().into_iter().map(<[u8]>::to_vec).collect();
        Self { entries, payloads: payload_file::parse(&only("payload")).unwrap() }
    }

    fn first(&self, count: usize) -> Self {
        Self { entries: self.entries[..count].to_vec(), payloads: self.payloads[..count].to_vec() }
    }

    /// Each entry at the other's place, and saying so.
    fn swapped(&self, a: usize, b: usize) -> Self {
        let mut it = self.clone();
        it.entries.swap(a, b);
        it.payloads.swap(a, b);
        it.renumber(a, b + 1);
        it.renumber(b, a + 1);
        it
    }

    fn renumber(&mut self, at: usize, from: usize) {
        let seq = |n: usize| format!("\"seq\":{n},");
        let text = String::from_utf8(self.entries[at].clone()).unwrap();
        self.entries[at] = text.replace(&seq(from), &seq(at + 1)).into_bytes();
        self.payloads[at].seq = at as u64 + 1;
    }

    /// The entry, saying that it happened at another time.
    fn forged(&self, at: usize) -> Self {
        let mut it = self.clone();
        let text = String::from_utf8(it.entries[at].clone()).unwrap();
        it.entries[at] = text.replace("\"ts\":\"20", "\"ts\":\"29").into_bytes();
        it
    }

    fn edge(&self) -> Edge {
        let mut edge = Edge::default();
        self.entries.iter().for_each(|it| edge.push(leaf_hash(it), &mut |_| ()));
        edge
    }

    fn checkpoint(&self, key: &PrivateKey) -> String {
        let (edge, origin) = (self.edge(), key.verifier().name().to_owned());
        let text = Checkpoint { origin, size: edge.size(), root: edge.root() }.to_string();
        let signature = key.sign(text.as_bytes());
        Note::unsigned(text).with_signature(&key.verifier(), signature).to_string()
    }

    /// Puts the epoch in the place of the exported one.
    fn export(&self, key: &PrivateKey, dir: &Path) {
        for folder in ["tile", "payload"] {
            let _ = fs::remove_dir_all(dir.join(folder));
        }
        fs::write(dir.join("checkpoint"), self.checkpoint(key)).unwrap();
        let Ok(width @ 1..) = u16::try_from(self.entries.len()) else { return };
        let (mut entries, mut payloads) = (Vec::new(), Vec::new());
        self.entries.iter().for_each(|it| bundle::push(&mut entries, it).unwrap());
        self.payloads.iter().for_each(|it| it.write(&mut payloads));
        let hashes = tile::encode(self.edge().partial_tile(0));
        for (folder, bytes) in
            [("tile/entries", entries), ("tile/0", hashes), ("payload", payloads)]
        {
            let path = dir.join(folder).join(tile::index_path(0, width));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }

    /// Puts the epoch in the place of the stored one.
    fn store(&self, key: &PrivateKey, epoch: i64, database: &Path) {
        let mut connection = Connection::open(database).unwrap();
        let tx = connection.transaction().unwrap();
        for table in ["audit_log_entry", "audit_log_payload"] {
            tx.execute(&format!("delete from {table} where epoch = ?1"), [epoch]).unwrap();
        }
        for (seq, (entry, it)) in (1_i64..).zip(self.entries.iter().zip(&self.payloads)) {
            let place = epoch << 40 | seq;
            let id = Entry::from_bytes(entry).unwrap().id;
            tx.execute(
                "insert into audit_log_entry (place, record_id, entry) values (?1, ?2, ?3)",
                params![place, id.as_uuid().as_bytes(), entry],
            )
            .unwrap();
            tx.execute(
                "insert into audit_log_payload (place, salt, payload) values (?1, ?2, ?3)",
                params![place, it.salt, it.payload],
            )
            .unwrap();
        }
        let edge = self.edge();
        let size = i64::try_from(edge.size()).unwrap();
        tx.execute(
            "update audit_log_checkpoint set size = ?2, root = ?3, note = ?4 where epoch = ?1",
            params![epoch, size, edge.root(), self.checkpoint(key)],
        )
        .unwrap();
        tx.commit().unwrap();
    }
}

/// As forgiving as a verifier can be.
fn forgiving(it: &Fixture) -> VerifyOptions {
    let keys = (1..=3).map(|epoch| it.vkey(epoch)).collect();
    VerifyOptions { from_epoch: 4, ..VerifyOptions::trusting(keys) }
}

fn judged(it: &Fixture, epoch: &Epoch, key: &PrivateKey) -> [Report; 2] {
    epoch.export(key, &it.export_dir().join("epoch/2"));
    epoch.store(key, 2, &it.config.database);
    let options = forgiving(it);
    [
        verify_database(&it.config.database, &options).unwrap(),
        verify_export(&it.export_dir(), &options).unwrap(),
    ]
}

fn private_key(it: &Fixture, epoch: u64) -> PrivateKey {
    let path = it.config.keys.join(format!("audit-log.e{epoch}.key"));
    PrivateKey::from_text(fs::read_to_string(path).unwrap().trim()).unwrap()
}

#[tokio::test]
async fn a_middle_epoch_that_its_key_signed_anew_is_found_by_what_the_next_one_was_handed() {
    let it = rotated_twice().await;
    it.export();
    it.tamper("");
    let key = private_key(&it, 2);
    let whole = Epoch::read(&it.export_dir().join("epoch/2"));
    let count = whole.entries.len();
    assert_eq!(count, 8);

    let mut forged: Vec<_> = (0..count).map(|length| ("cut", whole.first(length))).collect();
    forged.extend((1..count).map(|at| ("forged", whole.forged(at))));
    for a in 1..count {
        forged.extend((a + 1..count).map(|b| ("swapped", whole.swapped(a, b))));
    }
    assert_eq!(forged.len(), 8 + 7 + 21);
    for (how, epoch) in forged {
        assert!(epoch.entries != whole.entries, "{how}: nothing changed");
        for report in judged(&it, &epoch, &key) {
            let found = |it: &&Finding| it.epoch == 3 && it.index == Some(0) && it.what == "reason";
            assert!(report.findings.iter().any(|it| found(&it)), "{how}: {:?}", report.findings);
            // Nothing else gives it away, but an epoch without its own first entry.
            let others = report.findings.iter().filter(|it| !found(it)).count();
            assert_eq!(others, usize::from(epoch.entries.is_empty()), "{how}: {report:?}");
        }
    }
    for report in judged(&it, &whole, &key) {
        assert!(report.is_ok(), "{:?}", report.first_bad());
    }
}

#[tokio::test]
async fn whoever_has_all_keys_cannot_pass_a_loss_off_as_a_rotation() {
    let it = rotated_twice().await;
    it.export();
    let [old, new] = [2, 3].map(|epoch| private_key(&it, epoch));
    let (dir, before) = (it.export_dir(), it.export_dir().join("epoch/2"));
    let (cut, mut after) = (Epoch::read(&before).first(5), Epoch::read(&dir));
    let mut entry = Entry::from_bytes(&after.entries[0]).unwrap();
    let handover: Handover = serde_json::from_str(&entry.reason.unwrap()).unwrap();
    let handover = Handover::new(handover.checkpoint, 5, &cut.edge().root());
    let handover = gov_core::canonical::to_bytes(&handover).unwrap();
    entry.reason = Some(String::from_utf8(handover).unwrap());
    after.entries[0] = entry.to_bytes().unwrap();
    cut.export(&old, &before);
    after.export(&new, &dir);
    let first = Note::parse(after.first(1).checkpoint(&new).as_bytes()).unwrap();
    let signature = old.sign(first.text().as_bytes());
    let first = first.with_signature(&old.verifier(), signature);
    fs::write(dir.join("first-checkpoint"), first.to_string()).unwrap();

    let report = verify_export(&dir, &forgiving(&it)).unwrap();
    let [finding] = report.findings.as_slice() else { panic!("{:?}", report.findings) };
    assert_eq!((finding.epoch, finding.index), (3, Some(0)));
    assert_eq!(finding.why, "the key was rotated, and 5 of 8 records were handed over");
}
