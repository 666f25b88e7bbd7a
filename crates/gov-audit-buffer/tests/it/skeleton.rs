//! The buffer's first steps.

use gov_audit_buffer::EventBuffer;

use crate::events::event;

#[tokio::test]
async fn what_was_kept_is_there_after_a_restart_in_its_order() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("audit-buffer.db");
    let events: Vec<_> = (0..3).map(event).collect();
    let buffer = EventBuffer::new(&path, 100).unwrap();
    let id = buffer.id();
    for (event, place) in events.iter().zip(1..) {
        assert_eq!(buffer.enqueue(event).await.unwrap(), place);
    }
    buffer.close().await;

    let buffer = EventBuffer::new(&path, 100).unwrap();
    assert_eq!((buffer.id(), buffer.len()), (id, 3));
    buffer.acknowledge(1).await.unwrap();
    let waiting = buffer.peek(10).await.unwrap();
    let decoded: Vec<_> = waiting.iter().map(|it| it.event.decode().unwrap()).collect();
    assert_eq!(decoded, events[1..]);
    buffer.close().await;
}
