//! The file of lines against the contract, and what only a file can suffer.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::PathBuf,
    sync::Arc,
};

use async_trait::async_trait;
use gov_audit_buffer::{
    AuditSink, LastKept, cloud_event, for_each_closing_rule, for_each_memory_rule,
    for_each_sink_rule,
    sink::{
        conformance::{self, Receiver, buffer, event, events},
        json_lines::{JsonLinesSink, OpenLinesError},
    },
};
use gov_core::AuditEvent;
use tempfile::TempDir;

#[derive(Debug)]
struct OneFile {
    dir: TempDir,
}

impl OneFile {
    fn new() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("events.jsonl")
    }

    fn sink(&self) -> JsonLinesSink {
        JsonLinesSink::open(self.path()).unwrap()
    }

    fn text(&self) -> Vec<u8> {
        fs::read(self.path()).unwrap()
    }

    fn append(&self, bytes: &[u8]) {
        OpenOptions::new().append(true).open(self.path()).unwrap().write_all(bytes).unwrap();
    }
}

#[async_trait]
impl Receiver for OneFile {
    async fn open(&self) -> Arc<dyn AuditSink> {
        Arc::new(self.sink())
    }

    async fn kept(&self) -> Vec<AuditEvent> {
        self.text()
            .split_inclusive(|it| *it == b'\n')
            .map(|line| cloud_event::decode(line.strip_suffix(b"\n").unwrap()).unwrap())
            .collect()
    }

    async fn closed(&self) -> Arc<dyn AuditSink> {
        let sink = self.sink();
        sink.close().await;
        Arc::new(sink)
    }
}

macro_rules! rule {
    ($name:ident) => {
        #[tokio::test]
        async fn $name() {
            conformance::$name(&OneFile::new()).await;
        }
    };
}

for_each_sink_rule!(rule);
for_each_memory_rule!(rule);
for_each_closing_rule!(rule);

async fn keep(sink: &JsonLinesSink, seqs: impl IntoIterator<Item = u64>) {
    let emitted = sink.emit_batch(&events(buffer(1), seqs)).await;
    assert!(emitted.stopped.is_none(), "{emitted:?}");
}

async fn last(sink: &JsonLinesSink) -> LastKept {
    sink.last_kept(buffer(1)).await.unwrap()
}

#[tokio::test]
async fn wherever_the_last_batch_was_torn_its_whole_lines_stay_and_the_rest_is_put_aside() {
    let it = OneFile::new();
    keep(&it.sink(), 1..=3).await;
    let whole = it.text();
    let ends: Vec<_> = (0..whole.len()).filter(|at| whole[*at] == b'\n').map(|at| at + 1).collect();
    // Around every end of a line, and here and there in between.
    let near = |length: &usize| {
        length.is_multiple_of(41) || ends.iter().any(|end| end.abs_diff(*length) <= 1)
    };
    for length in (0..whole.len()).filter(near) {
        fs::write(it.path(), &whole[..length]).unwrap();
        let sink = it.sink();
        let left = ends.iter().filter(|end| **end <= length).count() as u64;
        let kept = it.text();
        assert_eq!(kept.len(), ends.iter().rfind(|end| **end <= length).copied().unwrap_or(0));
        match last(&sink).await {
            LastKept::At { seq, event_id } => {
                assert_eq!((seq, event_id), (left, Some(event(buffer(1), left).event.id)));
            }
            nothing => assert_eq!((nothing, left), (LastKept::Nothing, 0)),
        }
        keep(&sink, 1..=4).await;
        drop(sink);
        assert_eq!(it.kept().await.len(), 4);
        let torn = it.dir.path().join("events.jsonl.torn");
        let aside = fs::read(&torn).unwrap_or_default();
        assert_eq!(aside, whole[kept.len()..length]);
        if !aside.is_empty() {
            fs::remove_file(torn).unwrap();
        }
    }
}

/// A disk may keep the end of a batch and not its middle.
#[tokio::test]
async fn a_hole_in_the_last_batch_takes_what_is_behind_it_along() {
    let it = OneFile::new();
    keep(&it.sink(), 1..=9).await;
    let mut text = it.text();
    let middle = text.len() / 2;
    text[middle..middle + 9].fill(0);
    fs::write(it.path(), &text).unwrap();
    let sink = it.sink();
    let LastKept::At { seq, .. } = last(&sink).await else { panic!("nothing is left") };
    assert!((1..9).contains(&seq), "{seq}");
    keep(&sink, seq + 1..=9).await;
    assert_eq!(it.kept().await.len(), 9);
}

#[tokio::test]
async fn the_last_event_is_found_behind_megabytes_of_others() {
    let it = OneFile::new();
    let sink = it.sink();
    keep(&sink, 1..=3).await;
    for part in 0..40_u64 {
        let others = events(buffer(2), part * 250 + 1..=part * 250 + 250);
        assert!(sink.emit_batch(&others).await.stopped.is_none());
    }
    assert!(it.text().len() > 3 * 1024 * 1024);
    drop(sink);
    let sink = it.sink();
    assert!(matches!(last(&sink).await, LastKept::At { seq: 3, .. }));
    assert_eq!(sink.last_kept(buffer(3)).await.unwrap(), LastKept::Nothing);
}

#[tokio::test]
async fn only_the_owner_may_read_the_file() {
    let it = OneFile::new();
    let _sink = it.sink();
    assert_eq!(fs::metadata(it.path()).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_second_one_is_told_that_the_file_is_held() {
    let it = OneFile::new();
    let first = it.sink();
    let second = JsonLinesSink::open(it.path());
    assert!(matches!(second, Err(OpenLinesError::Held { .. })), "{second:?}");
    first.close().await;
    let _second = it.sink();
}

#[tokio::test]
async fn what_somebody_else_wrote_behind_the_last_line_is_not_taken_for_ours() {
    let it = OneFile::new();
    let sink = it.sink();
    keep(&sink, 1..=2).await;
    it.append(b"half a li");
    keep(&sink, 3..=4).await;
    assert_eq!(it.kept().await.len(), 4);
}

#[tokio::test]
async fn a_file_that_was_cut_is_not_written_behind_its_hole() {
    let it = OneFile::new();
    let sink = it.sink();
    keep(&sink, 1..=4).await;
    let text = it.text();
    OpenOptions::new().write(true).open(it.path()).unwrap().set_len(9).unwrap();
    let emitted = sink.emit_batch(&events(buffer(1), 5..=5)).await;
    let error = emitted.stopped.unwrap();
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("has 9: somebody cut it"), "{source}");
    drop(sink);
    fs::write(it.path(), text).unwrap();
    let sink = it.sink();
    keep(&sink, 1..=5).await;
    assert_eq!(it.kept().await.len(), 5);
}
