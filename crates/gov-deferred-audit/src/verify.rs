//! Judges a log: is everything in it what was signed, and is everything there that was signed?
//!
//! Works offline from a database or an exported directory, with public keys only. Nothing stored
//! is believed because it is stored: every byte is hashed, compared, or read strictly.

use std::path::Path;

use crate::tlog::{cosignature::WitnessKey, key::VerifierKey};

#[cfg(any(feature = "sqlite", feature = "postgres"))]
mod database;
pub(crate) mod directory;
mod entries;
mod epoch_check;
mod handover;
mod pruning;
mod report;
pub(crate) mod source;
mod walk;
mod witnesses;

use self::source::Source;
pub use self::{
    report::{EpochSummary, Finding, KeySource, Loss, Payloads, Report, Verdict, Which, Witnessed},
    source::SourceError,
};

/// What the verifier holds, and what it asks for. Nothing in the log can relax it.
#[derive(Clone, Debug)]
pub struct VerifyOptions {
    /// The public keys to trust, one an epoch. `None` takes those that lie beside the log, which
    /// proves only that the log fits itself; the report says so.
    pub keys: Option<Vec<VerifierKey>>,
    /// Losses that a handover to this epoch or an earlier one admits do not count. 1 counts all.
    pub from_epoch: u64,
    /// Signed checkpoints that the verifier kept: the log must have grown out of each.
    pub from_checkpoints: Vec<Vec<u8>>,
    /// Who must have cosigned the newest checkpoint, where it is stored or among
    /// `from_checkpoints`: otherwise whether all is there could not be judged. Only their lines
    /// may stand under a checkpoint beside the log's own.
    pub witnesses: Vec<WitnessKey>,
    /// Whether payloads are compared with their commitments.
    pub payloads: bool,
}

impl VerifyOptions {
    /// Everything is judged, under `keys`.
    #[must_use]
    pub fn trusting(keys: Vec<VerifierKey>) -> Self {
        Self { keys: Some(keys), ..Self::default() }
    }
}

impl Default for VerifyOptions {
    fn default() -> Self {
        Self {
            keys: None,
            from_epoch: 1,
            from_checkpoints: Vec::new(),
            witnesses: Vec::new(),
            payloads: true,
        }
    }
}

/// Judges an exported directory.
///
/// # Errors
///
/// [`SourceError`] if it cannot be read at all; what is wrong inside is in the report.
pub fn verify_export(dir: &Path, options: &VerifyOptions) -> Result<Report, SourceError> {
    judge(&mut directory::Directory::open(dir)?, options)
}

/// Judges a database, at rest or beside the server that writes it.
///
/// # Errors
///
/// [`SourceError`] if it cannot be read at all; what is wrong inside is in the report.
#[cfg(feature = "sqlite")]
pub fn verify_database(path: &Path, options: &VerifyOptions) -> Result<Report, SourceError> {
    let connection = crate::store::sqlite::open_read_only(path)?;
    // One state of the file for everything that is read.
    let snapshot = connection.unchecked_transaction().map_err(SourceError::from)?;
    judge(&mut database::DatabaseSource::new(&mut &*snapshot)?, options)
}

/// Judges the log in the database of `pool`, at rest or beside the nodes that write it.
///
/// # Errors
///
/// [`SourceError`] if it cannot be read at all; what is wrong inside is in the report.
#[cfg(feature = "postgres")]
pub async fn verify_postgres(
    pool: &sqlx::PgPool,
    options: VerifyOptions,
) -> Result<Report, SourceError> {
    crate::store::postgres::check_readable(pool).await?;
    let job = move |rows: &mut crate::store::postgres::Snapshot| {
        judge(&mut database::DatabaseSource::new(rows)?, &options)
    };
    crate::store::postgres::Snapshot::read(pool, job).await
}

fn judge<S: Source>(source: &mut S, options: &VerifyOptions) -> Result<Report, SourceError> {
    let mut report = Report::new(options);
    let epochs = source.epochs(&mut report)?;
    let mut judged = Vec::new();
    for (at, epoch) in epochs.iter().enumerate() {
        let is_last = at + 1 == epochs.len();
        let place = (*epoch, is_last);
        let facts = epoch_check::judge(source, place, &judged, options, &mut report)?;
        judged.push(facts);
    }
    for pair in judged.windows(2) {
        if let [before, after] = pair {
            handover::judge(before, after, options, &mut report);
        }
    }
    pruning::judge(&judged, &mut report);
    for kept in &options.from_checkpoints {
        epoch_check::judge_kept_checkpoint(kept, &judged, options, &mut report);
    }
    witnesses::judge(&judged, options, &mut report);
    report.conclude();
    Ok(report)
}
