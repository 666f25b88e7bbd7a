//! What holds for the dead letters on every database.

use std::time::Duration;

use gov_core::{
    AuditEventKind, Health as _, HealthState, Payload, RecordId,
    canonical::{self, value_to_bytes},
    hex::Hex,
};
use serde_json::{Value, json};

use super::{Deployment, append, told, whole};
use crate::{
    dead_letter::{DeadLetter, DeadLetterError, LetterPlace, Lies, PAGE_BYTES, Replayed},
    entry,
    record::{LogRecord, MAX_PAYLOAD_BYTES},
    signed_log::SignedLog,
    sink::{AppendOutcome, DeferredAuditSink as _},
};

/// Every part at its worst, and every part absent.
pub async fn a_dead_letter_is_kept_and_read_back_part_for_part(it: &dyn Deployment) {
    let log = it.open().await;
    let mut full = it.record(1);
    full.kind = AuditEventKind::Other("moon\0landed".to_owned());
    full.policy_version = Some(u64::MAX);
    full.verdict.as_mut().unwrap().reason = Some("\0 and 😀".to_owned());
    full.payload = Payload::from_parts(vec![0xff; MAX_PAYLOAD_BYTES + 1], [5; 16]);
    let bare = LogRecord {
        agent_id: None,
        session_id: None,
        policy_version: None,
        verdict: None,
        payload: Payload::from_parts(Vec::new(), [6; 16]),
        ..it.record(2)
    };
    let dead_at = it.clock().now();
    assert_eq!(log.sink().append(std::slice::from_ref(&full)).await, [AppendOutcome::DlqLanded]);
    die(&log, &bare, "it panics\0").await;
    let letter = log.dead_letter(full.id).await.unwrap().unwrap();
    let verdict = full.verdict.clone().unwrap();
    let wanted = DeadLetter {
        id: full.id,
        at: full.at,
        kind: "moon\0landed".to_owned(),
        agent_id: Some("coder".to_owned()),
        session_id: Some("s-1".to_owned()),
        policy_version: Some("18446744073709551615".to_owned()),
        action_kind: Some(verdict.action_kind),
        digest: Some(vec![3; 32]),
        decision: Some(verdict.decision),
        rule_id: Some("no-deletes".to_owned()),
        reason: verdict.reason,
        payload: full.payload.clone(),
        why: "`payload` must be at most 1114112; received 1114113".to_owned(),
        dead_at,
        lies: Lies::Table,
    };
    assert_eq!((&letter, letter.record().unwrap()), (&wanted, full));
    let letter = log.dead_letter(bare.id).await.unwrap().unwrap();
    let absent = (&letter.agent_id, &letter.action_kind, &letter.digest, &letter.reason);
    assert_eq!(absent, (&None, &None, &None, &None));
    assert_eq!((letter.record().unwrap(), letter.why.as_str()), (bare, "it panics\0"));
    assert_eq!(log.dead_letter(it.record(3).id).await.unwrap(), None);
}

/// Who died at the same time is ordered by id; a page of large ones is shorter.
pub async fn dead_letters_are_read_in_order_of_death_and_page_by_page(it: &dyn Deployment) {
    let log = it.open().await;
    let mut records = it.records(12);
    for record in &mut records[10..] {
        let large = vec![b' '; usize::try_from(PAGE_BYTES).unwrap()];
        record.payload = Payload::from_parts(large, [0; 16]);
    }
    for pair in records.chunks(2) {
        for record in pair {
            die(&log, record, "it panics").await;
        }
        it.clock().sleep_until(it.clock().now() + Duration::from_secs(1)).await;
    }
    let mut wanted: Vec<_> = records.iter().map(|it| it.id).collect();
    wanted.chunks_mut(2).for_each(<[_]>::sort);
    let (mut read, mut sizes, mut after) = (Vec::<DeadLetter>::new(), Vec::new(), None);
    loop {
        let page = log.dead_letters(after, 4).await.unwrap();
        sizes.push(page.len());
        let Some(last) = page.last() else { break };
        after = Some(last.place().to_string().parse::<LetterPlace>().unwrap());
        read.extend(page);
    }
    assert_eq!(read.iter().map(|it| it.id).collect::<Vec<_>>(), wanted);
    assert!(read.is_sorted_by_key(DeadLetter::place));
    assert_eq!(sizes, [4, 4, 3, 1, 0]);
    // Where the last of a page is gone meanwhile, the next page begins behind its place.
    let _ = log.replay_dead_letter(wanted[3]).await.unwrap();
    let next = log.dead_letters(Some(read[3].place()), 1).await.unwrap();
    assert_eq!(next[0].id, wanted[4]);
}

