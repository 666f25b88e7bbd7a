//! What the tests write: numbered lines.

use gov_store::{
    migrations::{Component, Migration},
    sqlite::{
        Database, Sync, WriteError, Writer,
        rusqlite::{self, Connection, Transaction},
    },
};

/// The component of the tests.
pub(crate) const NOTES: Component = Component {
    name: "note",
    migrations: &[Migration {
        version: 1,
        what: "lines",
        sql: "create table note_line (line integer primary key, body text not null) strict",
        min_reader: 1,
    }],
};

/// Writes one line.
pub(crate) fn insert(tx: &Transaction<'_>, line: i64) -> rusqlite::Result<()> {
    let sql = "insert into note_line (line, body) values (?1, 'a line')";
    tx.prepare_cached(sql)?.execute([line]).map(drop)
}

/// Writes one line through the writer.
pub(crate) async fn write(
    writer: &Writer,
    sync: Sync,
    line: i64,
) -> Result<(), WriteError<rusqlite::Error>> {
    writer.write(sync, move |tx| insert(tx, line)).await
}

/// All lines, in order.
pub(crate) async fn lines(database: &Database) -> Vec<i64> {
    database.readers.read(lines_in).await.unwrap()
}

/// All lines, in order.
pub(crate) fn lines_in(connection: &Connection) -> rusqlite::Result<Vec<i64>> {
    let mut select = connection.prepare("select line from note_line order by line")?;
    select.query_map([], |row| row.get(0))?.collect()
}
