//! Processes that are hurt where they write, and what they said before they died.
//!
//! A [`Child`] is an `#[ignore]`d test of the binary that hurts it: it works in a directory of its
//! own and says what was acknowledged. A [`Fault`] comes over it, and who started it looks for
//! everything it said in what it left. [`order`] reads the order of its system calls, which no kill
//! shows.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a test that cannot be set up fails by panicking"
)]

mod child;
pub mod order;
mod sweep;

use std::{fmt, io::Write as _, process::Command};

pub use child::{Child, say};
pub use sweep::{Bounds, report, spread};

/// What a failing system call answers.
pub const ERRORS: [&str; 2] = ["EIO", "ENOSPC"];

/// What happens at the `nth` passage, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The system call of each thread fails.
    Error {
        /// Its name.
        call: &'static str,
        /// What it answers.
        errno: &'static str,
        /// Counted by each thread.
        nth: u32,
    },
    /// The process is killed in the system call.
    Kill {
        /// Its name.
        call: &'static str,
        /// Counted by each thread.
        nth: u32,
    },
    /// The process dies between two steps, at a [point](crate::crash::point).
    Crash {
        /// Its name.
        point: &'static str,
        /// Counted over all threads.
        nth: u32,
    },
}

impl Fault {
    /// Every way in which the `nth` passage of `call` can fail.
    #[must_use]
    pub fn all_at(call: &'static str, nth: u32) -> Vec<Self> {
        let errors = ERRORS.map(|errno| Self::Error { call, errno, nth });
        [Self::Kill { call, nth }].into_iter().chain(errors).collect()
    }

    /// What strace is told to do.
    fn injection(&self) -> Option<String> {
        match self {
            Self::None | Self::Crash { .. } => None,
            Self::Error { call, errno, nth } => Some(format!("{call}:error={errno}:when={nth}")),
            Self::Kill { call, nth } => Some(format!("{call}:signal=KILL:when={nth}")),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no fault"),
            Self::Error { call, errno, nth } => write!(f, "{errno} at {call} {nth}"),
            Self::Kill { call, nth } => write!(f, "kill at {call} {nth}"),
            Self::Crash { point, nth } => write!(f, "crash at {point} {nth}"),
        }
    }
}

/// Whether strace is there. Where it is missing that is said of `these_tests`, and fails under
/// `CI=true`.
#[must_use]
pub fn can_inject(these_tests: &str) -> bool {
    let found = Command::new("strace").arg("-V").output().is_ok();
    if !found {
        let missing = format!("{these_tests} need strace");
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{missing}");
        // Not `eprintln!`: the test harness swallows it.
        std::io::stderr().write_all(format!("skipped: {missing}\n").as_bytes()).unwrap();
    }
    found
}
