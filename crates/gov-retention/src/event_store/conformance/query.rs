//! What a query finds, and in which order.

use std::time::Duration;

use gov_core::{AuditEvent, AuditEventKind, Timestamp};

use super::sample::{DAY, all_in_pages, event, events, first, start};
use crate::event_store::{
    AuditEventStore, Durability, EventFilter, Order, PageRequest, StoreError,
};

/// Four times on three days, three events each.
pub async fn events_come_newest_first_and_equal_times_by_id(store: &dyn AuditEventStore) {
    let mut kept = crowd(store).await;
    kept.reverse();
    let found = all_in_pages(store, &EventFilter::default(), Order::NewestFirst, 1000).await;
    assert_eq!(found, kept);
    assert_eq!(Order::default(), Order::NewestFirst);
}

/// The exact reverse.
pub async fn events_come_oldest_first_and_equal_times_by_id(store: &dyn AuditEventStore) {
    let kept = crowd(store).await;
    let found = all_in_pages(store, &EventFilter::default(), Order::OldestFirst, 1000).await;
    assert_eq!(found, kept);
}

/// Each field by itself.
pub async fn every_filter_alone_finds_what_it_names(store: &dyn AuditEventStore) {
    let kept = mixture(store).await;
    let any = EventFilter::default;
    let filters = [
        EventFilter { from: Some(start() + Duration::from_hours(30)), ..any() },
        EventFilter { to: Some(start() + Duration::from_hours(30)), ..any() },
        EventFilter { kinds: vec![AuditEventKind::ActionAllowed], ..any() },
        EventFilter { kinds: vec![AuditEventKind::ActionRefused], ..any() },
        EventFilter { kinds: vec![AuditEventKind::Other("moon.landed".to_owned())], ..any() },
        // A kind of its own that is spelled like a known one is that one.
        EventFilter { kinds: vec![AuditEventKind::Other("action.allowed".to_owned())], ..any() },
        EventFilter { agent_id: Some("agent-1".parse().unwrap()), ..any() },
        EventFilter { session_id: Some("session-1".parse().unwrap()), ..any() },
        EventFilter { team_id: Some("team-1".parse().unwrap()), ..any() },
    ];
    for filter in filters {
        assert!(0 < finds_what_fits(store, &filter, &kept).await, "{filter:?} finds nothing");
    }
    for filter in [
        EventFilter { kinds: vec![AuditEventKind::AuditGap], ..any() },
        EventFilter { agent_id: Some("agent-".parse().unwrap()), ..any() },
        EventFilter { session_id: Some("agent-1".parse().unwrap()), ..any() },
        EventFilter { team_id: Some("TEAM-1".parse().unwrap()), ..any() },
    ] {
        assert_eq!(finds_what_fits(store, &filter, &kept).await, 0, "{filter:?}");
    }
}

/// Every pair of fields, and all of them.
pub async fn filters_together_find_what_fits_them_all(store: &dyn AuditEventStore) {
    let kept = mixture(store).await;
    // Each bit switches one field on.
    for bits in 0..64_u8 {
        let on = |bit: u8| bits & (1 << bit) != 0;
        let filter = EventFilter {
            from: on(0).then(|| start() + Duration::from_hours(10)),
            to: on(1).then(|| start() + Duration::from_hours(60)),
            kinds: if on(2) { vec![AuditEventKind::ActionRefused] } else { Vec::new() },
            agent_id: on(3).then(|| "agent-1".parse().unwrap()),
            session_id: on(4).then(|| "session-1".parse().unwrap()),
            team_id: on(5).then(|| "team-1".parse().unwrap()),
        };
        assert!(0 < finds_what_fits(store, &filter, &kept).await, "{filter:?} finds nothing");
    }
}

/// Also a common one beside rare ones.
pub async fn several_kinds_are_one_of_them(store: &dyn AuditEventStore) {
    let kept = mixture(store).await;
    let [allowed, refused] = [AuditEventKind::ActionAllowed, AuditEventKind::ActionRefused];
    let other = AuditEventKind::Other("moon.landed".to_owned());
    for kinds in [
        vec![refused.clone(), other.clone()],
        vec![allowed.clone(), refused.clone()],
        vec![refused.clone(), refused.clone()],
        vec![allowed, refused, other],
    ] {
        let filter = EventFilter { kinds, ..EventFilter::default() };
        assert!(0 < finds_what_fits(store, &filter, &kept).await);
    }
}

