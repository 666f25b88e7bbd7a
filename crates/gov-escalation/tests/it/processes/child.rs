//! What the processes do.

use std::{io::Write as _, path::Path};

use gov_core::{Clock as _, Timestamp, clock::ManualClock};
use gov_escalation::store::{
    StoreError,
    conformance::{Backend, RUNG},
    postgres::PgApprovalStore,
    sqlite::{COMPONENT, SqliteApprovalStore},
};
use gov_store::sqlite::{Database, DatabaseOptions};

use crate::indexed;

/// The variable that makes a process of this binary fire timers, and on which backend.
pub(super) const ROLE: &str = "GOV_TEST_ROLE";

/// The variable that says where: the file, or the name of the database.
pub(super) const PLACE: &str = "GOV_TEST_PLACE";

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
    fire_all(&SqliteApprovalStore::new(writer, readers)).await;
    database.close().await;
}

async fn on_postgres(name: &str) {
    fire_all(&PgApprovalStore::new(indexed::connect(name).await)).await;
}

async fn fire_all(store: &dyn Backend) {
    let late = ManualClock::default().now() + RUNG;
    while store.next_deadline().await.unwrap().is_some_and(|it| it <= late) {
        match store.fire_due(late, BATCH).await {
            Ok(fired) if fired.escalated > 0 => {
                let mut out = std::io::stdout();
                out.write_all(format!("fired {}\n", fired.escalated).as_bytes()).unwrap();
                out.flush().unwrap();
            }
            // Others have them, or hold the file.
            Ok(_) | Err(StoreError::Unavailable(_)) => (),
            Err(other) => panic!("{other}"),
        }
    }
}
