//! Where a process dies while it puts a corrupt file aside: the next one brings that to its end.

use std::{fs, path::Path};

use gov_audit_buffer::buffer::CRASH_POINTS;
use gov_core::AuditEventKind;
use gov_store::fault::Fault;

use super::child::{self, CHILD, OPEN, nth, open, path};

#[tokio::test]
async fn wherever_putting_a_file_aside_is_cut_short_it_is_whole_after_the_next_start() {
    for point in CRASH_POINTS {
        for nth in 1..=3 {
            cut_short(point, nth).await;
        }
    }
}

async fn cut_short(point: &'static str, passage: u32) {
    let why = format!("{point} {passage}");
    let dir = tempfile::tempdir().unwrap();
    let buffer = open(dir.path()).unwrap();
    for n in 0..5 {
        buffer.enqueue(&nth(n)).await.unwrap();
    }
    buffer.close().await;
    let garbage = vec![0xa5; 20_000];
    fs::write(path(dir.path()), &garbage).unwrap();

    let said = CHILD.run(dir.path(), OPEN, &Fault::Crash { point, nth: passage });
    let crashed = said.is_empty();
    assert!(crashed || said == ["END"], "{why}: {said:?}");
    // SQLite would take it for the fresh file's.
    let log = dir.path().join("audit-buffer.db-wal");
    let foreign = point == "buffer-after-fresh-file" && crashed;
    if foreign {
        fs::write(log, b"of the broken file").unwrap();
    }

    let buffer = child::open(dir.path()).unwrap();
    let waiting = buffer.peek(10).await.unwrap();
    let kinds: Vec<_> = waiting.iter().map(|it| it.event.kind.clone()).collect();
    assert_eq!(kinds, [AuditEventKind::AuditGap], "{why}");
    buffer.close().await;
    let names = names(dir.path());
    let aside: Vec<_> = names.iter().filter(|it| it.contains(".corrupt-")).collect();
    assert_eq!(aside.len(), 1 + usize::from(foreign), "{why}: {names:?}");
    assert_eq!(fs::read(dir.path().join(aside[0])).unwrap(), garbage, "{why}");
    if foreign {
        assert_eq!(*aside[1], format!("{}-wal", aside[0]), "{why}");
        assert_eq!(fs::read(dir.path().join(aside[1])).unwrap(), b"of the broken file", "{why}");
    }
    assert!(!names.iter().any(|it| it.contains("fresh") || it.contains("unfinished")), "{names:?}");
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
