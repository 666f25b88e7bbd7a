//! The log over HTTP: an outside client needs the public key, and nothing of the server's but what
//! it serves.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
};

use gov_deferred_audit::tlog::{
    Hash, bundle,
    checkpoint::Checkpoint,
    edge::Edge,
    key::VerifierKey,
    leaf_hash,
    note::Note,
    receipt::Receipt,
    tile::{TilePlace, bundle_path, bundles_of, tiles_of},
};

use crate::{
    exported::{entries, refusals},
    judge::judge,
    place::Place,
    server::{REFUSED, Server},
    two_gateways::database,
};

/// An auditor, who was given a public key once.
struct Auditor<'a> {
    server: &'a Server,
    token: &'a str,
    key: VerifierKey,
}

/// What an auditor has fetched and judged.
struct Copy {
    dir: PathBuf,
    size: u64,
}

impl Auditor<'_> {
    /// The file of the log, which must be there.
    #[track_caller]
    fn fetch(&self, name: &str) -> Vec<u8> {
        let path = format!("/log/{}/{name}", self.key.name());
        let mut stream = TcpStream::connect(self.server.address).unwrap();
        let (host, token) = (self.server.address, self.token);
        let head = format!(
            "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\
             authorization: Bearer {token}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let end = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap() + 4;
        let body = answer.split_off(end);
        assert!(
            answer.starts_with(b"HTTP/1.1 200 "),
            "{path}: {}",
            String::from_utf8_lossy(&answer)
        );
        body
    }

    fn text(&self, name: &str) -> String {
        String::from_utf8(self.fetch(name)).unwrap()
    }

    /// Fetches the whole log into `dir`, rebuilds its tree, and proves each entry `at` a sequence
    /// number by its receipt.
    fn copy(&self, dir: PathBuf, at: &[u64]) -> Copy {
        let keys = std::slice::from_ref(&self.key);
        let keep = |name: &str, bytes: &[u8]| {
            let path = dir.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        };
        let vkey = self.text("vkey");
        assert_eq!(vkey, format!("{}\n", self.key));
        keep("vkey", vkey.as_bytes());
        let note = self.text("checkpoint");
        let signed = Checkpoint::open(note.as_bytes(), keys).unwrap();
        assert_eq!(signed.origin, self.key.name());
        let (mut edge, mut full) = (Edge::default(), Vec::new());
        for (index, width) in bundles_of(signed.size) {
            let path = bundle_path(index, width);
            let file = self.fetch(&path);
            keep(&path, &file);
            for entry in bundle::split(&file).unwrap() {
                edge.push(leaf_hash(entry), &mut |tile| full.push(tile));
                if at.contains(&edge.size()) {
                    let receipt = self.text(&format!("proof/{}", edge.size()));
                    let receipt = Receipt::parse(&receipt).unwrap();
                    assert_eq!(receipt.index + 1, edge.size());
                    assert_eq!(receipt.verify(entry, keys).unwrap(), signed);
                }
            }
        }
        assert_eq!((edge.size(), edge.root()), (signed.size, signed.root));
        for place in tiles_of(signed.size) {
            let file = self.fetch(&place.path());
            keep(&place.path(), &file);
            let TilePlace { level, index, .. } = place;
            let hashes = full.iter().find(|it| (it.level, it.index) == (level, index));
            let hashes: &[Hash] = hashes.map_or(edge.partial_tile(level), |it| &it.hashes);
            assert_eq!(file, hashes.as_flattened(), "{place:?}");
        }
        keep("checkpoint", note.as_bytes());
        Copy { dir, size: signed.size }
    }
}

impl Copy {
    /// Go judges what came over HTTP, and our own verifier too.
    fn is_whole(&self, place: &Place, more: &[&str]) {
        if let Some(judged) = judge(&self.dir) {
            assert_eq!(judged.ok().out, format!("{} records ok\n", self.size));
        }
        place.verify_export(&self.dir, more).ok();
    }
}

fn key(keys: &Path, epoch: u64) -> VerifierKey {
    let path = keys.join(format!("audit-log.e{epoch}.vkey"));
    fs::read_to_string(path).unwrap().trim().parse().unwrap()
}

fn refuse(server: &Server, token: &str, count: usize) -> Vec<String> {
    (0..count).map(|_| server.check(token, REFUSED).record()).collect()
}

#[test]
fn an_outside_client_rebuilds_the_log_over_http_and_judges_it() {
    let place = Place::new();
    let (agent, auditor) = (place.agent_token(), place.auditor_token());
    let server = place.serve("");
    let known = refuse(&server, &agent, 260);
    let key = key(&place.data_dir().join("keys"), 1);
    let client = Auditor { server: &server, token: &auditor, key };
    let copy = client.copy(place.home().join("copy"), &[1, 2, 255, 256, 257, 260]);
    assert!(copy.size >= 260);
    assert_eq!(refusals(&entries(&copy.dir)), known);
    copy.is_whole(&place, &[]);
    server.stop();
}

#[test]
fn an_epoch_that_ended_is_served_beside_the_one_that_is_written() {
    let place = Place::new();
    let (agent, auditor) = (place.agent_token(), place.auditor_token());
    let log = place.data_dir().join("audit-log.db");
    let server = place.serve("");
    let kept = refuse(&server, &agent, 3);
    server.stop();
    let before = fs::read(&log).unwrap();
    let server = place.serve("");
    refuse(&server, &agent, 4);
    server.stop();
    fs::write(&log, before).unwrap();
    place.accept_rollback("the disk was restored");
    let server = place.serve("");
    let new = refuse(&server, &agent, 2);
    for (epoch, wanted) in [(1, kept), (2, new)] {
        let key = key(&place.data_dir().join("keys"), epoch);
        let client = Auditor { server: &server, token: &auditor, key };
        let copy = client.copy(place.home().join(format!("copy-{epoch}")), &[1, 2]);
        assert_eq!(refusals(&entries(&copy.dir)), wanted, "epoch {epoch}");
        if let Some(judged) = judge(&copy.dir) {
            assert_eq!(judged.ok().out, format!("{} records ok\n", copy.size));
        }
    }
    let [old, new] = [1, 2].map(|epoch| key(&place.data_dir().join("keys"), epoch));
    let client = Auditor { server: &server, token: &auditor, key: new.clone() };
    let first = Note::parse(client.text("first-checkpoint").as_bytes()).unwrap();
    assert_eq!(first.verify(&[old.clone(), new.clone()]).unwrap(), [&new, &old]);
    server.stop();
}

#[test]
fn a_log_in_postgres_is_served_by_either_gateway() {
    let Some(url) = database() else { return };
    let keys = tempfile::tempdir().unwrap();
    let keys = keys.path();
    let (here, there) = (Place::sharing(&url, keys), Place::sharing(&url, keys));
    let (agent, auditor) = (here.agent_token(), here.auditor_token());
    let (a, b) = (here.serve(""), there.serve(""));
    let mut known = refuse(&a, &agent, 3);
    known.extend(refuse(&b, &agent, 3));
    for (server, place) in [(&a, &here), (&b, &there)] {
        let client = Auditor { server, token: &auditor, key: key(keys, 1) };
        let copy = client.copy(place.home().join("copy"), &[1, 6]);
        assert_eq!(refusals(&entries(&copy.dir)), known);
        copy.is_whole(place, &["--key", keys.join("audit-log.e1.vkey").to_str().unwrap()]);
    }
    a.stop();
    b.stop();
}
