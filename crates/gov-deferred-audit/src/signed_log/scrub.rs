//! Reads the whole log again and again, slowly, and compares it with what was signed.
//!
//! ```text
//! round: finish a pruning ─▶ each epoch: end and signed root ─▶ each bundle: entries ⇄ tile ⇄ tile
//!                            above ─▶ payloads ⇄ commitments ─▶ rest
//! ```
//!
//! It only looks: a finding is told as an error, counted, and makes the log's health degraded until
//! a later round finds nothing. Appending goes on.

use std::{error::Error, time::Duration};

use gov_core::Timestamp;
use tokio_util::sync::CancellationToken;

use super::{ReadLogError, SignedLog};
use crate::{
    pruned::PruneStatement,
    store::{Head, LogRows, StoreError},
    tlog::tile::bundles_of,
    verify::{Finding, Which},
};

mod checks;

use self::checks::{Bundle, Step};

/// So many payloads are read at once: with a mebibyte each they still fit.
const PAYLOADS: u8 = 16;

/// How long to wait where the database cannot be read.
const PAUSE: Duration = Duration::from_secs(10);

/// How the log is scrubbed.
#[derive(Clone, Copy, Debug)]
pub struct ScrubConfig {
    /// At most so many stored bytes are read a second, on average; 0 counts as 1.
    pub bytes_per_second: u64,
    /// How long it rests between two rounds.
    pub rest: Duration,
}

impl Default for ScrubConfig {
    /// 4 MiB a second, and an hour between rounds.
    fn default() -> Self {
        Self { bytes_per_second: 4 << 20, rest: Duration::from_hours(1) }
    }
}

impl SignedLog {
    /// Scrubs round after round until `shutdown`: hashes what is stored, entries against their
    /// tiles, tiles against the tiles above and the signed root, payloads against their
    /// commitments. A payload that is erased and what is pruned are not missed.
    ///
    /// One bounded read at a time runs on the log's readers. What is wrong is told as an error with
    /// the first bad index of its bundle, counted, and makes the log's health degraded until a
    /// later round finds nothing. Before each round what a pruning left behind is deleted. The
    /// caller runs it beside the log; one node of a deployment is enough.
    pub async fn scrub(self, config: ScrubConfig, shutdown: CancellationToken) {
        let clock = std::sync::Arc::clone(&self.inner.clock);
        let mut scrubber = Scrubber {
            paid_until: clock.now(),
            log: self,
            config,
            meters: Meters::new(),
            first: None,
        };
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = scrubber.round() => (),
            }
            tokio::select! {
                () = shutdown.cancelled() => return,
                () = clock.sleep_until(clock.now() + config.rest) => (),
            }
        }
    }
}

struct Meters {
    findings: metrics::Counter,
    records: metrics::Counter,
    rounds: metrics::Counter,
}

impl Meters {
    fn new() -> Self {
        Self {
            findings: metrics::counter!("gov_deferred_audit_scrub_findings_total"),
            records: metrics::counter!("gov_deferred_audit_scrubbed_records_total"),
            rounds: metrics::counter!("gov_deferred_audit_scrub_rounds_total"),
        }
    }
}

struct Scrubber {
    log: SignedLog,
    config: ScrubConfig,
    meters: Meters,
    /// What was read so far may take until then.
    paid_until: Timestamp,
    /// The first finding of this round; one with a place goes before one without.
    first: Option<Finding>,
}

impl Scrubber {
    async fn round(&mut self) {
        if let Err(error) = self.log.finish_pruning().await {
            tracing::warn!(error = &error as &dyn Error, "a pruning cannot be finished now");
        }
        self.first = None;
        let begin = |rows: &mut dyn LogRows| Ok((rows.heads()?, super::pruning::stated(rows)));
        let (heads, said) = self
            .read(begin)
            .await
            .unwrap_or_else(|why| (Vec::new(), Err(StoreError::Corrupt(why))));
        let last = heads.last().map_or(1, |head| head.epoch);
        let said = said.unwrap_or_else(|error| {
            self.found(&finding(last, None, "pruned", error.to_string()));
            PruneStatement::default()
        });
        for head in heads {
            self.epoch(&head, &said).await;
        }
        if self.first.is_none() {
            self.log.inner.trouble.lock().scrubbing = None;
        }
        self.meters.rounds.increment(1);
    }

