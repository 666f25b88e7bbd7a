//! Named places where a test lets the process die.
//!
//! `GOV_CRASH_AT=name` aborts the process at the first passage of that point, `name:3` at the
//! third. Without the variable a point costs one load. Used by the torture runs: what was
//! acknowledged before the crash must be there after it.

use std::sync::{
    OnceLock,
    atomic::{AtomicU64, Ordering},
};

/// The points of this crate, in the order in which a write passes them.
pub const POINTS: &[&str] = &[
    "store-migrate-before-commit",
    "store-before-commit",
    "store-after-commit",
    "store-after-acknowledge",
    "store-before-checkpoint",
    "store-after-checkpoint",
];

/// The variable that says where.
pub(crate) const VARIABLE: &str = "GOV_CRASH_AT";

static ARMED: OnceLock<Option<Armed>> = OnceLock::new();

/// Aborts the process here if `GOV_CRASH_AT` says so; otherwise does nothing.
///
/// The variable is read once, at the first point that is passed.
pub fn point(name: &str) {
    let armed = ARMED.get_or_init(|| std::env::var(VARIABLE).ok().map(|it| Armed::parse(&it)));
    if armed.as_ref().is_some_and(|it| it.strikes(name)) {
        // No destructor runs, no buffer is flushed: as near to `kill -9` as a process comes itself.
        std::process::abort();
    }
}

#[derive(Debug)]
struct Armed {
    name: String,
    /// The passage that dies, from 1.
    nth: u64,
    passed: AtomicU64,
}

impl Armed {
    /// A text whose part behind the last colon is no number from 1 is a name as a whole.
    fn parse(text: &str) -> Self {
        let numbered = text.rsplit_once(':').and_then(|(name, nth)| {
            let nth = nth.parse().ok().filter(|nth| *nth > 0)?;
            Some((name, nth))
        });
        let (name, nth) = numbered.unwrap_or((text, 1));
        Self { name: name.to_owned(), nth, passed: AtomicU64::new(0) }
    }

    fn strikes(&self, name: &str) -> bool {
        self.name == name && self.passed.fetch_add(1, Ordering::Relaxed) + 1 == self.nth
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_name_strikes_at_the_first_passage_and_only_there() {
        let armed = Armed::parse("store-before-commit");
        assert!(!armed.strikes("store-after-commit"));
        assert!(armed.strikes("store-before-commit"));
        assert!(!armed.strikes("store-before-commit"));
    }

    #[test]
    fn a_number_names_the_passage() {
        let armed = Armed::parse("here:3");
        assert_eq!([(); 4].map(|()| armed.strikes("here")), [false, false, true, false]);
    }

    #[test]
    fn what_is_not_a_number_belongs_to_the_name() {
        for text in ["here:0", "here:x", "here:"] {
            assert!(Armed::parse(text).strikes(text), "{text}");
        }
    }
}
