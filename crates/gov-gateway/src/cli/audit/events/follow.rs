//! `gov audit events --follow`: what comes, as it comes.
//!
//! Events do not arrive in the order of their times: what goes through the signed log comes a
//! moment later than what does not. So each look begins a span before the newest event that was
//! seen, and what was shown before is known by its id.

use std::{collections::BTreeSet, time::Duration};

use gov_core::{Clock as _, EventId, SystemClock, Timestamp};

use super::{Events, Pages, Parameters, source::Source};
use crate::{
    cli::{Exit, Failure, console},
    events::EventView,
};

/// How often it looks.
const INTERVAL: Duration = Duration::from_secs(1);

/// How far behind the newest event one may arrive and still be shown.
const REACH: Duration = Duration::from_secs(30);

/// How many shown events are remembered.
const MEMORY: usize = 10_000;

/// Shows the latest events and then those that come, until Ctrl-C.
pub(super) async fn run(
    command: &Events,
    source: &Source,
    parameters: &Parameters,
) -> Result<(), Failure> {
    let interrupted = async {
        tokio::signal::ctrl_c()
            .await
            .map_err(|error| Failure::because(Exit::NotJudged, "cannot listen for Ctrl-C", error))
    };
    tokio::select! {
        biased;
        interrupted = interrupted => interrupted,
        Err(failure) = follow(command, source, parameters) => Err(failure),
    }
}

async fn follow(command: &Events, source: &Source, parameters: &Parameters) -> Result<(), Failure> {
    let mut window = Window::new();
    // More than this could not be remembered.
    let limit = command.limit.min(MEMORY as u64);
    let (mut latest, mut pages) = (Vec::new(), Pages::new(parameters, "newest", limit));
    while let Some(page) = pages.next(source).await? {
        latest.extend(page);
    }
    if let Some(oldest) = latest.last().filter(|_| latest.len() as u64 >= limit) {
        window.forget_before(oldest.at);
    }
    for event in latest.iter().rev() {
        window.admit(event.at, event.id);
        command.show(event)?;
    }
    drop(latest);
    let mut told = false;
    loop {
        SystemClock.sleep_until(SystemClock.now() + INTERVAL).await;
        match look(command, source, parameters, &mut window).await {
            Ok(()) => told = false,
            // A server that starts again is worth waiting for.
            Err(failure) if matches!(failure.exit, Exit::Unreachable) => {
                if !told {
                    // With standard error closed nobody reads it.
                    let _ = console::error(&format!("gov: {failure}; still trying"));
                }
                told = true;
            }
            Err(failure) => return Err(failure),
        }
    }
}

async fn look(
    command: &Events,
    source: &Source,
    parameters: &Parameters,
    window: &mut Window,
) -> Result<(), Failure> {
    let mut parameters = parameters.clone();
    if let Some(from) = window.from() {
        parameters.retain(|(name, _)| *name != "from");
        parameters.push(("from", from.to_string()));
    }
    let mut pages = Pages::new(&parameters, "oldest", u64::MAX);
    while let Some(page) = pages.next(source).await? {
        let new = |it: &&EventView| window.admit(it.at, it.id);
        page.iter().filter(new).try_for_each(|it| command.show(it))?;
    }
    Ok(())
}

/// Which events were shown, of those that a look may meet again.
struct Window {
    shown: BTreeSet<(Timestamp, EventId)>,
    /// Nothing before it is asked for.
    floor: Timestamp,
}

impl Window {
    fn new() -> Self {
        Self { shown: BTreeSet::new(), floor: Timestamp::UNIX_EPOCH }
    }

    /// Where the next look begins; `None` while nothing was shown.
    fn from(&self) -> Option<Timestamp> {
        let (newest, _) = self.shown.last()?;
        let reach = i64::try_from(REACH.as_micros()).unwrap_or(i64::MAX);
        let from = Timestamp::from_micros_clamped(newest.as_micros().saturating_sub(reach));
        Some(from.max(self.floor))
    }

    fn forget_before(&mut self, floor: Timestamp) {
        self.floor = self.floor.max(floor);
    }

    /// True for an event that was not shown yet; from now on it was.
    fn admit(&mut self, at: Timestamp, id: EventId) -> bool {
        if at < self.floor || !self.shown.insert((at, id)) {
            return false;
        }
        while self.shown.len() > MEMORY {
            if let Some((oldest, _)) = self.shown.pop_first() {
                self.forget_before(oldest + Duration::from_micros(1));
            }
        }
        if let Some(from) = self.from() {
            while self.shown.first().is_some_and(|(at, _)| *at < from) {
                self.shown.pop_first();
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        Timestamp::UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn a_repeat_is_dropped_and_what_comes_late_within_reach_is_not() {
        let mut window = Window::new();
        let ids = [(); 4].map(|()| EventId::at(at(0)));
        assert_eq!(window.from(), None);
        assert!(window.admit(at(100), ids[0]));
        assert!(window.admit(at(80), ids[1]), "late");
        assert!(!window.admit(at(100), ids[0]) && !window.admit(at(80), ids[1]), "again");
        assert_eq!(window.from(), Some(at(70)));
        assert!(window.admit(at(200), ids[2]));
        assert_eq!(window.shown.len(), 1, "what no look meets again is forgotten");
        assert_eq!(window.from(), Some(at(170)));
    }

    #[test]
    fn it_remembers_so_many_and_repeats_nothing_that_it_forgot() {
        let mut window = Window::new();
        let start = at(1000);
        let events: Vec<_> = (0..12_000)
            .map(|micros| (start + Duration::from_micros(micros), EventId::at(start)))
            .collect();
        assert!(events.iter().all(|(at, id)| window.admit(*at, *id)));
        assert_eq!(window.shown.len(), MEMORY);
        assert_eq!(window.from(), Some(start + Duration::from_millis(2)));
        assert!(!events.iter().any(|(at, id)| window.admit(*at, *id)));
    }

    #[test]
    fn what_lies_before_the_first_lines_is_not_taken_for_new() {
        let mut window = Window::new();
        window.forget_before(at(100));
        assert!(window.admit(at(110), EventId::at(at(0))));
        assert_eq!(window.from(), Some(at(100)));
        assert!(!window.admit(at(99), EventId::at(at(0))));
    }
}
