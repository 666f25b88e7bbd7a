//! What a tool sees of a buffer's file, beside the process that has it and at rest.

use gov_audit_buffer::{EventBuffer, at_rest};

use crate::events::event;

#[tokio::test]
async fn a_file_is_looked_into_at_rest_and_is_not_changed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit-buffer.db");
    assert!(at_rest::status(&path).is_err(), "nothing is made");
    let events: Vec<_> = (0..5).map(event).collect();
    let buffer = EventBuffer::new(&path, 100).unwrap();
    for event in &events {
        buffer.enqueue(event).await.unwrap();
    }
    buffer.acknowledge(1).await.unwrap();
    buffer.dead_letter(2, "too odd", 8).await.unwrap();
    let (running, waiting) = (buffer.status().await.unwrap(), buffer.peek(100).await.unwrap());
    let letters = buffer.dead_letters(0, 10).await.unwrap();
    buffer.close().await;

    let before = std::fs::read(&path).unwrap();
    let status = at_rest::status(&path).unwrap();
    assert_eq!((status.id, status.waiting, status.acked), (running.id, running.waiting, 2));
    assert_eq!((status.dead_letters, status.oldest_waiting_at), (1, running.oldest_waiting_at));
    assert_eq!(at_rest::peek(&path, 100).unwrap(), waiting);
    assert_eq!(at_rest::peek(&path, 1).unwrap(), waiting[..1]);
    assert_eq!(at_rest::dead_letters(&path, 0, 10).unwrap(), letters);
    assert_eq!(at_rest::dead_letters(&path, letters[0].number, 10).unwrap(), []);
    assert_eq!(at_rest::corrupt_files(&path).unwrap(), Vec::<std::path::PathBuf>::new());
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let mut names: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|it| it.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["audit-buffer.ballast", "audit-buffer.db", "audit-buffer.db.lock"]);
}
