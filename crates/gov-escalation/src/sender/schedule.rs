//! When a message is tried again.

use std::time::Duration;

use gov_core::{NotificationId, id::uuid::Uuid};

const fn hours(hours: u64) -> Duration {
    Duration::from_hours(hours)
}

/// The pauses between the tries of a message; the first try comes at once. After the last pause
/// comes the last try.
///
/// Source: Standard Webhooks 1.0, "Deliverability and reliability".
pub const STANDARD: &[Duration] = &[
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    hours(2),
    hours(5),
    hours(10),
    hours(14),
    hours(20),
    hours(24),
];

/// How long to wait after so many tries; `None` after the last.
///
/// Up to a tenth longer than `pauses` say, so that messages that failed together do not come
/// again together. How much is the message's own: each process finds the same.
pub(super) fn pause(pauses: &[Duration], tries: u32, id: NotificationId) -> Option<Duration> {
    let index = usize::try_from(tries.checked_sub(1)?).ok()?;
    let pause = *pauses.get(index)?;
    Some(pause + pause * chance(id.as_uuid(), tries) / 2560)
}

/// A number below 256 out of the random part of an id.
fn chance(id: Uuid, tries: u32) -> u32 {
    let [.., last] = id.as_bytes();
    u32::from(last.wrapping_add(tries.to_le_bytes()[0].wrapping_mul(97)))
}

#[cfg(test)]
mod tests {
    use gov_core::Timestamp;

    use super::*;

    /// 0 s, 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h after the one before.
    #[test]
    fn there_are_ten_tries_over_three_days() {
        let total: Duration = STANDARD.iter().sum();
        assert_eq!((STANDARD.len() + 1, total.as_secs()), (10, 75 * 3600 + 35 * 60 + 5));
        let id = NotificationId::at(Timestamp::UNIX_EPOCH);
        assert_eq!(pause(STANDARD, 0, id), None);
        for (tries, wanted) in (1..).zip(STANDARD) {
            let pause = pause(STANDARD, tries, id).unwrap();
            assert!((*wanted..=*wanted * 11 / 10).contains(&pause), "{pause:?}");
        }
        assert_eq!(pause(STANDARD, 10, id), None);
        assert_eq!(pause(STANDARD, u32::MAX, id), None);
    }

    #[test]
    fn messages_that_failed_together_do_not_come_again_together() {
        let ids = (0..20).map(|_| NotificationId::at(Timestamp::UNIX_EPOCH));
        let pauses: std::collections::BTreeSet<_> =
            ids.map(|id| pause(STANDARD, 2, id).unwrap()).collect();
        assert!(pauses.len() > 10, "{pauses:?}");
    }
}
