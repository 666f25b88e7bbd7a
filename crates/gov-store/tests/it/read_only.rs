//! Tools beside a server in another process.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Stdio},
};

use gov_store::sqlite::open_read_only;

use crate::{child, notes::lines_in};

/// A server in another process, one line for each request.
struct Server {
    process: Child,
    requests: ChildStdin,
    said: BufReader<ChildStdout>,
}

impl Server {
    fn start(dir: &Path) -> Self {
        let mut process = child::command("serve", dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = process.stdin.take().unwrap();
        let said = BufReader::new(process.stdout.take().unwrap());
        let mut server = Self { process, requests, said };
        server.wait_for("acknowledged 1");
        server
    }

    fn write(&mut self, line: i64) {
        self.requests.write_all(b"\n").unwrap();
        self.wait_for(&format!("acknowledged {line}"));
    }

    fn wait_for(&mut self, text: &str) {
        let mut line = String::new();
        while line.trim() != text {
            line.clear();
            assert_ne!(self.said.read_line(&mut line).unwrap(), 0, "the server has gone");
        }
    }

    fn stop(mut self) {
        drop(self.requests);
        assert!(self.process.wait().unwrap().success());
    }

    fn kill(mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

fn files(dir: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(dir).unwrap();
    names.map(|it| it.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn a_reader_sees_each_commit_of_a_server_in_another_process() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    let reader = open_read_only(&dir.path().join("gov.db"), &[]).unwrap();
    assert_eq!(lines_in(&reader).unwrap(), [1]);
    server.write(2);
    assert_eq!(lines_in(&reader).unwrap(), [1, 2]);

    let sees_one_state = reader.unchecked_transaction().unwrap();
    assert_eq!(lines_in(&sees_one_state).unwrap(), [1, 2]);
    server.write(3);
    assert_eq!(lines_in(&sees_one_state).unwrap(), [1, 2]);
    drop(sees_one_state);
    assert_eq!(lines_in(&reader).unwrap(), [1, 2, 3]);
    drop(reader);
    server.write(4);
    server.stop();
}

#[test]
fn a_reader_cannot_write() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path());
    let reader = open_read_only(&dir.path().join("gov.db"), &[]).unwrap();
    reader.execute("delete from note_line", []).unwrap_err();
    reader.pragma_update(None, "query_only", 0).unwrap();
    reader.execute("delete from note_line", []).unwrap_err();
    server.stop();
}

#[test]
fn reading_a_file_at_rest_makes_no_other() {
    let dir = tempfile::tempdir().unwrap();
    Server::start(dir.path()).stop();
    let before = files(dir.path());
    assert_eq!(before, BTreeSet::from(["gov.db".to_owned()]));
    let reader = open_read_only(&dir.path().join("gov.db"), &[]).unwrap();
    assert_eq!(lines_in(&reader).unwrap(), [1]);
    drop(reader);
    assert_eq!(files(dir.path()), before);
}

#[test]
fn what_a_killed_server_left_in_its_log_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let mut server = Server::start(dir.path());
    server.write(2);
    server.kill();
    let reader = open_read_only(&dir.path().join("gov.db"), &[]).unwrap();
    assert_eq!(lines_in(&reader).unwrap(), [1, 2]);
    drop(reader);

    // As in a copy of two files.
    fs::remove_file(dir.path().join("gov.db-shm")).unwrap();
    let reader = open_read_only(&dir.path().join("gov.db"), &[]).unwrap();
    assert_eq!(lines_in(&reader).unwrap(), [1, 2]);
}

#[test]
fn a_missing_file_is_not_made() {
    let dir = tempfile::tempdir().unwrap();
    let error = open_read_only(&dir.path().join("gov.db"), &[]).unwrap_err();
    assert!(error.to_string().contains("gov.db"), "{error}");
    assert!(files(dir.path()).is_empty());
}
