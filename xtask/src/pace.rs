//! Waiting and measuring, for a program that depends on no crate of the house.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// Measures from its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Instant);

impl Stopwatch {
    #[expect(
        clippy::disallowed_methods,
        reason = "a wall time for people; xtask has no gov_core::Clock"
    )]
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}

/// Asks `ready` every 50 ms until it answers with something, at most for `limit`.
pub(crate) fn wait_for<T>(
    what: &str,
    limit: Duration,
    mut ready: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let watch = Stopwatch::start();
    loop {
        if let Some(it) = ready()? {
            return Ok(it);
        }
        if watch.elapsed() > limit {
            bail!("{what}: not there after {} s", limit.as_secs());
        }
        pause(Duration::from_millis(50));
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "polls another process; xtask has no gov_core::Clock"
)]
fn pause(span: Duration) {
    thread::sleep(span);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_comes_is_named_in_the_error() {
        let error = wait_for("the moon", Duration::ZERO, || Ok(None::<()>)).unwrap_err();
        assert_eq!(error.to_string(), "the moon: not there after 0 s");
    }

    #[test]
    fn what_is_there_is_handed_over() {
        let mut answers = [None, Some(7)].into_iter();
        let got = wait_for("seven", Duration::from_secs(5), || Ok(answers.next().flatten()));
        assert_eq!(got.unwrap(), 7);
    }
}
