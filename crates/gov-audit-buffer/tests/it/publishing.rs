//! What becomes of an event that is handed in.

use gov_audit_buffer::{AuditPublisher, EventBuffer, Published, sink::memory::MemorySink};
use std::sync::Arc;

use crate::events::event;

#[tokio::test]
async fn what_is_published_while_the_sink_is_down_reaches_it_first_in_first_out_when_it_is_back() {
    let dir = tempfile::tempdir().unwrap();
    let buffer = EventBuffer::new(dir.path().join("audit-buffer.db"), 100).unwrap();
    let sink = MemorySink::new();
    let publisher = AuditPublisher::new(Arc::new(sink.clone()), buffer.clone());
    sink.go_down();
    let events: Vec<_> = (0..3).map(event).collect();
    for (event, seq) in events.iter().zip(1..) {
        assert_eq!(publisher.publish(event.clone()).await, Published::Durable { seq });
    }
    assert_eq!((publisher.flush_pending().await, publisher.buffered_len()), (0, 3));
    sink.come_up();
    assert_eq!((publisher.flush_pending().await, publisher.buffered_len()), (3, 0));
    assert_eq!(sink.kept_ids(), events.iter().map(|it| it.id).collect::<Vec<_>>());
    buffer.close().await;
}