/// Id, time and salt are those of the submit; the log's checks see nothing of where it was.
pub async fn a_replayed_dead_letter_makes_the_leaf_that_it_would_have_made(it: &dyn Deployment) {
    let log = it.open().await;
    append(&log, &it.records(255)).await;
    let dead = it.records(3);
    for record in &dead {
        die(&log, record, "it panics").await;
    }
    it.clock().sleep_until(it.clock().now() + Duration::from_mins(1)).await;
    let replayed = log.replay_dead_letter(dead[1].id).await.unwrap();
    assert_eq!((replayed.appended, replayed.still_dead), (vec![(dead[1].id, 256)], vec![]));
    let rest = log.replay_dead_letters(None, 10).await.unwrap();
    assert_eq!((rest.appended.len(), &rest.still_dead), (2, &vec![]));
    for record in &dead {
        let (_, seq) = log.find(record.id).await.unwrap().unwrap();
        let stored = &log.records_after(seq - 1, 1).await.unwrap()[0];
        assert_eq!(stored.entry, entry::encode(record, seq, log.key().name()).unwrap());
        assert_eq!(stored.payload.as_ref(), Some(&record.payload));
        assert_eq!(log.dead_letter(record.id).await.unwrap(), None);
        // It is as any other record now.
        let seq = AppendOutcome::Appended { seq };
        assert_eq!(log.sink().append(std::slice::from_ref(record)).await, [seq]);
    }
    assert_eq!((whole(&log).await.len(), told(&log).size), (258, 258));
    assert_eq!(log.replay_dead_letters(None, 10).await.unwrap(), Replayed::default());
    // What is asked for again is told again.
    let again = log.replay_dead_letter(dead[1].id).await.unwrap();
    assert_eq!(again.appended, [(dead[1].id, 256)]);
}

/// Looked at once by whoever goes on at `next`, however many stay.
pub async fn what_is_refused_again_stays_with_the_reason_of_now_and_holds_up_nobody(
    it: &dyn Deployment,
) {
    let log = it.open().await;
    let mut dead = it.records(9);
    for record in &mut dead[..6] {
        record.verdict.as_mut().unwrap().reason = Some("r".repeat(1025));
    }
    for record in &dead {
        die(&log, record, "an older limit").await;
        it.clock().sleep_until(it.clock().now() + Duration::from_secs(1)).await;
    }
    let before = log.dead_letters(None, 9).await.unwrap();
    let (mut after, mut looked) = (None, Vec::new());
    loop {
        let step = log.replay_dead_letters(after, 2).await.unwrap();
        looked.extend(step.still_dead.iter().map(|(id, _)| *id));
        looked.extend(step.appended.iter().map(|(id, _)| *id));
        let Some(next) = step.next else { break };
        after = Some(next);
    }
    assert_eq!(looked, before.iter().map(|it| it.id).collect::<Vec<_>>());
    let letters = log.dead_letters(None, 10).await.unwrap();
    let why = "`reason` must be at most 1024; received 1025".to_owned();
    let wanted = before[..6].iter().map(|it| DeadLetter { why: why.clone(), ..it.clone() });
    assert!(letters.into_iter().eq(wanted), "only the reason changes");
    assert_eq!(whole(&log).await, dead[6..].iter().map(|it| it.id).collect::<Vec<_>>());
}

/// Asked for again, and after the same record died again, it is the same one.
pub async fn a_discarded_dead_letter_leaves_one_record_that_says_so(it: &dyn Deployment) {
    let log = it.open().await;
    let mut dead = it.record(0);
    // Too long for the log, so not said in full.
    dead.kind = AuditEventKind::Other("é".repeat(300));
    die(&log, &dead, "it panics").await;
    let letter = log.dead_letter(dead.id).await.unwrap().unwrap();
    let discarded = log.discard_dead_letter(dead.id, "per_7", "a test record").await.unwrap();
    assert_eq!((discarded.record, discarded.seq), (DeadLetter::discarded_as(dead.id), 1));
    let stored = &log.records_after(0, 1).await.unwrap()[0];
    let entry = entry::Entry::from_bytes(&stored.entry).unwrap();
    assert_eq!(entry.kind, AuditEventKind::AuditDeadLetterDiscarded);
    let said: Value = gov_core::json::parse(stored.payload.as_ref().unwrap().as_bytes()).unwrap();
    let digest = letter.content_digest().unwrap();
    let wanted = json!({
        "by": "per_7", "dead_at": letter.dead_at, "digest": Hex(&digest).to_string(),
        "id": dead.id, "kind": "é".repeat(128), "reason": "a test record", "why": "it panics",
    });
    assert_eq!(said, wanted);
    // What is given up can be told from everything else, by whoever has it.
    let parts = json!({
        "action_kind": "bash", "agent_id": "coder", "at": dead.at, "decision": "refuse",
        "digest": "03".repeat(32), "id": dead.id, "kind": "é".repeat(300),
        "payload_commit": Hex(&dead.payload.commit()).to_string(), "policy_version": "1",
        "reason": "deletes outside the working directory", "rule_id": "no-deletes",
        "session_id": "s-1",
    });
    assert_eq!(digest, canonical::sha256(&value_to_bytes(&parts)));
    assert_eq!(log.discard_dead_letter(dead.id, "per_8", "again").await.unwrap(), discarded);
    die(&log, &dead, "it panics").await;
    assert_eq!(log.discard_dead_letter(dead.id, "per_8", "again").await.unwrap(), discarded);
    assert_eq!((log.dlq_size().await.unwrap(), whole(&log).await.len()), (0, 1));
}

