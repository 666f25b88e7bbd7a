//! A log in a folder of its own, on a clock that moves by hand.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use gov_core::{ActionDigest, AuditEventKind, Clock, Payload, RecordId, clock::ManualClock};
use gov_deferred_audit::{
    AppendOutcome, DeferredAuditSink as _, LogConfig, LogRecord, OpenError, SignedLog, Verdict,
    export::{ExportOptions, Exported, export},
    tlog::key::VerifierKey,
    verify::{Report, VerifyOptions, verify_database, verify_export},
};
use rusqlite::Connection;
use tempfile::TempDir;

/// The folder of one log.
pub(crate) struct Fixture {
    pub(crate) folder: TempDir,
    pub(crate) clock: ManualClock,
    pub(crate) config: LogConfig,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut config = LogConfig::in_dir(folder.path());
        config.domain = Some("example.com".to_owned());
        Self { folder, clock: ManualClock::default(), config }
    }

    pub(crate) async fn try_open(&self) -> Result<SignedLog, OpenError> {
        SignedLog::open(self.config.clone(), Arc::new(self.clock.clone())).await
    }

    pub(crate) async fn open(&self) -> SignedLog {
        self.try_open().await.unwrap()
    }

    /// A closed log with `count` records, appended in batches of 100.
    pub(crate) async fn with_records(count: u32) -> Self {
        let it = Self::new();
        it.append(count).await;
        it
    }

    /// Appends `count` records to the closed log.
    pub(crate) async fn append(&self, count: u32) {
        let log = self.open().await;
        let first = log.committed().borrow().size;
        let records: Vec<_> = (0..count).map(|at| self.record(first + u64::from(at))).collect();
        for batch in records.chunks(100) {
            append(&log, batch).await;
        }
        log.close().await;
    }

    /// A record that differs from all others by `n`, in its payload too.
    pub(crate) fn record(&self, n: u64) -> LogRecord {
        let payload = format!("{{\"command\":\"rm -rf /data/{n}\"}}");
        LogRecord {
            id: RecordId::at(self.clock.now()),
            at: self.clock.now(),
            kind: AuditEventKind::ActionRefused,
            agent_id: Some("coder".parse().unwrap()),
            session_id: Some("s-1".parse().unwrap()),
            policy_version: Some(1),
            verdict: Some(Verdict {
                action_kind: "bash".to_owned(),
                digest: ActionDigest::from_bytes([3; 32]),
                decision: "refuse".to_owned(),
                rule_id: Some("no-deletes".parse().unwrap()),
                reason: Some("deletes outside the working directory".to_owned()),
            }),
            payload: Payload::from_parts(payload.into_bytes(), [n.to_le_bytes()[0]; 16]),
        }
    }

    /// Copies the outside copy up to date, as the running task would.
    pub(crate) async fn copy_outside(&self, log: &SignedLog) {
        let shutdown = tokio_util::sync::CancellationToken::new();
        shutdown.cancel();
        log.clone().copy_outside(shutdown).await;
    }

    /// Puts the database of the closed log aside, to be put back later.
    pub(crate) fn keep_database(&self) -> Vec<u8> {
        fs::read(&self.config.database).unwrap()
    }

    /// Puts the database of the closed log back to an earlier state.
    pub(crate) fn restore_database(&self, bytes: &[u8]) {
        for suffix in ["-wal", "-shm"] {
            let mut path = self.config.database.clone().into_os_string();
            path.push(suffix);
            let _ = fs::remove_file(path);
        }
        // A file that is cut before it is written again waits for the disk; a new one does not.
        let _ = fs::remove_file(&self.config.database);
        fs::write(&self.config.database, bytes).unwrap();
    }

    /// Changes the closed database behind the log's back.
    pub(crate) fn tamper(&self, sql: &str) {
        let connection = Connection::open(&self.config.database).unwrap();
        let triggers: Vec<String> = connection
            .prepare("select name from sqlite_schema where type = 'trigger'")
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        for trigger in triggers {
            connection.execute_batch(&format!("drop trigger {trigger}")).unwrap();
        }
        connection.execute_batch(sql).unwrap();
    }

    pub(crate) fn vkey(&self, epoch: u64) -> VerifierKey {
        let path = self.config.keys.join(format!("audit-log.e{epoch}.vkey"));
        fs::read_to_string(path).unwrap().trim().parse().unwrap()
    }

    pub(crate) fn export_dir(&self) -> PathBuf {
        self.folder.path().join("export")
    }

    pub(crate) fn export(&self) -> Exported {
        export(&self.config.database, &self.export_dir(), ExportOptions::default()).unwrap()
    }

    pub(crate) fn verify_database(&self) -> Report {
        let options = VerifyOptions::trusting(vec![self.vkey(1)]);
        verify_database(&self.config.database, &options).unwrap()
    }

    pub(crate) fn verify_export(&self) -> Report {
        let options = VerifyOptions::trusting(vec![self.vkey(1)]);
        verify_export(&self.export_dir(), &options).unwrap()
    }
}

/// Appends one batch, which must be taken whole; gives the sequence numbers.
pub(crate) async fn append(log: &SignedLog, batch: &[LogRecord]) -> Vec<u64> {
    let outcomes = log.sink().append(batch).await;
    let seq = |outcome| match outcome {
        AppendOutcome::Appended { seq } => seq,
        AppendOutcome::DlqLanded => panic!("a dead letter"),
    };
    outcomes.into_iter().map(seq).collect()
}

/// Every file below `dir`, sorted.
pub(crate) fn files(dir: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push(path);
        }
    }
    files.sort();
    files
}
