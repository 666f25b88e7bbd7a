//! What the sink may have seen: it is never changed or dropped, whatever room that would make.

use parking_lot::Mutex;
use std::sync::Arc;
use tokio::sync::watch;

/// Shared by who hands rows out and who changes rows that wait.
#[derive(Debug)]
pub(super) struct Hand {
    state: Mutex<State>,
    /// How many touches are over: committed, or undone.
    ended: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    /// Rows up to this one were handed to a sink, or will be.
    attempted: u64,
    /// How many touches began.
    begun: u64,
}

/// While it lives, rows behind the ones that were handed out may be changing.
#[derive(Debug)]
pub(super) struct Touch {
    hand: Arc<Hand>,
    /// Rows up to this one stay as they are.
    pub(super) attempted: u64,
}

impl Hand {
    /// As of a file that was opened: who had it before may have handed out up to `attempted`.
    pub(super) fn new(attempted: u64) -> Self {
        Self { state: Mutex::new(State { attempted, begun: 0 }), ended: watch::Sender::new(0) }
    }

    /// As of another file.
    pub(super) fn restart(&self, attempted: u64) {
        self.state.lock().attempted = attempted;
    }

    /// Begins to change rows. Hold the answer until the transaction is over.
    pub(super) fn touch(self: &Arc<Self>) -> Touch {
        let mut state = self.state.lock();
        state.begun += 1;
        Touch { hand: Arc::clone(self), attempted: state.attempted }
    }

    /// How many touches began, if all of them are over.
    pub(super) fn quiet(&self) -> Option<u64> {
        let state = self.state.lock();
        (*self.ended.borrow() == state.begun).then_some(state.begun)
    }

    /// From here on rows up to `seq` stay as they are. Gives how many touches began before.
    pub(super) fn mark(&self, seq: u64) -> u64 {
        let mut state = self.state.lock();
        state.attempted = state.attempted.max(seq);
        state.begun
    }

    /// Waits until the first `begun` touches are over.
    pub(super) async fn settled(&self, begun: u64) {
        // The sender is beside it: it cannot be gone.
        let _ = self.ended.subscribe().wait_for(|ended| *ended >= begun).await;
    }
}

impl Drop for Touch {
    fn drop(&mut self) {
        // They come and go on one thread, one transaction after the other.
        self.hand.ended.send_modify(|it| *it += 1);
    }
}
