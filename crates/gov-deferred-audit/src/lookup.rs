//! Where one record lies in a log, and the proof that it does.

#[cfg(feature = "sqlite")]
use std::path::Path;

use gov_core::RecordId;

use crate::{
    store::{self, LogRows, StoreError, tree::Nodes},
    tlog::{key::VerifierKey, proof, receipt::Receipt},
    verify::SourceError,
};

/// The place of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordPlace {
    /// The epoch, from 1.
    pub epoch: u64,
    /// The sequence number in the epoch, from 1.
    pub seq: u64,
}

/// How a record is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// By its id.
    Record(RecordId),
    /// By its sequence number, in the current epoch.
    Seq(u64),
    /// By its place.
    Place(RecordPlace),
}

/// A record with the proof that the log holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// Where it lies.
    pub place: RecordPlace,
    /// The epoch's name, and the name of its key.
    pub origin: String,
    /// How many records the epoch has, by the checkpoint of the receipt.
    pub size: u64,
    /// The record's entry, which the receipt is judged with; `None` once it is pruned.
    pub entry: Option<Vec<u8>>,
    /// The proof, under the epoch's last checkpoint.
    pub receipt: Receipt,
}

/// Looks a record up in a database, at rest or beside the server that writes it.
///
/// `None` where the log has no such record. It is found by its id; whether the log as a whole
/// holds is for [`crate::verify`].
///
/// # Errors
///
/// [`SourceError`] if the database cannot be read.
#[cfg(feature = "sqlite")]
pub fn find_record(path: &Path, id: RecordId) -> Result<Option<RecordPlace>, SourceError> {
    let connection = store::sqlite::open_read_only(path)?;
    let place = store::sqlite::find(&connection, id)?;
    Ok(place.map(|(epoch, seq)| RecordPlace { epoch, seq }))
}

/// Looks a record up in the database of `pool`, like `find_record` in a SQLite file.
///
/// # Errors
///
/// [`SourceError`] if the database cannot be read.
#[cfg(feature = "postgres")]
pub async fn find_record_postgres(
    pool: &sqlx::PgPool,
    id: RecordId,
) -> Result<Option<RecordPlace>, SourceError> {
    store::postgres::check_readable(pool).await?;
    let mut connection = pool.acquire().await.map_err(store::StoreError::from)?;
    let place = store::postgres::find(&mut connection, id).await?;
    Ok(place.map(|(epoch, seq)| RecordPlace { epoch, seq }))
}

/// Proves that the log in a database holds a record, at rest or beside the server that writes it.
///
/// `None` where the log has no such record. What comes out was judged as its reader will judge it,
/// under the public key that lies in the database.
///
/// # Errors
///
/// [`SourceError`] if the database cannot be read, or what it holds proves nothing.
#[cfg(feature = "sqlite")]
pub fn prove(path: &Path, wanted: Wanted) -> Result<Option<Proved>, SourceError> {
    let connection = store::sqlite::open_read_only(path)?;
    // One state of the file for everything that is read.
    let snapshot = connection.unchecked_transaction()?;
    Ok(prove_in(&mut &*snapshot, wanted)?)
}

/// Proves that the log in the database of `pool` holds a record, like `prove` in a SQLite file.
///
/// # Errors
///
/// As from `prove`.
#[cfg(feature = "postgres")]
pub async fn prove_postgres(
    pool: &sqlx::PgPool,
    wanted: Wanted,
) -> Result<Option<Proved>, SourceError> {
    store::postgres::check_readable(pool).await?;
    let job = move |rows: &mut store::postgres::Snapshot| prove_in(rows, wanted);
    Ok(store::postgres::Snapshot::read(pool, job).await?)
}

fn prove_in(rows: &mut dyn LogRows, wanted: Wanted) -> Result<Option<Proved>, StoreError> {
    let heads = rows.heads()?;
    let place = match wanted {
        Wanted::Record(id) => rows.find(id)?.map(|(epoch, seq)| RecordPlace { epoch, seq }),
        Wanted::Seq(seq) => heads.last().map(|head| RecordPlace { epoch: head.epoch, seq }),
        Wanted::Place(place) => Some(place),
    };
    let Some(place) = place else { return Ok(None) };
    let head = heads.into_iter().find(|head| head.epoch == place.epoch);
    let Some((head, index)) = head.zip(place.seq.checked_sub(1)) else { return Ok(None) };
    let Some(checkpoint) = head.note.filter(|_| index < head.size) else { return Ok(None) };
    let corrupt = |what: String| StoreError::Corrupt(what);
    let key: VerifierKey =
        head.vkey.parse().map_err(|_| corrupt("its public key is no key".to_owned()))?;
    let proof = proof::inclusion(&mut Nodes::new(rows, place.epoch, head.size), index, head.size)?;
    let stored = rows.entries_after((place.epoch, index), 1)?;
    let entry = stored.into_iter().find(|(seq, _)| *seq == place.seq).map(|(_, entry)| entry);
    let receipt = Receipt { index, proof, checkpoint };
    if let Some(entry) = &entry {
        let judged = receipt.verify(entry, std::slice::from_ref(&key));
        judged.map_err(|error| corrupt(format!("record {}: {error}", place.seq)))?;
    }
    Ok(Some(Proved { place, origin: key.name().to_owned(), size: head.size, entry, receipt }))
}
