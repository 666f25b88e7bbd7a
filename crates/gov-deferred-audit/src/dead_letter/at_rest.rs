//! Dead letters read from a database at rest, or beside the server that writes it.

use std::path::Path;

use gov_core::RecordId;

use super::{
    DeadLetter, LetterPlace,
    quarantine::{self, FileError},
};
use crate::{store, verify::SourceError};

/// At most `limit` dead letters of a SQLite file and of the `quarantine` beside its queue, behind
/// `after`, in order of death; an empty page is the end.
///
/// # Errors
///
/// [`SourceError`] if the database or a file of the quarantine cannot be read.
#[cfg(feature = "sqlite")]
pub fn list_dead_letters(
    database: &Path,
    quarantine: &Path,
    after: Option<LetterPlace>,
    limit: u64,
) -> Result<Vec<DeadLetter>, SourceError> {
    let table =
        store::sqlite::dead_letters_after(&store::sqlite::open_read_only(database)?, after, limit)?;
    quarantine::merge(table, quarantine, after, limit).map_err(unreadable)
}

/// One dead letter; `None` where there is none with this id.
///
/// # Errors
///
/// As from [`list_dead_letters`].
#[cfg(feature = "sqlite")]
pub fn find_dead_letter(
    database: &Path,
    quarantine: &Path,
    id: RecordId,
) -> Result<Option<DeadLetter>, SourceError> {
    match store::sqlite::dead_letter(&store::sqlite::open_read_only(database)?, id)? {
        None => quarantine::get(quarantine, id).map_err(unreadable),
        letter => Ok(letter),
    }
}

/// Lists what lies in the database of `pool` and in this node's `quarantine`, like
/// `list_dead_letters` from a SQLite file.
///
/// # Errors
///
/// [`SourceError`] if the database or a file of the quarantine cannot be read.
#[cfg(feature = "postgres")]
pub async fn list_dead_letters_postgres(
    pool: &sqlx::PgPool,
    quarantine: &Path,
    after: Option<LetterPlace>,
    limit: u64,
) -> Result<Vec<DeadLetter>, SourceError> {
    store::postgres::check_readable(pool).await?;
    let mut connection = pool.acquire().await.map_err(store::StoreError::from)?;
    let table = store::postgres::dead_letters_after(&mut connection, after, limit).await?;
    let dir = quarantine.to_owned();
    blocking(move || quarantine::merge(table, &dir, after, limit).map_err(unreadable)).await
}

/// One dead letter; `None` where there is none with this id.
///
/// # Errors
///
/// As from [`list_dead_letters_postgres`].
#[cfg(feature = "postgres")]
pub async fn find_dead_letter_postgres(
    pool: &sqlx::PgPool,
    quarantine: &Path,
    id: RecordId,
) -> Result<Option<DeadLetter>, SourceError> {
    store::postgres::check_readable(pool).await?;
    let mut connection = pool.acquire().await.map_err(store::StoreError::from)?;
    match store::postgres::dead_letter(&mut connection, id).await? {
        None => {
            let dir = quarantine.to_owned();
            blocking(move || quarantine::get(&dir, id).map_err(unreadable)).await
        }
        letter => Ok(letter),
    }
}

#[cfg(feature = "postgres")]
async fn blocking<T: Send + 'static>(
    job: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    tokio::task::spawn_blocking(job).await.map_err(store::StoreError::from)?
}

fn unreadable((path, source): FileError) -> SourceError {
    SourceError::File { path: path.display().to_string(), source }
}
