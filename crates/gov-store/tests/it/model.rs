//! The writer against a model: whatever jobs come together, what was acknowledged is there, in the
//! order of the queue, and nothing else is.

use std::collections::BTreeSet;

use gov_store::{
    fresh_database,
    sqlite::{DatabaseOptions, Sync, WriteError, rusqlite},
};
use proptest::prelude::*;
use tokio::task::JoinSet;

use crate::notes::{NOTES, insert, lines};

/// One job: lines to write, and how it ends.
#[derive(Clone, Debug)]
struct Plan {
    lines: Vec<i64>,
    end: End,
    sync: Sync,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Well,
    Refuses,
    Panics,
    /// The caller goes away before the answer.
    Abandoned,
}

fn plan() -> impl Strategy<Value = Plan> {
    let end = prop_oneof![
        4 => Just(End::Well),
        1 => Just(End::Refuses),
        1 => Just(End::Panics),
        1 => Just(End::Abandoned),
    ];
    let sync = prop_oneof![Just(Sync::Full), Just(Sync::Spooled)];
    (prop::collection::vec(0..40_i64, 1..4), end, sync).prop_map(|(lines, end, sync)| Plan {
        lines,
        end,
        sync,
    })
}

/// What a job does to the lines, were it alone: all of it or nothing.
fn apply(model: &mut BTreeSet<i64>, plan: &Plan) -> bool {
    let mut after = model.clone();
    let fits = plan.lines.iter().all(|line| after.insert(*line));
    let keeps = fits && matches!(plan.end, End::Well | End::Abandoned);
    if keeps {
        *model = after;
    }
    keeps
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..Default::default() })]

    #[test]
    fn the_file_holds_what_the_model_holds(plans in prop::collection::vec(plan(), 1..40)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(plans));
    }
}

async fn check(plans: Vec<Plan>) {
    // Small batches, so that plans span several.
    let options = DatabaseOptions { batch_limit: 7, ..DatabaseOptions::new("test") };
    let file = fresh_database::sqlite_with(&options, &[&NOTES]);
    let mut model = BTreeSet::new();
    let mut calls = JoinSet::new();
    for plan in plans {
        let expected = apply(&mut model, &plan);
        let writer = file.database.writer.clone();
        let abandoned = plan.end == End::Abandoned;
        let sync = plan.sync;
        let job = move |tx: &rusqlite::Transaction<'_>| {
            for line in plan.lines {
                insert(tx, line)?;
            }
            match plan.end {
                End::Well | End::Abandoned => Ok(()),
                End::Refuses => Err(rusqlite::Error::QueryReturnedNoRows),
                End::Panics => std::panic::resume_unwind(Box::new("as planned")),
            }
        };
        // A task runs up to its wait in the order in which it was spawned: so are they queued.
        let call = calls.spawn(async move {
            match writer.write(sync, job).await {
                Ok(()) => assert!(expected, "acknowledged what should have failed"),
                Err(WriteError::Job(_) | WriteError::Panicked) => assert!(!expected, "refused"),
                Err(other) => panic!("{other}"),
            }
        });
        tokio::task::yield_now().await;
        if abandoned {
            call.abort();
        }
    }
    while let Some(call) = calls.join_next().await {
        if let Err(error) = call {
            assert!(error.is_cancelled(), "{error}");
        }
    }
    // Behind every abandoned job.
    file.database.writer.write(Sync::Full, |_| Ok::<(), ()>(())).await.unwrap();
    assert_eq!(lines(&file.database).await, model.into_iter().collect::<Vec<_>>());
}
