//! The spool: what was submitted and is not in the log yet, in files.
//!
//! ```text
//! append ──▶ active segment ──roll──▶ sealed segments ──all acknowledged──▶ removed
//!                 │ 5 ms or 1 MiB, unless acknowledged
//!                 └──▶ fdatasync, by the flusher
//! ```
//!
//! Everything here but [`Spool::append`] is bookkeeping: the flusher does the slow work outside
//! the queue's lock and reports back.

pub(crate) mod body;
pub(crate) mod flusher;
pub(crate) mod frame;
pub(crate) mod recover;
pub(crate) mod scan;
pub(crate) mod segment;

use std::{
    collections::{BTreeMap, VecDeque},
    fs::File,
    io,
    sync::Arc,
    time::Duration,
};

use gov_core::Timestamp;

use self::{
    frame::{HEADER_BYTES, Mark},
    segment::Segment,
};

/// How the spool is bounded and made durable.
#[derive(Clone, Copy, Debug)]
pub struct SpoolLimits {
    /// At most this many bytes on disk; beyond, a submit is refused as full.
    pub max_bytes: u64,
    /// A segment of this size is followed by a new one, so that old ones can be removed.
    pub segment_bytes: u64,
    /// A frame that is not in the log after this span is fsynced.
    pub sync_after: Duration,
    /// So many bytes that are not in the log are fsynced at once.
    pub sync_bytes: u64,
}

impl Default for SpoolLimits {
    fn default() -> Self {
        Self {
            max_bytes: 1024 * 1024 * 1024,
            segment_bytes: 8 * 1024 * 1024,
            sync_after: Duration::from_millis(5),
            sync_bytes: 1024 * 1024,
        }
    }
}

/// A place in the spool. Places of later frames are greater.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    pub(crate) segment: u64,
    pub(crate) offset: u64,
}

/// Why a frame was not written. Nothing of it remains.
#[derive(Debug)]
pub(crate) enum AppendError {
    Full { limit: u64 },
    Io(io::Error),
}

/// What the flusher does next.
#[derive(Debug)]
pub(crate) enum Chore {
    /// Fsync the file, which then holds everything before `to` durably.
    Sync { file: Arc<File>, to: Position },
    /// Create the segment with this number, and install it.
    Roll { number: u64 },
    /// Remove these; nothing in them is needed.
    Remove(Vec<Segment>),
    /// Nothing until then.
    WaitUntil(Timestamp),
    /// Nothing until something is appended or acknowledged.
    Idle,
}

#[derive(Debug)]
pub(crate) struct Spool {
    limits: SpoolLimits,
    mark: Mark,
    /// Holds the lock on segment 0 for as long as the spool is open.
    _lock: Arc<File>,
    active: Segment,
    sealed: BTreeMap<u64, Segment>,
    removable: Vec<Segment>,
    // INVARIANT: the length of `active` and of everything in `sealed`, together.
    bytes: u64,
    acked: Position,
    synced: Position,
    /// When groups of frames that follow each other were written, oldest first.
    unsynced: VecDeque<(Position, Timestamp)>,
    /// Frames before this place may not have reached the disk: their fsync failed.
    doubtful: Option<(Position, String)>,
    broken: Option<String>,
    wants_roll: bool,
    flusher_idle: bool,
}

/// Frames written into one segment within this span share one deadline, the earliest.
const GROUP: Duration = Duration::from_millis(1);

impl Spool {
    /// Appends one frame, made with [`Spool::mark`], and says whether the flusher must wake.
    pub(crate) fn append(
        &mut self,
        frame: &[u8],
        now: Timestamp,
    ) -> Result<(Position, bool), AppendError> {
        let frame_bytes = u64::try_from(frame.len()).unwrap_or(u64::MAX);
        if let Some(why) = &self.broken {
            let error = io::Error::other(why.clone());
            // Each refused submit lets the flusher try once more to heal it.
            self.wants_roll = true;
            return Err(AppendError::Io(error));
        }
        if self.bytes.saturating_add(frame_bytes) > self.limits.max_bytes {
            return Err(AppendError::Full { limit: self.limits.max_bytes });
        }
        let at = self.end();
        if let Err((error, left_behind)) = self.active.append(frame) {
            if let Some(cut) = left_behind {
                self.broken = Some(format!("a torn frame could not be cut off: {cut}"));
            }
            return Err(AppendError::Io(error));
        }
        self.bytes += frame_bytes;
        let uncovered = self.uncovered_bytes();
        let begins = |(last, since): &(Position, Timestamp)| {
            last.segment != at.segment || *since + GROUP <= now
        };
        if self.unsynced.back().is_none_or(begins) {
            self.unsynced.push_back((at, now));
        }
        let rolls = self.active.len >= self.segment_bytes() && !self.wants_roll;
        self.wants_roll |= rolls;
        let many =
            uncovered < self.limits.sync_bytes && uncovered + frame_bytes >= self.limits.sync_bytes;
        let wake = std::mem::take(&mut self.flusher_idle) || rolls || many;
        Ok((self.end(), wake))
    }