    async fn epoch(&mut self, head: &Head, said: &PruneStatement) {
        let (epoch, size) = (head.epoch, head.size);
        let ending = head.clone();
        let ends = self.step((epoch, None), move |rows| checks::end(rows, &ending)).await;
        let is_signed = ends.findings.is_empty();
        self.account(&ends).await;
        for (index, width) in bundles_of(size) {
            let bundle = Bundle { epoch, size, index, width, is_signed };
            let judged = said.clone();
            let place = (epoch, Some(bundle.first()));
            let step = self.step(place, move |rows| checks::bundle(rows, bundle, &judged)).await;
            self.account(&step).await;
            let mut commits = step.commits.into_iter().peekable();
            for first in (bundle.first()..bundle.end()).step_by(PAYLOADS.into()) {
                let end = (first + u64::from(PAYLOADS)).min(bundle.end());
                let mut part = Vec::new();
                while let Some(commit) = commits.next_if(|(seq, _)| *seq <= end) {
                    part.push(commit);
                }
                let range = (epoch, first, end);
                let place = (epoch, Some(first));
                let step = self.step(place, move |rows| checks::payloads(rows, range, &part)).await;
                self.account(&step).await;
            }
        }
        for place in checks::named_tiles(size) {
            let at = (epoch, size);
            let step = self.step((epoch, None), move |rows| checks::tile(rows, at, place)).await;
            self.account(&step).await;
        }
    }

    /// One bounded read; what cannot be made sense of is a finding at `place`.
    async fn step(
        &self,
        (epoch, index): (u64, Option<u64>),
        job: impl FnOnce(&mut dyn LogRows) -> Result<Step, StoreError> + Clone + Send + 'static,
    ) -> Step {
        self.read(job).await.unwrap_or_else(|why| Step {
            findings: vec![finding(epoch, index, "rows", why)],
            ..Step::default()
        })
    }

    /// Tells and counts what a read gave, and waits until its bytes are paid for.
    async fn account(&mut self, step: &Step) {
        step.findings.iter().for_each(|it| self.found(it));
        self.meters.records.increment(step.records);
        let clock = &self.log.inner.clock;
        let a_second = u128::from(self.config.bytes_per_second.max(1));
        let micros = u128::from(step.bytes) * 1_000_000 / a_second;
        let span = Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX));
        self.paid_until = self.paid_until.max(clock.now()) + span;
        clock.sleep_until(self.paid_until).await;
    }

    fn found(&mut self, finding: &Finding) {
        tracing::error!(%finding, "the stored log is not what was signed; run `gov audit verify`");
        self.meters.findings.increment(1);
        let is_better = |it: &Finding| it.index.is_none() && finding.index.is_some();
        if self.first.as_ref().is_none_or(is_better) {
            let text = format!("scrubbing found {finding}; run `gov audit verify`");
            self.first = Some(finding.clone());
            self.log.inner.trouble.lock().scrubbing = Some(text);
        }
    }

    /// Reads until it works; the error is what makes no sense.
    async fn read<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut dyn LogRows) -> Result<T, StoreError> + Clone + Send + 'static,
    ) -> Result<T, String> {
        loop {
            let error = match self.log.inner.backend.read(job.clone()).await {
                Ok(read) => return Ok(read),
                Err(ReadLogError::Corrupt(why)) => return Err(why),
                Err(error) => error,
            };
            tracing::warn!(error = &error as &dyn Error, "the log cannot be scrubbed now");
            let clock = &self.log.inner.clock;
            clock.sleep_until(clock.now() + PAUSE).await;
        }
    }
}

fn finding(epoch: u64, index: Option<u64>, what: &str, why: impl Into<String>) -> Finding {
    Finding { which: Which::Integrity, epoch, index, what: what.to_owned(), why: why.into() }
}
