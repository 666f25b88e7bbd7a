//! The time of the database, for servers that share it.
//!
//! Deadlines and leases in a shared database are compared by servers whose own clocks differ. What
//! all of them have is the database's clock, so a server's `now` is its own clock plus the offset
//! to that one.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use gov_core::{Clock, Health, HealthState, Timestamp};
use sqlx::PgPool;

/// How often the offset is measured.
const INTERVAL: Duration = Duration::from_secs(10);

/// How many round trips one measurement takes; the middle one counts.
const ROUND_TRIPS: usize = 5;

/// Beyond this offset a server's clock is wrong: somebody must correct it.
const TOLERATED: Duration = Duration::from_secs(2);

/// The longest sleep before the offset is looked at again.
const SLICE: Duration = Duration::from_secs(1);

/// Says what time it is in the database.
#[async_trait]
pub trait ServerTime: fmt::Debug + Send + Sync {
    /// The database's time while it answers.
    async fn server_time(&self) -> Result<Timestamp, sqlx::Error>;
}

#[async_trait]
impl ServerTime for PgPool {
    async fn server_time(&self) -> Result<Timestamp, sqlx::Error> {
        let now: DateTime<Utc> =
            sqlx::query_scalar("select clock_timestamp()").fetch_one(self).await?;
        Ok(Timestamp::from_micros_clamped(now.timestamp_micros()))
    }
}

/// The local clock, moved by its offset to the database's.
#[derive(Debug)]
pub struct DatabaseClock {
    local: Arc<dyn Clock>,
    server: Arc<dyn ServerTime>,
    // Microseconds that the database is ahead.
    offset: AtomicI64,
}

impl DatabaseClock {
    /// A clock that has been measured once.
    ///
    /// # Errors
    ///
    /// The database does not answer: there is no time to go by.
    pub async fn start(
        local: Arc<dyn Clock>,
        server: Arc<dyn ServerTime>,
    ) -> Result<Self, sqlx::Error> {
        let it = Self { local, server, offset: AtomicI64::new(0) };
        it.measure().await?;
        Ok(it)
    }

    /// Measures the offset again and again until `stop`.
    pub async fn run(&self, stop: impl Future<Output = ()>) {
        let mut stop = std::pin::pin!(stop);
        loop {
            let next = self.local.now() + INTERVAL;
            tokio::select! {
                () = &mut stop => return,
                () = self.local.sleep_until(next) => (),
            }
            tokio::select! {
                () = &mut stop => return,
                measured = self.measure() => if let Err(error) = measured {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "the database's time is not known; the last offset stays");
                },
            }
        }
    }

    /// Measures the offset once.
    ///
    /// # Errors
    ///
    /// The database does not answer; the offset stays what it was.
    pub async fn measure(&self) -> Result<(), sqlx::Error> {
        let mut offsets = Vec::with_capacity(ROUND_TRIPS);
        for _ in 0..ROUND_TRIPS {
            let before = self.local.now().as_micros();
            let there = self.server.server_time().await?.as_micros();
            let after = self.local.now().as_micros();
            offsets.push(there - before.midpoint(after));
        }
        offsets.sort_unstable();
        if let Some(middle) = offsets.get(ROUND_TRIPS / 2) {
            self.offset.store(*middle, Ordering::Relaxed);
        }
        Ok(())
    }
}

#[async_trait]
impl Clock for DatabaseClock {
    fn now(&self) -> Timestamp {
        let local = self.local.now().as_micros();
        Timestamp::from_micros_clamped(local.saturating_add(self.offset.load(Ordering::Relaxed)))
    }

    /// In slices, since the offset may change meanwhile.
    async fn sleep_until(&self, deadline: Timestamp) {
        loop {
            let left = deadline.since(self.now());
            if left.is_zero() {
                return;
            }
            self.local.sleep_until(self.local.now() + left.min(SLICE)).await;
        }
    }
}

