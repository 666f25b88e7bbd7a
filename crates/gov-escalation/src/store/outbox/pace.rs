//! How fast a target may have messages: the generic cell rate algorithm (ITU-T I.371), of which
//! nothing is stored but one moment.

use std::time::Duration;

use gov_core::Timestamp;

/// One message every so often, and some at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// The pause between two messages in the long run; zero: no limit.
    pub every: Duration,
    /// So many may go at once after a long pause; at least 1.
    pub burst: u32,
}

impl Pace {
    /// As fast as it goes.
    pub const UNLIMITED: Self = Self { every: Duration::ZERO, burst: u32::MAX };

    /// So many messages a minute, of which a sixth may go at once; 0: no limit.
    #[must_use]
    pub fn per_minute(messages: u32) -> Self {
        if messages == 0 {
            return Self::UNLIMITED;
        }
        Self { every: Duration::from_mins(1) / messages, burst: (messages / 6).max(1) }
    }

    /// Whether there is a limit.
    #[must_use]
    pub fn is_limited(self) -> bool {
        !self.every.is_zero()
    }

    /// How many messages may go at `now`, if the pace is used up until `paid_until`.
    #[must_use]
    pub fn room(self, paid_until: Option<Timestamp>, now: Timestamp) -> u32 {
        if !self.is_limited() {
            return u32::MAX;
        }
        let used = self.within(paid_until, now).since(now).as_nanos();
        let free = self.whole().as_nanos().saturating_sub(used) / self.every.as_nanos().max(1);
        u32::try_from(free).unwrap_or(u32::MAX)
    }

    /// Until when the pace is used up after `count` more at `now`.
    #[must_use]
    pub fn pay(self, paid_until: Option<Timestamp>, now: Timestamp, count: u32) -> Timestamp {
        self.within(paid_until, now) + self.every.saturating_mul(count)
    }

    /// When the next message may go.
    #[must_use]
    pub fn opens_at(self, paid_until: Option<Timestamp>, now: Timestamp) -> Timestamp {
        if self.room(paid_until, now) > 0 {
            return now;
        }
        // There is no room, so more than the whole less one is used up.
        let used = self.within(paid_until, now).since(now);
        now + (used + self.every).saturating_sub(self.whole())
    }

    fn whole(self) -> Duration {
        self.every.saturating_mul(self.burst.max(1))
    }

    /// Never further ahead than one can pay at once: after the clock is set back, or with a new
    /// limit, the target is not left alone for longer than that.
    fn within(self, paid_until: Option<Timestamp>, now: Timestamp) -> Timestamp {
        paid_until.unwrap_or(now).clamp(now, now + self.whole())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace { every: Duration::from_secs(10), burst: 3 };

    fn at(seconds: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn after_a_burst_one_goes_every_so_often() {
        let mut paid = None;
        let mut went = Vec::new();
        for second in 0..61 {
            while PACE.room(paid, at(second)) > 0 {
                paid = Some(PACE.pay(paid, at(second), 1));
                went.push(second);
            }
        }
        assert_eq!(went, [0, 0, 0, 10, 20, 30, 40, 50, 60]);
    }

    #[test]
    fn several_are_paid_as_one_after_the_other() {
        assert_eq!(PACE.room(None, at(0)), 3);
        let paid = Some(PACE.pay(None, at(0), 2));
        assert_eq!((PACE.room(paid, at(0)), PACE.opens_at(paid, at(0))), (1, at(0)));
        let paid = Some(PACE.pay(paid, at(0), 1));
        assert_eq!((PACE.room(paid, at(3)), PACE.opens_at(paid, at(3))), (0, at(10)));
        assert_eq!(PACE.room(paid, at(10)), 1);
    }

    #[test]
    fn a_clock_that_is_set_back_closes_it_for_no_longer_than_a_burst() {
        let paid = Some(PACE.pay(None, at(1_000_000), 3));
        assert_eq!(PACE.opens_at(paid, at(0)), at(10));
        assert_eq!(PACE.pay(paid, at(0), 0), at(30));
    }

    #[test]
    fn without_a_limit_there_is_always_room() {
        for pace in [Pace::UNLIMITED, Pace::per_minute(0)] {
            assert_eq!(pace.room(Some(at(9)), at(0)), u32::MAX);
            assert_eq!(pace.opens_at(Some(at(9)), at(0)), at(0));
        }
        assert_eq!(Pace::per_minute(60), Pace { every: Duration::from_secs(1), burst: 10 });
        assert_eq!(Pace::per_minute(1).burst, 1);
    }
}