    /// Everything before `to` is in the log or in the dead letters. True: wake the flusher.
    pub(crate) fn ack(&mut self, to: Position) -> bool {
        self.acked = self.acked.max(self.behind_a_sealed_end(to));
        while let Some(first) = self.sealed.first_entry() {
            let end = Position { segment: *first.key(), offset: first.get().len };
            if end.segment >= self.acked.segment && end > self.acked {
                break;
            }
            let segment = first.remove();
            self.bytes = self.bytes.saturating_sub(segment.len);
            self.removable.push(segment);
        }
        if self.doubtful.as_ref().is_some_and(|(until, _)| *until <= self.acked) {
            self.doubtful = None;
        }
        self.forget_covered();
        !self.removable.is_empty() && std::mem::take(&mut self.flusher_idle)
    }

    pub(crate) fn next_chore(&mut self, now: Timestamp) -> Chore {
        self.flusher_idle = false;
        let due = self.sync_due();
        if due.is_some_and(|due| due <= now) {
            let (file, to) = self.sync_target();
            return Chore::Sync { file, to };
        }
        if self.wants_roll {
            return Chore::Roll { number: self.active.number + 1 };
        }
        if !self.removable.is_empty() {
            return Chore::Remove(std::mem::take(&mut self.removable));
        }
        self.flusher_idle = due.is_none();
        due.map_or(Chore::Idle, Chore::WaitUntil)
    }

    /// What a final fsync covers.
    pub(crate) fn sync_target(&self) -> (Arc<File>, Position) {
        let oldest = self.unsynced.front().map(|(at, _)| at.segment);
        match oldest.and_then(|number| self.sealed.get(&number)) {
            Some(it) => (it.file.clone(), Position { segment: it.number, offset: it.len }),
            None => (self.active.file.clone(), self.end()),
        }
    }

    pub(crate) fn has_unsynced(&self) -> bool {
        !self.unsynced.is_empty()
    }

    pub(crate) fn synced(&mut self, to: Position) {
        self.synced = self.synced.max(self.behind_a_sealed_end(to));
        self.forget_covered();
    }

    /// An fsync failed: its descriptor is never asked again, since it would say yes to bytes that
    /// are gone. A new segment takes its place.
    pub(crate) fn sync_failed(&mut self, to: Position, error: &io::Error) {
        self.synced(to);
        self.doubtful = Some((to, format!("fsync of the spool failed: {error}")));
        if to.segment == self.active.number {
            self.broken = Some(format!("fsync of the spool failed: {error}"));
            self.wants_roll = true;
        }
    }

    pub(crate) fn rolled(&mut self, outcome: io::Result<Segment>) -> io::Result<()> {
        self.wants_roll = false;
        let segment = outcome?;
        self.bytes += segment.len;
        let sealed = std::mem::replace(&mut self.active, segment);
        self.sealed.insert(sealed.number, sealed);
        self.broken = None;
        let acked = self.acked;
        self.ack(acked);
        Ok(())
    }

    /// Everything is acknowledged and nothing follows: all segments, to be removed.
    pub(crate) fn retire(&mut self) -> Vec<Segment> {
        self.unsynced.clear();
        let mut all = std::mem::take(&mut self.removable);
        all.extend(std::mem::take(&mut self.sealed).into_values());
        all.push(self.active.clone());
        all
    }

    pub(crate) fn segment(&self, number: u64) -> Option<Segment> {
        if number == self.active.number {
            return Some(self.active.clone());
        }
        self.sealed.get(&number).cloned()
    }

    /// From here on it takes whatever it is given.
    pub(crate) fn lift_bound(&mut self) {
        self.limits.max_bytes = u64::MAX;
    }

    pub(crate) fn mark(&self) -> Mark {
        self.mark
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// What is wrong with it, if something is.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.broken.as_deref().or(self.doubtful.as_ref().map(|(_, why)| why.as_str()))
    }

    fn end(&self) -> Position {
        Position { segment: self.active.number, offset: self.active.len }
    }

    /// The end of a sealed segment is the beginning of the next one.
    fn behind_a_sealed_end(&self, mut at: Position) -> Position {
        while self.sealed.get(&at.segment).is_some_and(|it| at.offset >= it.len) {
            at = Position { segment: at.segment + 1, offset: HEADER_BYTES };
        }
        at
    }

    /// A small bound on the whole must not be used up by one segment of acknowledged frames.
    fn segment_bytes(&self) -> u64 {
        self.limits.segment_bytes.min(self.limits.max_bytes / 4).max(HEADER_BYTES + 1)
    }

    fn covered(&self) -> Position {
        self.acked.max(self.synced)
    }

    fn uncovered_bytes(&self) -> u64 {
        match self.unsynced.front() {
            None => 0,
            Some((at, _)) if at.segment == self.active.number => {
                self.active.len - self.covered().max(*at).offset.min(self.active.len)
            }
            Some(_) => self.limits.sync_bytes,
        }
    }

    fn sync_due(&self) -> Option<Timestamp> {
        let (_, since) = self.unsynced.front()?;
        if self.uncovered_bytes() >= self.limits.sync_bytes {
            return Some(Timestamp::UNIX_EPOCH);
        }
        Some(*since + self.limits.sync_after)
    }

    fn forget_covered(&mut self) {
        let covered = self.covered();
        while !self.unsynced.is_empty() {
            let group_end = self.unsynced.get(1).map_or(self.end(), |(at, _)| *at);
            if group_end > covered {
                break;
            }
            self.unsynced.pop_front();
        }
    }
}