/// At a time inside a day, and at midnight.
pub async fn from_is_inclusive_and_to_is_exclusive(store: &dyn AuditEventStore) {
    let micro = Duration::from_micros(1);
    let midnight = start() + DAY;
    for (n, bound) in (0..).zip([start() + Duration::from_hours(6), midnight]) {
        let before = Timestamp::from_micros_clamped(bound.as_micros() - 1);
        let batch: Vec<_> = (0..)
            .zip([before, bound, bound + micro])
            .map(|(i, at)| event(n * 10 + i, at))
            .collect();
        store.append(batch.clone(), Durability::Spooled).await.unwrap();
        let around = |from, to| EventFilter { from, to, ..EventFilter::default() };
        let [first, second, third] = [0, 1, 2].map(|i: usize| batch.get(i).unwrap().clone());
        for (filter, wanted) in [
            (around(Some(bound), Some(bound + micro)), vec![second.clone()]),
            (around(Some(before), Some(bound)), vec![first]),
            (around(Some(bound), Some(bound + micro * 2)), vec![second, third]),
        ] {
            let found = all_in_pages(store, &filter, Order::OldestFirst, 10).await;
            assert_eq!(found, wanted, "{filter:?}");
        }
    }
}

/// No error: nothing lies in it.
pub async fn a_span_that_ends_before_it_begins_is_empty(store: &dyn AuditEventStore) {
    let kept = events(10, DAY / 2);
    store.append(kept, Durability::Spooled).await.unwrap();
    for to in [start() + DAY * 2, start() + DAY, start()] {
        let filter =
            EventFilter { from: Some(start() + DAY * 2), to: Some(to), ..EventFilter::default() };
        assert_eq!(all_in_pages(store, &filter, Order::NewestFirst, 10).await, []);
        assert_eq!(store.count(&filter).await.unwrap(), 0);
    }
}

/// Whatever their size, and where days and equal times are cut.
pub async fn pages_have_no_overlap_and_no_hole(store: &dyn AuditEventStore) {
    let mut kept = crowd(store).await;
    for order in [Order::OldestFirst, Order::NewestFirst] {
        for limit in [1, 2, 3, 4, 5, 7, 11, 12, 13] {
            let found = all_in_pages(store, &EventFilter::default(), order, limit).await;
            assert_eq!(found, kept, "pages of {limit}");
        }
        kept.reverse();
    }
}

/// As above, where most rows are passed over.
pub async fn pages_of_a_filter_have_no_overlap_and_no_hole(store: &dyn AuditEventStore) {
    let kept = mixture(store).await;
    let agent_id = Some("agent-1".parse().unwrap());
    let filter = EventFilter { agent_id, ..EventFilter::default() };
    let mut wanted: Vec<_> = kept.into_iter().filter(|it| fits(&filter, it)).collect();
    for order in [Order::OldestFirst, Order::NewestFirst] {
        for limit in [1, 3, 10] {
            assert_eq!(all_in_pages(store, &filter, order, limit).await, wanted);
        }
        wanted.reverse();
    }
}

/// What comes behind the cursor does not show, what comes before it does, and nothing twice.
pub async fn pages_stay_stable_while_events_are_added_on_either_side(store: &dyn AuditEventStore) {
    for order in [Order::OldestFirst, Order::NewestFirst] {
        // A stretch of days for each order.
        let base = start() + DAY * if order == Order::OldestFirst { 0 } else { 20 };
        let number = if order == Order::OldestFirst { 0 } else { 1000 };
        let span =
            EventFilter { from: Some(base), to: Some(base + DAY * 10), ..EventFilter::default() };
        let at = |n: u64, hours: u32| event(number + n, base + Duration::from_hours(hours.into()));
        let kept: Vec<_> = (0..20).map(|n| at(n.into(), n * 10)).collect();
        store.append(kept.clone(), Durability::Spooled).await.unwrap();
        let mut request = PageRequest { order, after: None, limit: 6 };
        let page = store.query(&span, &request).await.unwrap();
        request.after = page.next;
        let mut found = page.events;

        let early = vec![at(100, 5), at(101, 15), at(102, 45)];
        let late = vec![at(103, 145), at(104, 150), at(105, 185)];
        store.append([early.clone(), late.clone()].concat(), Durability::Spooled).await.unwrap();
        while request.after.is_some() {
            let page = store.query(&span, &request).await.unwrap();
            assert_ne!(page.next, request.after, "the pages stand still");
            request.after = page.next;
            found.extend(page.events);
        }
        let ahead = if order == Order::OldestFirst { late } else { early };
        let mut wanted = [kept, ahead].concat();
        wanted.sort_by_key(|it| (it.at, it.id));
        if order == Order::NewestFirst {
            wanted.reverse();
        }
        assert_eq!(found, wanted, "{order:?}");
    }
}

/// Also if it is exactly full.
pub async fn the_last_page_has_no_next(store: &dyn AuditEventStore) {
    store.append(events(4, Duration::from_secs(1)), Durability::Spooled).await.unwrap();
    for order in [Order::OldestFirst, Order::NewestFirst] {
        for (limit, more) in [(3, true), (4, false), (5, false)] {
            let request = PageRequest { order, ..first(limit) };
            let page = store.query(&EventFilter::default(), &request).await.unwrap();
            assert_eq!(page.next.is_some(), more, "{order:?}, {limit}");
            let last = page.events.last().map(|it| (it.at, it.id));
            assert_eq!(page.next.map(|it| (it.at, it.id)), last.filter(|_| more));
        }
    }
}

