//! Where one record lies in a log.

#[cfg(feature = "sqlite")]
use std::path::Path;

use gov_core::RecordId;

use crate::{store, verify::SourceError};

/// The place of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordPlace {
    /// The epoch, from 1.
    pub epoch: u64,
    /// The sequence number in the epoch, from 1.
    pub seq: u64,
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
