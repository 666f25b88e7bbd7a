//! How long what a sink took is held, to be sent again if the sink loses it.

use std::{collections::VecDeque, time::Duration};

use gov_core::Timestamp;

/// So many steps a horizon has: what is held is held up to one step longer.
const STEPS: u32 = 64;

/// Remembers when a sink took what.
#[derive(Debug, Default)]
pub(super) struct Horizon {
    /// Everything up to the number was taken by that time; both rise. In steps, so that there are
    /// few.
    marks: VecDeque<Mark>,
    /// Everything up to this one was taken long enough ago.
    due: u64,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    since: Timestamp,
    until: Timestamp,
    seq: u64,
}

impl Horizon {
    /// The sink took everything up to `seq`, the last of it at `now`.
    pub(super) fn took(&mut self, seq: u64, now: Timestamp) {
        self.marks.push_back(Mark { since: now, until: now, seq });
    }

    /// The number up to which all was taken `span` ago or more.
    pub(super) fn due(&mut self, now: Timestamp, span: Duration) -> u64 {
        self.merge(span / STEPS);
        while let Some(mark) = self.marks.front()
            && mark.until + span <= now
        {
            self.due = self.due.max(mark.seq);
            self.marks.pop_front();
        }
        self.due
    }

    /// The sink has lost everything behind `seq`.
    pub(super) fn rewind(&mut self, seq: u64) {
        self.due = self.due.min(seq);
        for mark in &mut self.marks {
            mark.seq = mark.seq.min(seq);
        }
    }

    /// Lets the newest mark take in the one before it, if they are within one step.
    fn merge(&mut self, step: Duration) {
        let Some(newest) = self.marks.pop_back() else { return };
        match self.marks.back_mut() {
            Some(last) if newest.until.since(last.since) <= step => {
                // Also backwards: whoever set the clock back waits longer, not shorter.
                last.until = newest.until;
                last.seq = last.seq.max(newest.seq);
            }
            _ => self.marks.push_back(newest),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Duration = Duration::from_mins(5);

    fn at(seconds: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn what_was_taken_is_due_when_its_span_is_over_and_not_before() {
        let mut it = Horizon::default();
        it.took(3, at(0));
        it.took(5, at(100));
        assert_eq!(it.due(at(299), SPAN), 0);
        assert_eq!(it.due(at(300), SPAN), 3);
        assert_eq!(it.due(at(399), SPAN), 3);
        assert_eq!(it.due(at(400), SPAN), 5);
    }

    #[test]
    fn without_a_span_it_is_due_at_once() {
        let mut it = Horizon::default();
        it.took(3, at(7));
        assert_eq!(it.due(at(7), Duration::ZERO), 3);
    }

    #[test]
    fn what_was_lost_is_due_only_a_span_after_it_was_taken_again() {
        let mut it = Horizon::default();
        it.took(3, at(0));
        it.took(9, at(100));
        it.rewind(5);
        it.took(9, at(200));
        assert_eq!(it.due(at(499), SPAN), 5);
        assert_eq!(it.due(at(500), SPAN), 9);
    }

    #[test]
    fn a_steady_stream_leaves_few_marks_and_is_held_at_most_a_step_too_long() {
        let mut it = Horizon::default();
        for second in 0..10_000 {
            it.took(second, at(second));
            let due = it.due(at(second), SPAN);
            assert!(due <= second.saturating_sub(300));
            assert!(due + 306 >= second, "{due} at {second}");
            assert!(it.marks.len() <= 80, "{}", it.marks.len());
        }
    }
}
