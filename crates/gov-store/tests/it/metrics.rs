//! The metrics, by name.

use gov_store::{fresh_database, sqlite::Sync};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};

use crate::notes::{NOTES, write};

#[test]
fn the_metrics_count_commits_their_jobs_and_their_time() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    // The handles are bound where the database opens, so the recorder need not be global.
    let file = metrics::with_local_recorder(&recorder, || fresh_database::sqlite(&[&NOTES]));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        write(&file.database.writer, Sync::Full, 1).await.unwrap();
        write(&file.database.writer, Sync::Spooled, 2).await.unwrap();
        file.into_parts().0.close().await;
    });

    let seen = seen(&snapshotter);
    let count = |name: &str| seen.iter().filter(|(it, _)| it == name).count();
    for (name, series) in [
        ("gov_store_commits_total", 2),
        ("gov_store_commit_errors_total", 1),
        ("gov_store_commit_seconds", 1),
        ("gov_store_commit_jobs", 1),
        ("gov_store_refused_jobs_total", 1),
        ("gov_store_wal_bytes", 1),
        ("gov_store_checkpoints_total", 2),
        ("gov_store_checkpoint_errors_total", 1),
    ] {
        assert_eq!(count(name), series, "{name}");
    }
    let commits = seen.iter().filter(|(name, _)| name == "gov_store_commits_total");
    let commits: Vec<_> = commits.map(|(_, value)| value).collect();
    assert!(commits.iter().all(|it| **it == DebugValue::Counter(1)), "{commits:?}");
    let jobs = seen.iter().find(|(name, _)| name == "gov_store_commit_jobs").unwrap();
    assert_eq!(jobs.1, DebugValue::Histogram(vec![1.0.into(), 1.0.into()]));
}

fn seen(snapshotter: &Snapshotter) -> Vec<(String, DebugValue)> {
    let series = snapshotter.snapshot().into_vec().into_iter();
    series.map(|(key, _, _, value)| (key.key().name().to_owned(), value)).collect()
}