impl Health for DatabaseClock {
    fn name(&self) -> &'static str {
        "clock"
    }

    fn health(&self) -> HealthState {
        let offset = Duration::from_micros(self.offset.load(Ordering::Relaxed).unsigned_abs());
        if offset <= TOLERATED {
            return HealthState::Healthy;
        }
        HealthState::Dead(format!(
            "this machine's clock and the database's are {} ms apart, and at most {} are tolerated; \
             correct the one that is wrong",
            offset.as_millis(),
            TOLERATED.as_millis()
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, task::Poll};

    use gov_core::clock::ManualClock;
    use parking_lot::Mutex;

    use super::*;

    /// Answers with offsets to the local clock, in milliseconds, the last one for ever; each round
    /// trip takes 10 ms.
    #[derive(Debug)]
    struct Fake {
        local: ManualClock,
        offsets: Mutex<VecDeque<i64>>,
    }

    #[async_trait]
    impl ServerTime for Fake {
        async fn server_time(&self) -> Result<Timestamp, sqlx::Error> {
            let mut offsets = self.offsets.lock();
            let offset = match offsets.len() {
                0 => return Err(sqlx::Error::PoolTimedOut),
                1 => offsets[0],
                _ => offsets.pop_front().unwrap(),
            };
            self.local.advance(Duration::from_millis(5));
            let there = self.local.now().as_micros() + offset * 1_000;
            self.local.advance(Duration::from_millis(5));
            Ok(Timestamp::from_micros(there).unwrap())
        }
    }

    async fn measured(offsets: &[i64]) -> (ManualClock, Arc<Fake>, DatabaseClock) {
        let local = ManualClock::default();
        let offsets = Mutex::new(offsets.iter().copied().collect());
        let fake = Arc::new(Fake { local: local.clone(), offsets });
        let server = Arc::clone(&fake) as Arc<dyn ServerTime>;
        let clock = DatabaseClock::start(Arc::new(local.clone()), server).await.unwrap();
        (local, fake, clock)
    }

    #[tokio::test]
    async fn now_is_the_databases_time_by_the_middle_of_a_few_round_trips() {
        let (local, _, clock) = measured(&[700, 700, 90_000, -5, 701]).await;
        assert_eq!(clock.now(), local.now() + Duration::from_millis(700));
        let (local, _, clock) = measured(&[-700]).await;
        assert_eq!(clock.now() + Duration::from_millis(700), local.now());
    }

    #[tokio::test]
    async fn an_offset_over_two_seconds_is_dead_until_it_is_smaller_again() {
        let (_, fake, clock) = measured(&[-2_001]).await;
        assert!(matches!(clock.health(), HealthState::Dead(reason) if reason.contains("2001 ms")));
        *fake.offsets.lock() = [2_000].into();
        clock.measure().await.unwrap();
        assert_eq!(clock.health(), HealthState::Healthy);
    }

    #[tokio::test]
    async fn a_database_that_does_not_answer_leaves_the_last_offset() {
        let (local, fake, clock) = measured(&[300]).await;
        fake.offsets.lock().clear();
        assert!(clock.measure().await.is_err());
        assert_eq!(clock.now(), local.now() + Duration::from_millis(300));
        let nobody = DatabaseClock::start(Arc::new(local), fake).await;
        assert!(nobody.is_err(), "there is no time to begin with");
    }

    #[tokio::test]
    async fn a_sleeper_wakes_by_the_databases_time_also_where_that_is_corrected() {
        let (local, fake, clock) = measured(&[1_000]).await;
        let mut sleep = clock.sleep_until(local.now() + Duration::from_secs(4));
        let mut poll = async || {
            std::future::poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready())).await
        };
        assert!(!poll().await);
        // Two of the three seconds that are left.
        for _ in 0..2 {
            local.advance(Duration::from_secs(1));
            assert!(!poll().await);
        }
        // The database is found to be two seconds ahead instead of one.
        *fake.offsets.lock() = [2_000].into();
        clock.measure().await.unwrap();
        local.advance(Duration::from_secs(1));
        assert!(poll().await);
    }

    #[tokio::test]
    async fn it_is_measured_every_ten_seconds_until_it_is_stopped() {
        let (local, fake, clock) = measured(&[0]).await;
        *fake.offsets.lock() = [500].into();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let mut run = Box::pin(clock.run(async {
            let _ = stopped.await;
        }));
        let mut poll =
            async || std::future::poll_fn(|cx| Poll::Ready(run.as_mut().poll(cx).is_ready())).await;
        assert!(!poll().await);
        local.advance(Duration::from_secs(9));
        assert!(!poll().await);
        assert_eq!(clock.now(), local.now(), "not yet");
        local.advance(Duration::from_secs(1));
        assert!(!poll().await);
        assert_eq!(clock.now(), local.now() + Duration::from_millis(500));
        drop(stop);
        assert!(poll().await);
    }
}