/// Both ends.
pub async fn a_limit_outside_1_to_1000_is_refused(store: &dyn AuditEventStore) {
    for limit in [0, 1001, u32::MAX] {
        let error = store.query(&EventFilter::default(), &first(limit)).await.unwrap_err();
        assert!(matches!(error, StoreError::PageLimit { got } if got == limit), "{error:?}");
    }
}

/// The largest that may be asked for.
pub async fn a_page_of_1000_is_given_whole(store: &dyn AuditEventStore) {
    let kept = events(1001, Duration::from_mins(2));
    store.append(kept.clone(), Durability::Spooled).await.unwrap();
    let page = store.query(&EventFilter::default(), &first(1000)).await.unwrap();
    assert_eq!(page.events, kept.get(..1000).unwrap());
    let request = PageRequest { after: page.next, ..first(1000) };
    let page = store.query(&EventFilter::default(), &request).await.unwrap();
    assert_eq!(page.events, kept.get(1000..).unwrap());
}

/// With and without a filter.
pub async fn a_count_is_the_length_of_all_pages(store: &dyn AuditEventStore) {
    let kept = mixture(store).await;
    let from = Some(start() + Duration::from_hours(7));
    let kinds = vec![AuditEventKind::ActionRefused];
    for filter in [
        EventFilter::default(),
        EventFilter { from, ..EventFilter::default() },
        EventFilter { from, kinds, ..EventFilter::default() },
    ] {
        let paged = all_in_pages(store, &filter, Order::NewestFirst, 7).await.len();
        assert_eq!(store.count(&filter).await.unwrap(), paged as u64);
        assert_eq!(paged, kept.iter().filter(|it| fits(&filter, it)).count());
    }
}

/// Appends twelve events at four times on three days, against every order; returns them in order.
async fn crowd(store: &dyn AuditEventStore) -> Vec<AuditEvent> {
    let mut batch = Vec::new();
    for (n, hours) in [30, 5, 60, 31, 5, 60, 31, 30, 60, 5, 30, 31].into_iter().enumerate() {
        // Ids fall while they are appended, so no order comes from the appending.
        batch.push(event(99 - n as u64, start() + Duration::from_hours(hours)));
    }
    for part in batch.chunks(5) {
        store.append(part.to_vec(), Durability::Spooled).await.unwrap();
    }
    batch.sort_by_key(|it| (it.at, it.id));
    batch
}

/// Appends events of several days in which every combination of the filters' values is there.
async fn mixture(store: &dyn AuditEventStore) -> Vec<AuditEvent> {
    let kinds = [
        AuditEventKind::ActionAllowed,
        AuditEventKind::ActionRefused,
        AuditEventKind::Other("moon.landed".to_owned()),
    ];
    let mut kept = Vec::new();
    for n in 0..81_u64 {
        let pick = |step: u64| n / step % 3;
        let name = |what: &str, step| match pick(step) {
            0 => None,
            which => Some(format!("{what}-{which}")),
        };
        kept.push(AuditEvent {
            kind: kinds.get(usize::try_from(pick(1)).unwrap()).unwrap().clone(),
            agent_id: name("agent", 3).map(|it| it.parse().unwrap()),
            session_id: name("session", 9).map(|it| it.parse().unwrap()),
            team_id: name("team", 27).map(|it| it.parse().unwrap()),
            ..event(n, start() + Duration::from_hours(n))
        });
    }
    store.append(kept.clone(), Durability::Spooled).await.unwrap();
    kept
}

/// Checks one filter in both orders, and returns how many it finds.
async fn finds_what_fits(
    store: &dyn AuditEventStore,
    filter: &EventFilter,
    kept: &[AuditEvent],
) -> usize {
    let mut wanted: Vec<_> = kept.iter().filter(|it| fits(filter, it)).cloned().collect();
    let found = all_in_pages(store, filter, Order::OldestFirst, 1000).await;
    assert_eq!(found, wanted, "{filter:?}");
    wanted.reverse();
    let found = all_in_pages(store, filter, Order::NewestFirst, 1000).await;
    assert_eq!(found, wanted, "{filter:?}");
    assert_eq!(store.count(filter).await.unwrap(), wanted.len() as u64, "{filter:?}");
    wanted.len()
}

/// The filter in plain words.
#[must_use]
pub fn fits(filter: &EventFilter, event: &AuditEvent) -> bool {
    let named = |it: &AuditEventKind| it.as_str() == event.kind.as_str();
    filter.from.is_none_or(|from| from <= event.at)
        && filter.to.is_none_or(|to| event.at < to)
        && (filter.kinds.is_empty() || filter.kinds.iter().any(named))
        && (filter.agent_id.is_none() || filter.agent_id == event.agent_id)
        && (filter.session_id.is_none() || filter.session_id == event.session_id)
        && (filter.team_id.is_none() || filter.team_id == event.team_id)
}
