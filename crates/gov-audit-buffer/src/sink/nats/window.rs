//! How many messages are under way at once where a stream has no atomic batches.
//!
//! Each message of a window is guarded twice: by the number of the message before it, as predicted,
//! and by that message's id. The number alone would not do: when a stranger's message comes in
//! between, all that follow are one number off, and the guard of the *next but one* holds again.
//!
//! A window of one needs no prediction. So each stranger in between halves the window, and each
//! window that got through doubles it: two busy nodes on one stream always move.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::{
    pass::Tail,
    stream::{Stored, StreamError},
};
use crate::Outgoing;

/// The largest window, and the first.
const MAX: usize = 256;

#[derive(Debug)]
pub(super) struct Window {
    size: AtomicUsize,
    /// The stream said that it remembers the next message's id, and has not got it: it goes alone,
    /// and without its id.
    nameless: AtomicBool,
}

impl Default for Window {
    fn default() -> Self {
        Self { size: AtomicUsize::new(MAX), nameless: AtomicBool::new(false) }
    }
}

impl Window {
    /// What of `rest` goes next, and whether under its ids.
    pub(super) fn next<'a>(&self, rest: &'a [Outgoing]) -> (&'a [Outgoing], bool) {
        let nameless = self.nameless.swap(false, Ordering::Relaxed);
        let size = if nameless { 1 } else { self.size.load(Ordering::Relaxed) };
        (rest.get(..size).unwrap_or(rest), !nameless)
    }

    /// Where `window`, published behind `tail`, has led to, and what stopped it.
    pub(super) fn follow(
        &self,
        mut tail: Tail,
        window: &[Outgoing],
        answers: Vec<Result<Stored, StreamError>>,
    ) -> (Tail, Option<StreamError>) {
        for (outgoing, answer) in window.iter().zip(answers) {
            match answer {
                Ok(stored) if stored.duplicate => {
                    self.nameless.store(true, Ordering::Relaxed);
                    return (tail, Some(StreamError::Conflict));
                }
                Ok(stored) => tail = tail.moved(stored.sequence, Some(outgoing)),
                Err(error) => {
                    if matches!(error, StreamError::Conflict) {
                        self.resize(|size| size / 2);
                    }
                    return (tail, Some(error));
                }
            }
        }
        self.resize(|size| size * 2);
        (tail, None)
    }

    /// Two batches at once may overwrite each other's size: it is only a matter of speed.
    fn resize(&self, change: impl Fn(usize) -> usize) {
        let size = self.size.load(Ordering::Relaxed);
        self.size.store(change(size).clamp(1, MAX), Ordering::Relaxed);
    }
}
