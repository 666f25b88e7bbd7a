//! Who has a buffer's file.

use gov_audit_buffer::{EventBuffer, buffer::OpenBufferError};

use crate::events::event;

#[tokio::test]
async fn a_second_owner_is_refused_and_told_who_has_the_buffer() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit-buffer.db");
    let buffer = EventBuffer::new(&path, 100).unwrap();
    buffer.enqueue(&event(1)).await.unwrap();

    let error = EventBuffer::new(&path, 100).unwrap_err();
    let OpenBufferError::Held { holder, .. } = &error else { panic!("{error}") };
    assert_eq!(*holder, format!("process {}", std::process::id()));
    assert!(error.to_string().contains("name another file"), "{error}");

    // It did no harm, and the file is free once it is closed.
    buffer.enqueue(&event(2)).await.unwrap();
    buffer.close().await;
    let buffer = EventBuffer::new(&path, 100).unwrap();
    assert_eq!(buffer.len(), 2);
    buffer.close().await;
}
