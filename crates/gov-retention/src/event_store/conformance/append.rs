//! What an append keeps.

use std::time::Duration;

use gov_core::{AuditEvent, AuditEventKind, Payload, event::MAX_PAYLOAD_BYTES};

use super::sample::{DAY, all, event, events, first, id, start};
use crate::event_store::{
    Appended, AuditEventStore, Durability, EventFilter, Order, Page, StoreError,
};

/// Nothing is no error.
pub async fn an_empty_store_has_nothing_to_find(store: &dyn AuditEventStore) {
    let filter = EventFilter::default();
    for order in [Order::NewestFirst, Order::OldestFirst] {
        let page = crate::event_store::PageRequest { order, ..first(10) };
        assert_eq!(store.query(&filter, &page).await.unwrap(), Page::default());
    }
    assert_eq!(store.count(&filter).await.unwrap(), 0);
    assert_eq!(store.append(Vec::new(), Durability::Durable).await.unwrap(), Appended::default());
    assert_eq!(store.append_from("log", Vec::new()).await.unwrap(), Appended::default());
}

/// Also what is absent, what is not ASCII, and a kind that no build knows.
pub async fn what_was_stored_reads_back_equal_in_every_field(store: &dyn AuditEventStore) {
    let bare = AuditEvent { agent_id: None, subjects: [].into(), ..event(1, start()) };
    let full = AuditEvent {
        kind: AuditEventKind::Other("mond.landung ☾ '\"%_\\".to_owned()),
        agent_id: Some("agent/α β \u{1f680} '; drop table".parse().unwrap()),
        session_id: Some("sitzung-ß".parse().unwrap()),
        team_id: Some("команда".parse().unwrap()),
        subjects: [
            ("record_id".to_owned(), "rec_1".to_owned()),
            ("ключ \"\\\u{7}".to_owned(), "\u{0} \u{2028} \u{1f680} \n".to_owned()),
            (String::new(), String::new()),
        ]
        .into(),
        trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736".to_owned()),
        payload: Payload::from_parts((0..=255).collect(), *b"\x00salt\xff56789abcde"),
        ..event(2, start() + Duration::from_micros(1))
    };
    let large = AuditEvent {
        payload: Payload::from_parts(vec![b' '; MAX_PAYLOAD_BYTES], [0; 16]),
        ..event(3, start() + Duration::from_micros(999_999))
    };
    let empty = AuditEvent {
        payload: Payload::from_parts(Vec::new(), [0xff; 16]),
        ..event(4, start() + Duration::from_secs(1))
    };
    let mut kept = vec![bare, full, large, empty];
    // Every kind that this build knows, and the ends of the time that can be written.
    for (n, kind) in (10..).zip(AuditEventKind::ALL) {
        let at = start() + Duration::from_secs(n);
        kept.push(AuditEvent { kind: kind.clone(), ..event(n, at) });
    }
    kept.push(event(1000, gov_core::Timestamp::MAX));
    kept.insert(0, event(1001, gov_core::Timestamp::UNIX_EPOCH));
    let done = store.append(kept.clone(), Durability::Spooled).await.unwrap();
    assert_eq!(done, Appended { new: kept.len() as u64, known: 0 });
    assert_eq!(all(store).await, kept);
}

/// Of two with one id in a call, the first stays.
pub async fn an_event_twice_in_one_call_is_kept_once(store: &dyn AuditEventStore) {
    let (one, two) = (event(1, start()), event(2, start()));
    let batch = vec![one.clone(), two.clone(), changed(&one), two.clone(), one.clone()];
    let done = store.append(batch, Durability::Spooled).await.unwrap();
    assert_eq!(done, Appended { new: 2, known: 3 });
    assert_eq!(all(store).await, [one, two]);
}

/// Also where the second call is of the other kind, or durable.
pub async fn an_event_in_two_calls_is_kept_once_and_the_first_stays(store: &dyn AuditEventStore) {
    let (one, two) = (event(1, start()), event(2, start()));
    store.append(vec![one.clone()], Durability::Spooled).await.unwrap();
    for durability in [Durability::Spooled, Durability::Durable] {
        let again = vec![changed(&one), two.clone()];
        let done = store.append(again, durability).await.unwrap();
        let new = u64::from(durability == Durability::Spooled);
        assert_eq!(done, Appended { new, known: 2 - new });
    }
    let done = store.append_from("log", vec![(1, changed(&one))]).await.unwrap();
    assert_eq!(done, Appended { new: 0, known: 1 });
    assert_eq!(all(store).await, [one, two]);
}

