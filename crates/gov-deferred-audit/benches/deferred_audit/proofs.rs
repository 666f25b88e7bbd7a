//! Proofs out of a large log: how long, how soon, and how many bytes.

use std::{io::Write as _, sync::Arc, time::Instant};

use gov_core::SystemClock;
use gov_deferred_audit::{DeferredAuditSink as _, LogConfig, SignedLog};
use rusqlite::Connection;
use tokio::runtime::Runtime;

use super::{Settings, parts};
use gov_store::bench::{Goal, Line, percentile};

pub(crate) fn of_a_large_log(settings: &Settings, runtime: &Runtime) {
    let records = if settings.bench.once { 2_048_u32 } else { 1_000_000 };
    let dir = tempfile::tempdir().unwrap();
    let config = LogConfig::in_dir(dir.path());
    let database = config.database.clone();
    let log = runtime.block_on(async {
        let log = SignedLog::open(config, Arc::new(SystemClock)).await.unwrap();
        let mut sink = log.sink();
        let mut left = records;
        while left > 0 {
            let count = left.min(256);
            let batch = parts::records(count);
            left -= count;
            assert!(!sink.append(&batch).await.is_empty());
        }
        log
    });
    let seqs = (0..10_000_u64).map(|it| it * 7_919 % u64::from(records) + 1).collect::<Vec<_>>();
    let mut longest = 0;
    let mut proofs: Vec<f64> = runtime.block_on(async {
        let mut spans = Vec::with_capacity(seqs.len());
        for seq in &seqs {
            let started = Instant::now();
            let receipt = log.receipt(*seq).await.unwrap().unwrap();
            spans.push(started.elapsed().as_secs_f64() * 1e6);
            longest = longest.max(receipt.proof.len());
        }
        spans
    });
    let connection = Connection::open(&database).unwrap();
    let mut select =
        connection.prepare("select place, entry from audit_log_entry where place = ?1").unwrap();
    let mut selects: Vec<f64> = seqs
        .iter()
        .map(|seq| {
            let place = (1 << 40) | i64::try_from(*seq).unwrap();
            let started = Instant::now();
            let row: (i64, Vec<u8>) =
                select.query_row([place], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
            assert_eq!(row.0, place);
            started.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    for percent in [50, 99] {
        let judged = percent == 99;
        settings.bench.print(&Line {
            case: format!(
                "inclusion proof p{percent} of {records} records, beside a select by primary key"
            ),
            ours: percentile(&mut proofs, percent),
            baseline: percentile(&mut selects, percent),
            unit: "us",
            goal: if judged { Goal::AtMost(5.0) } else { Goal::None },
        });
    }
    settings.bench.print(&Line {
        case: format!("hashes of the longest inclusion proof of {records} records"),
        ours: f64::from(u32::try_from(longest).unwrap()),
        baseline: f64::from(records).log2().ceil(),
        unit: "hashes",
        goal: Goal::AtMost(1.0),
    });
    let mut provable = runtime.block_on(async {
        let mut sink = log.sink();
        let mut spans = Vec::new();
        for _ in 0..200 {
            let batch = parts::records(1);
            let started = Instant::now();
            assert_eq!(sink.append(&batch).await.len(), 1);
            let seq = log.committed().borrow().size;
            assert!(log.receipt(seq).await.unwrap().is_some());
            spans.push(started.elapsed().as_secs_f64() * 1e3);
        }
        spans
    });
    let line = format!(
        "from append to receipt, p99: {:.1} ms (goal 1,000 ms)\n",
        percentile(&mut provable, 99)
    );
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}
