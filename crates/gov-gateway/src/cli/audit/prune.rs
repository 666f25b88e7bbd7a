//! `gov audit prune`: entries go, proofs stay, and the log says so.

use std::{collections::BTreeMap, time::Duration};

use clap::Args;
use gov_core::{Clock as _, SystemClock, Timestamp};
use gov_deferred_audit::{
    SignedLog,
    pruned::first_prunable,
    signed_log::{PruneError, Pruned, ReadLogError},
    tlog::tile::TILE_WIDTH,
};
use serde_json::json;

use super::{
    place::{Found, LogPlace},
    reason::Reason,
};
use crate::{
    cli::{Exit, Failure, Outcome, console},
    config::span,
};

/// Who pruned, as the record names it.
const ACTOR: &str = "gov audit prune";

/// Deletes entries and payloads of old records, in whole bundles of 256. The server must be down.
///
/// The tree keeps every hash: each receipt that was handed out still holds, and the log verifies as
/// before; what the records said is gone for good. First the log takes a record that says what is
/// pruned. Nothing goes that the event store has not got.
#[derive(Debug, Args)]
pub struct Prune {
    #[command(flatten)]
    what: What,
    /// The epoch that `--below` counts in; by default the current one.
    #[arg(long, value_name = "N", requires = "below", conflicts_with = "older_than", value_parser = clap::value_parser!(u64).range(1..))]
    epoch: Option<u64>,
    #[command(flatten)]
    reason: Reason,
    /// Only say what would go.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    place: LogPlace,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Which records.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// Of all epochs what happened longer ago than this: `90d`, `12h`.
    #[arg(long, value_name = "SPAN", value_parser = age)]
    older_than: Option<Duration>,
    /// The first so many records of an epoch, as far as they fill bundles.
    #[arg(long, value_name = "SEQ", value_parser = clap::value_parser!(u64).range(1..))]
    below: Option<u64>,
}

/// What is to go.
#[derive(Debug)]
struct Plan {
    below: BTreeMap<u64, u64>,
    /// How many entries are there below.
    entries: u64,
}

impl Prune {
    pub(super) fn run(self) -> Outcome {
        let reason = self.reason.text()?;
        let found = self.place.find()?;
        let (plan, pruned) = found.on_log(found.lock()?, async |log| {
            let plan = self.plan(log).await?;
            check_carried(&found, log, &plan.below).await?;
            if self.dry_run {
                return Ok((plan, None));
            }
            // Also where nothing new is to go: an earlier pruning may have been cut short.
            let pruned = log.prune(&plan.below, ACTOR, reason).await.map_err(failure)?;
            Ok((plan, Some(pruned)))
        })?;
        self.say(&plan, pruned.as_ref())?;
        Ok(Exit::Yes)
    }

    async fn plan(&self, log: &SignedLog) -> Result<Plan, Failure> {
        let width = u64::from(TILE_WIDTH);
        let below = match (self.what.older_than, self.what.below) {
            (Some(age), _) => log.prunable(before(SystemClock.now(), age)).await.map_err(unread)?,
            (None, Some(below)) => {
                let epoch = self.epoch.unwrap_or_else(|| log.epoch());
                let extents = log.epochs().await.map_err(unread)?;
                let size = extents.iter().find(|it| it.epoch == epoch).map(|it| it.size);
                let size = size.ok_or_else(|| {
                    Failure::new(Exit::Usage, format!("`--epoch {epoch}`: the log has none such"))
                })?;
                if below > size {
                    let what = format!(
                        "`--below {below}`: epoch {epoch} has {size} records, of which {} fill \
                         bundles",
                        size - size % width
                    );
                    return Err(Failure::new(Exit::Usage, what));
                }
                BTreeMap::from([(epoch, below - below % width)])
            }
            // Not reached: one of the two must be given.
            (None, None) => BTreeMap::new(),
        };
        let pruned = log.pruned().await.map_err(unread)?;
        let gone = |epoch: u64| pruned.below_of(epoch).max(first_prunable(epoch));
        let below: BTreeMap<_, _> =
            below.into_iter().filter(|(epoch, below)| *below > gone(*epoch)).collect();
        let entries = below.iter().map(|(epoch, below)| below - gone(*epoch)).sum();
        Ok(Plan { below, entries })
    }

    fn say(&self, plan: &Plan, pruned: Option<&Pruned>) -> Result<(), Failure> {
        let record = pruned.and_then(|it| it.record);
        if self.json {
            let below: Vec<_> = plan
                .below
                .iter()
                .map(|(epoch, below)| json!({"epoch": epoch, "below": below}))
                .collect();
            let line = json!({
                "entries": pruned.map_or(plan.entries, |it| it.entries), "below": below,
                "dry_run": self.dry_run, "record": record.map(|it| it.to_string()),
            });
            return console::line(&line.to_string());
        }
        for (epoch, below) in &plan.below {
            console::line(&format!("epoch {epoch}: the first {below} records"))?;
        }
        console::line(&match (pruned, record) {
            (None, _) => format!("{} entries would go; nothing was changed", plan.entries),
            (Some(it), Some(record)) => {
                format!("{} entries are pruned; record {record} says so", it.entries)
            }
            (Some(it), None) if it.entries > 0 => {
                format!("{} entries are pruned, as the log said before", it.entries)
            }
            (Some(_), None) => "nothing to prune: only full bundles of 256 go".to_owned(),
        })
    }
}

/// Refuses what the event store has not got yet: then nobody would have it.
async fn check_carried(
    found: &Found,
    log: &SignedLog,
    below: &BTreeMap<u64, u64>,
) -> Result<(), Failure> {
    let mut epochs = log.epochs().await.map_err(unread)?;
    epochs.retain(|it| below.contains_key(&it.epoch));
    let origins: Vec<_> = epochs.iter().map(|it| it.origin.clone()).collect();
    let carried = found.carried(&origins).await?;
    for (extent, carried) in epochs.iter().zip(carried) {
        let wanted = below.get(&extent.epoch).copied().unwrap_or_default();
        if carried < wanted {
            let what = format!(
                "of epoch {} the event store has the first {carried} records, and {wanted} were \
                 to go; start the server once, so that it has them all",
                extent.epoch
            );
            return Err(Failure::new(Exit::JudgedNo, what));
        }
    }
    Ok(())
}

fn age(text: &str) -> Result<Duration, String> {
    span::parse(text).ok_or_else(|| "it must be a whole number and a unit: `90d`, `12h`".to_owned())
}

fn before(now: Timestamp, age: Duration) -> Timestamp {
    let micros = i64::try_from(age.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros_clamped(now.as_micros().saturating_sub(micros))
}

fn unread(error: ReadLogError) -> Failure {
    Failure::of(Exit::NotJudged, error)
}

fn failure(error: PruneError) -> Failure {
    let exit = match error {
        PruneError::NotWhole { .. } | PruneError::Beyond { .. } | PruneError::TooLarge(_) => {
            Exit::Usage
        }
        _ => Exit::NotJudged,
    };
    Failure::of(exit, error)
}