/// However many callers there are, between them it is new once.
pub async fn an_event_in_concurrent_calls_is_kept_once(store: &dyn AuditEventStore) {
    let batch = events(20, Duration::from_secs(1));
    let append = || store.append(batch.clone(), Durability::Spooled);
    let reversed = store.append(batch.iter().rev().cloned().collect(), Durability::Spooled);
    let (a, b, c, d) = tokio::join!(append(), append(), reversed, append());
    let done = [a, b, c, d].map(Result::unwrap);
    assert_eq!(done.iter().map(|it| it.new).sum::<u64>(), 20);
    assert!(done.iter().all(|it| it.new + it.known == 20), "{done:?}");
    assert_eq!(all(store).await, batch);
}

/// Sharing a commit takes nobody's event along, nor anybody's answer.
pub async fn concurrent_appends_of_different_events_all_stay(store: &dyn AuditEventStore) {
    let batch = events(64, Duration::from_hours(1));
    let append = |it: &AuditEvent| store.append(vec![it.clone()], Durability::Spooled);
    let mut waiting: Vec<_> = batch.iter().map(append).collect();
    let done = std::future::poll_fn(|cx| {
        let mut done = Vec::new();
        // All are begun before the first has an answer.
        waiting.retain_mut(|it| match it.as_mut().poll(cx) {
            std::task::Poll::Ready(result) => {
                done.push(result.unwrap());
                false
            }
            std::task::Poll::Pending => true,
        });
        assert!(done.iter().all(|it| *it == Appended { new: 1, known: 0 }), "{done:?}");
        if waiting.is_empty() { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    });
    done.await;
    assert_eq!(all(store).await, batch);
}

/// The one that fits, before it or behind it, on its day or another, is not kept either.
pub async fn a_payload_that_is_too_large_is_refused_and_nothing_of_the_batch_is_kept(
    store: &dyn AuditEventStore,
) {
    let large = AuditEvent {
        payload: Payload::from_parts(vec![b' '; MAX_PAYLOAD_BYTES + 1], [0; 16]),
        ..event(2, start())
    };
    let batch = vec![event(1, start()), large, event(3, start() + DAY)];
    let error = store.append(batch, Durability::Spooled).await.unwrap_err();
    let (limit, got) = (MAX_PAYLOAD_BYTES, MAX_PAYLOAD_BYTES + 1);
    assert!(
        matches!(error, StoreError::TooLarge { id: it, limit: l, got: g } if it == id(2) && (l, g) == (limit, got)),
        "{error:?}"
    );
    assert_eq!(all(store).await, []);
}

/// PostgreSQL has no such text; no backend may take what another could not.
pub async fn a_text_with_a_nul_is_refused_and_nothing_of_the_batch_is_kept(
    store: &dyn AuditEventStore,
) {
    let kind = AuditEvent { kind: AuditEventKind::Other("a\0b".to_owned()), ..event(2, start()) };
    let trace = AuditEvent { trace_id: Some("\0".to_owned()), ..event(2, start()) };
    for (bad, name) in [(kind, "kind"), (trace, "trace_id")] {
        let batch = vec![event(1, start()), bad];
        let error = store.append(batch, Durability::Spooled).await.unwrap_err();
        assert!(matches!(error, StoreError::NotText { field, .. } if field == name), "{error:?}");
    }
    assert_eq!(all(store).await, []);
}

/// An acknowledged event is found by the next query, whatever it was promised.
pub async fn both_durabilities_are_found_at_once(store: &dyn AuditEventStore) {
    for (n, durability) in (0..).zip([Durability::Spooled, Durability::Durable]) {
        let it = event(n, start());
        store.append(vec![it.clone()], durability).await.unwrap();
        assert_eq!(all(store).await.last(), Some(&it));
    }
}

/// The same id and time, with other content.
fn changed(event: &AuditEvent) -> AuditEvent {
    AuditEvent { kind: AuditEventKind::AuditGap, trace_id: Some("b".repeat(32)), ..event.clone() }
}
