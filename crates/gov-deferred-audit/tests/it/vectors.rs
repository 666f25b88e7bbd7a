//! The documented vectors of every format, written anew and compared byte for byte.

use std::path::Path;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use gov_core::{ActionDigest, AuditEventKind, Payload, Timestamp, hex::Hex};
use gov_deferred_audit::{
    LogRecord, Verdict,
    entry::{self, Entry},
    epoch::Handover,
    outside_copy::OutsideCopy,
    payload_file::{self, PayloadLine},
    pruned::PruneStatement,
    tlog::{
        Hash,
        checkpoint::Checkpoint,
        cosignature::{WitnessKey, cosign},
        edge::{Edge, complete_root},
        key::{PrivateKey, VerifierKey},
        leaf_hash,
        note::Note,
        proof,
        receipt::Receipt,
        tile,
    },
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const ORIGIN: &str = "example.com/gov/e1";

/// The file `docs/formats/vectors/<name>.json`.
fn documented(name: &str) -> Value {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/vectors");
    let text = std::fs::read_to_string(dir.join(format!("{name}.json"))).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn key() -> PrivateKey {
    key_named(ORIGIN)
}

/// The key whose seed is 32 bytes of 7.
fn key_named(name: &str) -> PrivateKey {
    let seed = [7; 32];
    let public = ed25519_dalek::SigningKey::from_bytes(&seed).verifying_key();
    let id = Sha256::digest([name.as_bytes(), b"\n\x01", public.as_bytes()].concat());
    let secret = STANDARD.encode([&[1], seed.as_slice()].concat());
    PrivateKey::from_text(&format!("PRIVATE+KEY+{name}+{}+{secret}", Hex(&id[..4]))).unwrap()
}

fn records() -> Vec<LogRecord> {
    let refused = LogRecord {
        id: "rec_019b76da80007000800000000000000a".parse().unwrap(),
        at: "2026-01-01T00:00:00.000000Z".parse().unwrap(),
        kind: AuditEventKind::ActionRefused,
        agent_id: Some("coder".parse().unwrap()),
        session_id: Some("s-1".parse().unwrap()),
        policy_version: Some(3),
        verdict: Some(Verdict {
            action_kind: "bash".to_owned(),
            digest: ActionDigest::from_bytes([0xab; 32]),
            decision: "refuse".to_owned(),
            rule_id: Some("no-deletes".parse().unwrap()),
            reason: Some("never \"delete\"\n\u{1f}\u{7f}\\ ü€😀".to_owned()),
        }),
        payload: Payload::from_parts(br#"{"command":"ls"}"#.to_vec(), [7; 16]),
    };
    let plain = LogRecord {
        id: "rec_019b76da80007000800000000000000b".parse().unwrap(),
        kind: AuditEventKind::AdminTokenCreated,
        agent_id: None,
        session_id: None,
        policy_version: None,
        verdict: None,
        payload: Payload::from_parts(b"{}".to_vec(), [8; 16]),
        ..refused.clone()
    };
    vec![refused, plain]
}

fn entries() -> Vec<Vec<u8>> {
    (1..).zip(records()).map(|(seq, it)| entry::encode(&it, seq, ORIGIN).unwrap()).collect()
}

fn signed(size: u64, root: Hash) -> String {
    let text = Checkpoint { origin: ORIGIN.to_owned(), size, root }.to_string();
    let signature = key().sign(text.as_bytes());
    Note::unsigned(text).with_signature(&key().verifier(), signature).to_string()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

struct Leaves(Vec<Hash>);

impl proof::NodeReader for Leaves {
    type Error = std::convert::Infallible;

    fn node(&mut self, height: u32, index: u64) -> Result<Hash, Self::Error> {
        let start = usize::try_from(index << height).unwrap();
        Ok(complete_root(&self.0[start..start + (1 << height)]).unwrap())
    }
}

#[test]
fn entries_are_the_documented_ones() {
    let vectors: Vec<_> = entries()
        .into_iter()
        .map(|it| {
            assert_eq!(Entry::from_bytes(&it).unwrap().to_bytes().unwrap(), it);
            json!({"entry": text(it.clone()), "leaf_hash": Hex(&leaf_hash(&it)).to_string()})
        })
        .collect();
    assert_eq!(json!(vectors), documented("log-entry"));
}

#[test]
fn checkpoints_keys_and_receipts_are_the_documented_ones() {
    let entries = entries();
    let (mut edge, mut leaves) = (Edge::default(), Leaves(Vec::new()));
    let mut checkpoints = vec![signed(0, edge.root())];
    for entry in &entries {
        edge.push(leaf_hash(entry), &mut |_| ());
        leaves.0.push(leaf_hash(entry));
        checkpoints.push(signed(edge.size(), edge.root()));
    }
    let proof = proof::inclusion(&mut leaves, 1, 2).unwrap();
    let receipt = Receipt { index: 1, proof, checkpoint: checkpoints[2].clone() };
    receipt.verify(&entries[1], &[key().verifier()]).unwrap();
    let vectors = json!({
        "checkpoints": checkpoints,
        "private_key": key().to_text().as_str(),
        "receipt_of_the_second_entry": receipt.to_string(),
        "vkey": key().verifier().to_string(),
    });
    assert_eq!(vectors, documented("checkpoint"));
    let read: VerifierKey = vectors["vkey"].as_str().unwrap().parse().unwrap();
    assert_eq!(read, key().verifier());
}

#[test]
fn cosignatures_are_the_documented_ones() {
    let (size, root) = (7, [0xab; 32]);
    let note = Note::parse(signed(size, root).as_bytes()).unwrap();
    let text = note.text().to_owned();
    let witness = key_named("witness.example/w1");
    let cosigned = note.with_line(cosign(&witness, &text, 1_767_225_600));
    let vkey = WitnessKey::from(&witness);
    let vectors = json!({
        "checkpoint": cosigned.to_string(),
        "seconds": 1_767_225_600,
        "signed": format!("cosignature/v1\ntime 1767225600\n{text}"),
        "witness_vkey": vkey.to_string(),
    });
    assert_eq!(vectors, documented("cosignature"));
    let read = Note::parse(vectors["checkpoint"].as_str().unwrap().as_bytes()).unwrap();
    let keys = [vectors["witness_vkey"].as_str().unwrap().parse().unwrap()];
    assert_eq!(read.cosigned(&keys).unwrap()[0].seconds, 1_767_225_600);
}

/// The reason of a new epoch's first entry.
#[test]
fn handovers_are_the_documented_ones() {
    let reason = |checkpoint: &str, size, root: Hash| {
        let handover = Handover::new(checkpoint.to_owned(), size, &root);
        text(gov_core::canonical::to_bytes(&handover).unwrap())
    };
    let known = signed(7, [0xab; 32]);
    let vectors = json!({
        "admin.key_rotated": reason(&known, 7, [0xab; 32]),
        "admin.rollback_accepted": reason(&known, 5, [0xcd; 32]),
    });
    assert_eq!(vectors, documented("handover"));
}

/// The leaves are the numbers from 0, in eight bytes, big-endian.
#[test]
fn roots_and_tile_paths_are_the_documented_ones() {
    let (mut edge, mut vectors) = (Edge::default(), Vec::new());
    for size in 0..=70_000_u64 {
        if [0, 1, 2, 3, 255, 256, 257, 512, 65_536, 70_000].contains(&size) {
            let paths: Vec<_> = tile::tiles_of(size).map(|place| place.path()).collect();
            vectors.push(json!({
                "last_tile_of_each_level": (0..8).filter_map(|level| {
                    paths.iter().rfind(|path| path.starts_with(&format!("tile/{level}/")))
                }).collect::<Vec<_>>(),
                "root": Hex(&edge.root()).to_string(),
                "size": size,
                "tiles": paths.len(),
            }));
        }
        edge.push(leaf_hash(&size.to_be_bytes()), &mut |_| ());
    }
    assert_eq!(json!(vectors), documented("tree"));
}

#[test]
fn payload_lines_are_the_documented_ones() {
    let line = |seq, payload: &[u8]| PayloadLine { seq, salt: [7; 16], payload: payload.to_vec() };
    let lines = [line(1, br#"{"command":"ls"}"#), line(2, b"\xff\n")];
    let mut file = Vec::new();
    for line in &lines {
        line.write(&mut file);
    }
    assert_eq!(payload_file::parse(&file), Some(lines.to_vec()));
    let commits =
        lines.map(|it| Hex(&gov_core::payload::commit(&it.salt, &it.payload)).to_string());
    assert_eq!(json!({"file": text(file), "payload_commits": commits}), documented("payload-file"));
}

#[test]
fn what_a_pruning_says_is_the_documented_one() {
    let said = PruneStatement::new([(1, 39_936), (2, 512)].into()).unwrap();
    let payload = Payload::from_parts(br#"{"by":"ops","reason":"old"}"#.to_vec(), [9; 16]);
    let plain = entry::encode(&records()[1], 700, "example.com/gov/e2").unwrap();
    let entry = Entry {
        id: said.record(),
        kind: AuditEventKind::AdminLogPruned,
        reason: Some(said.text()),
        payload_commit: payload.commit(),
        ..Entry::from_bytes(&plain).unwrap()
    };
    let bytes = entry.to_bytes().unwrap();
    assert_eq!(PruneStatement::parse(&entry.reason.unwrap()), Some(said.clone()));
    let at =
        |epoch, index| json!({"epoch": epoch, "index": index, "pruned": said.covers(epoch, index)});
    let vectors = json!({
        "covers": [at(1, 0), at(1, 39_935), at(1, 39_936), at(2, 0), at(2, 255), at(2, 256), at(2, 512)],
        "entry": text(bytes.clone()),
        "leaf_hash": Hex(&leaf_hash(&bytes)).to_string(),
        "reason": said.text(),
        "record": said.record().to_string(),
    });
    assert_eq!(vectors, documented("pruning"));
}

#[test]
fn the_outside_copy_is_the_documented_one() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("checkpoints.log");
    let (mut copy, _) = OutsideCopy::open(&path).unwrap();
    copy.append(Timestamp::UNIX_EPOCH, &signed(0, gov_deferred_audit::tlog::empty_root())).unwrap();
    let file = std::fs::read_to_string(path).unwrap();
    assert_eq!(json!({"file": file}), documented("outside-copy"));
}
