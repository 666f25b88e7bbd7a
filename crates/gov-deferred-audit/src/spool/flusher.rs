//! The task that does the spool's slow work: fsync, new segments, removal of old ones.

use std::{error::Error, sync::Arc};

use gov_store::crash;
use tokio_util::sync::CancellationToken;
use tracing::{error, warn};

use crate::{
    queue::shared::Shared,
    spool::{
        Chore,
        recover::discard,
        segment::{self, Segment},
    },
};

/// Does what is due until `stop`.
pub(crate) async fn run(shared: Arc<Shared>, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let chore = shared.line.lock().spool.next_chore(shared.clock.now());
        match chore {
            Chore::Idle => tokio::select! {
                () = stop.cancelled() => (),
                () = shared.wake_flusher.notified() => (),
            },
            Chore::WaitUntil(due) => tokio::select! {
                () = stop.cancelled() => (),
                () = shared.wake_flusher.notified() => (),
                () = shared.clock.sleep_until(due) => (),
            },
            chore => {
                let shared = shared.clone();
                if tokio::task::spawn_blocking(move || shared.work(chore)).await.is_err() {
                    error!("the flusher of the spool panicked");
                }
            }
        }
    }
}

impl Shared {
    fn work(&self, chore: Chore) {
        match chore {
            Chore::Idle | Chore::WaitUntil(_) => (),
            // The outcome is noted in the spool, and counted.
            Chore::Sync { file, to } => drop(self.sync(&file, to)),
            Chore::Roll { number } => self.roll(number),
            Chore::Remove(segments) => remove(&segments),
        }
    }

    fn roll(&self, number: u64) {
        let base = self.config.spool.clone();
        crash::point("spool-before-roll");
        let created = Segment::create(&base, number, self.mark);
        crash::point("spool-after-roll");
        let path = segment::segment_path(&base, number);
        let mut line = self.line.lock();
        if let Err(source) = line.spool.rolled(created) {
            drop(line);
            warn!(error = &source as &dyn Error, path = %path.display(), "no new spool segment");
            // A half made one would be found, empty, at the next start.
            let _ = std::fs::remove_file(path);
        }
    }
}

/// Removes segments. A removal that a power loss takes back is replayed, to no effect.
pub(crate) fn remove(segments: &[Segment]) {
    for segment in segments {
        crash::point("spool-before-remove");
        if let Err(source) = discard(segment.number, &segment.path) {
            let (path, error) = (segment.path.display(), &source as &dyn Error);
            warn!(error, %path, "an old spool segment stays");
        }
    }
}