/// Typed by the next move, and nothing is changed.
pub async fn a_discard_says_what_to_do_where_there_is_nothing_to_discard(it: &dyn Deployment) {
    let log = it.open().await;
    let [logged, dead, unknown] = [0, 1, 2].map(|n| it.record(n));
    append(&log, std::slice::from_ref(&logged)).await;
    die(&log, &dead, "it panics").await;
    let discard = async |id, by: &str, reason: &str| {
        log.discard_dead_letter(id, by, reason).await.unwrap_err()
    };
    let error = discard(logged.id, "per_7", "a test").await;
    assert!(matches!(error, DeadLetterError::InTheLog { epoch: 1, seq: 1, .. }), "{error}");
    let error = discard(unknown.id, "per_7", "a test").await;
    assert!(matches!(error, DeadLetterError::NotFound { id } if id == unknown.id), "{error}");
    let error = log.replay_dead_letter(unknown.id).await.unwrap_err();
    assert!(matches!(error, DeadLetterError::NotFound { id } if id == unknown.id), "{error}");
    let error = discard(dead.id, "per_7", " ").await;
    assert!(matches!(error, DeadLetterError::NoReason), "{error}");
    for (by, reason) in [("x".repeat(1025), "x".to_owned()), ("x".to_owned(), "x".repeat(1025))] {
        let error = discard(dead.id, &by, &reason).await;
        assert!(matches!(error, DeadLetterError::TooLarge(it) if it.got == 1025), "{error}");
    }
    assert_eq!((log.dlq_size().await.unwrap(), whole(&log).await.len()), (1, 1));
    let _ = log.discard_dead_letter(dead.id, &"x".repeat(1024), &"x".repeat(1024)).await.unwrap();
}

/// As when two nodes start at once.
pub async fn two_who_replay_at_once_append_each_record_once(it: &dyn Deployment) {
    let (first, second) = (it.open().await, it.open().await);
    let dead = it.records(60);
    for record in &dead {
        die(&first, record, "it panics").await;
    }
    let (a, b) = tokio::join!(replay_all(&first), replay_all(&second));
    let mut appended = [a, b].concat();
    appended.sort_unstable();
    appended.dedup();
    let mut wanted: Vec<_> = dead.iter().map(|it| it.id).collect();
    wanted.sort();
    assert_eq!(appended.iter().map(|it| it.0).collect::<Vec<_>>(), wanted);
    assert_eq!((whole(&first).await.len(), first.dlq_size().await.unwrap()), (60, 0));
}

/// Never both: a record that was given up does not come back.
pub async fn of_a_replay_and_a_discard_at_once_one_wins(it: &dyn Deployment) {
    let (first, second) = (it.open().await, it.open().await);
    for n in 0..20 {
        let dead = it.record(n);
        die(&first, &dead, "it panics").await;
        let (replayed, discarded) = tokio::join!(
            first.replay_dead_letters(None, 1),
            second.discard_dead_letter(dead.id, "per_7", "a test")
        );
        let replayed = replayed.unwrap();
        match discarded {
            Ok(_) => assert_eq!((replayed.appended, replayed.still_dead), (vec![], vec![])),
            Err(DeadLetterError::InTheLog { seq, .. }) => {
                assert_eq!(replayed.appended, [(dead.id, seq)]);
            }
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((whole(&first).await.len(), first.dlq_size().await.unwrap()), (20, 0));
}

/// A person should see them.
pub async fn dead_letters_are_seen_in_the_health_until_the_last_is_gone(it: &dyn Deployment) {
    let log = it.open().await;
    let dead = it.records(2);
    for record in &dead {
        die(&log, record, "it panics").await;
    }
    let wanted = "2 records lie in the dead letters: see `gov audit dlq list`".to_owned();
    assert_eq!(log.health(), HealthState::Degraded(wanted.clone()));
    assert_eq!(it.open().await.health(), HealthState::Degraded(wanted));
    let _ = log.replay_dead_letter(dead[0].id).await.unwrap();
    assert!(matches!(log.health(), HealthState::Degraded(_)));
    let _ = log.discard_dead_letter(dead[1].id, "per_7", "a test").await.unwrap();
    assert_eq!(log.health(), HealthState::Healthy);
}

async fn die(log: &SignedLog, record: &LogRecord, why: &str) {
    let landed = log.sink().dead_letter(record, why).await;
    assert_eq!(landed, Some(AppendOutcome::DlqLanded));
}

async fn replay_all(log: &SignedLog) -> Vec<(RecordId, u64)> {
    let (mut appended, mut after) = (Vec::new(), None);
    loop {
        let step = log.replay_dead_letters(after, 7).await.unwrap();
        appended.extend(step.appended);
        let Some(next) = step.next else { return appended };
        after = Some(next);
    }
}
