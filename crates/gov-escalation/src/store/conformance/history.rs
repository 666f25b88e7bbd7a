//! What the history promises to whoever carries it to the signed log.

use super::{requests::cancel, *};
use crate::transition::SYSTEM_TIMEOUT;

/// Pages of any size show every row once, in order, from 1.
pub async fn the_history_is_dense_from_one_and_in_order(store: &dyn Backend) {
    let now = ManualClock::default().now();
    assert_eq!((store.end().await.unwrap(), rows(store).await), (0, Vec::new()));
    a_bit_of_everything(store, now).await;
    let all = rows(store).await;
    let positions: Vec<_> = all.iter().map(|it| it.position).collect();
    let end = store.end().await.unwrap();
    assert_eq!(positions, (1..=end).collect::<Vec<_>>());

    let mut pages = Vec::new();
    while let page = store.rows_after(pages.len() as u64, 2).await.unwrap()
        && !page.is_empty()
    {
        assert!(page.len() <= 2);
        pages.extend(page);
    }
    assert_eq!(pages, all);
    assert_eq!(store.rows_after(end, 10).await.unwrap(), []);
    assert_eq!(store.rows_after(end + 7, 10).await.unwrap(), []);
}

/// Many writers at once leave no gap and no row twice.
pub async fn the_history_of_concurrent_writers_is_dense(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let answers = all((0..20).map(|number| store.submit(request(number), now))).await;
    let ids: Vec<_> = answers.into_iter().map(|it| it.unwrap().approval.id).collect();
    let decisions = (0..).zip(&ids);
    let decisions =
        decisions.map(|(number, id)| store.apply(*id, answer(Verdict::Reject, number), now));
    let decided = all(decisions).await;
    let mut places = decided
        .into_iter()
        .map(|it| match it.unwrap() {
            Applied::Done { position, .. } => position,
            Applied::Refused { refusal, .. } => panic!("refused: {refusal}"),
        })
        .collect::<Vec<_>>();
    places.sort_unstable();
    assert_eq!(places, (41..=60).collect::<Vec<_>>());
    let positions: Vec<_> = rows(store).await.iter().map(|it| it.position).collect();
    assert_eq!(positions, (1..=60).collect::<Vec<_>>());
}

/// An answer that waits until the log has `position` waits for its own change.
pub async fn a_change_names_its_place_in_the_history(store: &dyn Backend) {
    let now = ManualClock::default().now();
    submit(store, 1, now).await;
    let submitted = store.submit(request(2), now).await.unwrap();
    let id = submitted.approval.id;
    assert_eq!(submitted.position, Some(4));
    for change in [answer(Verdict::Approve, 2), consume(2, None)] {
        let Applied::Done { position, .. } = store.apply(id, change, now).await.unwrap() else {
            panic!("refused");
        };
        assert_eq!(store.end().await.unwrap(), position);
        assert_eq!(rows(store).await.pop().unwrap().approval_id, id);
    }
}

/// In order, and no other one's rows.
pub async fn the_history_of_one_approval_is_its_own(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let ids = a_bit_of_everything(store, now).await;
    let all = rows(store).await;
    for id in ids {
        let own: Vec<_> = all.iter().filter(|it| it.approval_id == id).cloned().collect();
        assert!(own.len() > 2);
        assert_eq!(store.of_approval(id).await.unwrap(), own);
    }
}

/// What the log needs stands in the row: nobody has to read the approval for it.
pub async fn a_history_row_says_who_did_what_about_which_action(store: &dyn Backend) {
    let now = ManualClock::default().now();
    let ids = a_bit_of_everything(store, now).await;
    let (mut actors, mut versions) = (Vec::new(), Vec::new());
    for row in store.of_approval(ids[0]).await.unwrap() {
        assert_eq!(
            (row.agent_id.as_ref().unwrap().as_str(), row.action_kind.as_str()),
            ("coder", "bash")
        );
        assert_eq!(
            (row.digest, row.rule_id.as_ref().unwrap().as_str()),
            (Some(digest(0)), "ask-before-deploy")
        );
        assert_eq!(row.reason, "deploys wait for a human");
        assert_eq!(row.session_id, request(0).session_id);
        let content: serde_json::Value = serde_json::from_slice(row.payload.as_bytes()).unwrap();
        assert_eq!(content["approval_id"], json!(ids[0]));
        versions.push(row.policy_version);
        actors.push(row.actor.split('_').next().unwrap().to_owned());
        if row.kind == AuditEventKind::ApprovalRequested {
            assert_eq!(content["action"], request(0).content);
        }
    }
    assert_eq!(actors, ["coder", "system:chain", "per", "coder"]);
    assert_eq!(versions, [Some(3), None, None, Some(4)]);
    let last = store.of_approval(ids[2]).await.unwrap().pop().unwrap();
    assert_eq!((last.actor.as_str(), last.at), (SYSTEM_TIMEOUT, now + TIMEOUT));
}

/// What the log has, it has.
pub async fn the_cursor_never_goes_back(store: &dyn Backend) {
    let now = ManualClock::default().now();
    a_bit_of_everything(store, now).await;
    assert_eq!(store.cursor().await.unwrap(), 0);
    for (set, reached) in [(2, 2), (5, 5), (4, 5), (0, 5), (5, 5), (6, 6)] {
        store.set_cursor(set).await.unwrap();
        assert_eq!(store.cursor().await.unwrap(), reached);
    }
}

/// One that is used, one that is withdrawn, and one that nobody answers, their rows mixed.
async fn a_bit_of_everything(store: &dyn Backend, now: Timestamp) -> [ApprovalId; 3] {
    let [used, withdrawn, silent] = [0, 1, 2].map(|number| submit(store, number, now));
    let (used, withdrawn, silent) = (used.await.id, withdrawn.await.id, silent.await.id);
    done(store, used, answer(Verdict::Approve, 0), now).await;
    done(store, withdrawn, cancel(), now).await;
    done(store, used, consume(0, None), now).await;
    assert_eq!(fire(store, now + RUNG).await.escalated, 1);
    assert_eq!(fire(store, now + TIMEOUT).await.fell_back, 1);
    [used, withdrawn, silent]
}
