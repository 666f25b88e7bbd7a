//! What the processes do.

use std::{collections::BTreeMap, io::Write as _, path::Path, sync::Arc};

use async_trait::async_trait;
use gov_core::{Clock as _, Timestamp, clock::ManualClock};
use gov_escalation::{
    Alarm, Notifier, NotifyError, Sender, SenderConfig,
    approval::Notification,
    sender::Target,
    store::{
        StoreError,
        conformance::{Backend, LEASE, RUNG},
        postgres::PgApprovalStore,
        sqlite::{COMPONENT, SqliteApprovalStore},
    },
};
use gov_store::sqlite::{Database, DatabaseOptions};

use crate::indexed;

/// The variable that makes a process of this binary work, and on which backend.
pub(super) const ROLE: &str = "GOV_TEST_ROLE";

/// The variable that says at what time, in microseconds, it delivers messages; without it the
/// process fires timers.
pub(super) const DELIVERS_AT: &str = "GOV_TEST_DELIVERS_AT";

/// The variable that says where: the file, or the name of the database.
pub(super) const PLACE: &str = "GOV_TEST_PLACE";

/// What it says of each message, before the id.
pub(super) const SENT: &str = "sent ";

/// Small, so that many transactions are there to die in.
const BATCH: u32 = 10;

/// Not a test of its own: without a role it has nothing to do.
#[test]
fn plays_its_role() {
    let Ok(role) = std::env::var(ROLE) else { return };
    let place = std::env::var(PLACE).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match role.as_str() {
            "sqlite" => on_sqlite(Path::new(&place)).await,
            "postgres" => on_postgres(&place).await,
            other => panic!("no role `{other}`"),
        }
    });
}

async fn on_sqlite(path: &Path) {
    let options = DatabaseOptions::new("test");
    let now = Timestamp::UNIX_EPOCH;
    let database = Database::open(path, &options, &[&COMPONENT], now).unwrap();
    let (writer, readers) = (database.writer.clone(), database.readers.clone());
    work(Arc::new(SqliteApprovalStore::new(writer, readers))).await;
    database.close().await;
}

async fn on_postgres(name: &str) {
    work(Arc::new(PgApprovalStore::new(indexed::connect(name).await))).await;
}

async fn work(store: Arc<dyn Backend>) {
    match std::env::var(DELIVERS_AT) {
        Ok(micros) => deliver(store, Timestamp::from_micros_clamped(micros.parse().unwrap())).await,
        Err(_) => fire_all(&*store).await,
    }
}

async fn fire_all(store: &dyn Backend) {
    let late = ManualClock::default().now() + RUNG;
    while store.next_deadline().await.unwrap().is_some_and(|it| it <= late) {
        match store.fire_due(late, BATCH).await {
            Ok(fired) if fired.escalated > 0 => {
                say(&format!("fired {}", fired.escalated));
            }
            // Others have them, or hold the file.
            Ok(_) | Err(StoreError::Unavailable(_)) => (),
            Err(other) => panic!("{other}"),
        }
    }
}

/// Tells the parent.
#[derive(Debug)]
struct Said;

#[async_trait]
impl Notifier for Said {
    async fn notify(&self, notification: &Notification) -> Result<(), NotifyError> {
        say(&format!("{SENT}{}", notification.id));
        Ok(())
    }
}

async fn deliver(store: Arc<dyn Backend>, now: Timestamp) {
    let targets = BTreeMap::from([("log".to_owned(), Target::new(Arc::new(Said)))]);
    let config = SenderConfig { lease: LEASE, ..SenderConfig::default() };
    let (clock, alarm) = (Arc::new(ManualClock::new(now)), Arc::new(Alarm::new()));
    let sender = Sender::new(store, targets, clock, alarm, config);
    loop {
        match sender.run_once().await {
            Ok(_) => return,
            // Others hold the file.
            Err(StoreError::Unavailable(_)) => (),
            Err(other) => panic!("{other}"),
        }
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout();
    out.write_all(format!("{line}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}
