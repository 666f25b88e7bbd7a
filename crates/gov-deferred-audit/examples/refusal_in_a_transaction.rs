//! A policy hook inside an open transaction: the transaction rolls back, the refusal stays.
//!
//! `cargo run -p gov-deferred-audit --example refusal_in_a_transaction`

use gov_core::{AgentAction, Decision};
use gov_deferred_audit::{DEFAULT_SHUTDOWN_DRAIN_TIMEOUT, install_deferred_audit_drainer};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let audit = install_deferred_audit_drainer(dir.path()).await?;
    let mut store = rusqlite::Connection::open_in_memory()?;
    store.execute_batch("create table file (name text)")?;

    let transaction = store.transaction()?;
    transaction.execute("insert into file values ('/etc/passwd')", [])?;
    // What a hook of the storage layer does: it cannot write a row that survives its own refusal.
    let action = AgentAction::Bash { command: "rm /etc/passwd".into(), cwd: None };
    let decision =
        Decision::Refuse { rule_id: "no-system-paths".parse()?, reason: "a system path".into() };
    assert!(audit.queue().submit_refusal(&"agent-1".parse()?, &action, &decision));
    transaction.rollback()?;

    let log = audit.log().clone();
    let flushed = audit.close(DEFAULT_SHUTDOWN_DRAIN_TIMEOUT).await;
    assert_eq!(flushed.left_in_spool, 0);
    assert_eq!(log.records_after(0, 10).await?.len(), 1, "the refusal did not escape");
    Ok(())
}
