//! Changes of the database behind the log's back: rows rewritten, moved, removed and added.

use gov_deferred_audit::tlog::{key::PrivateKey, leaf_hash};
use rusqlite::Connection;

use super::{Place, content};

/// One change of the tables.
pub(crate) struct RowMutant {
    pub(crate) category: &'static str,
    pub(crate) sql: String,
    /// Where it must be found; `None` where a place makes no sense.
    pub(crate) place: Option<Place>,
}

/// A log at rest: what its tables hold, epoch by epoch.
pub(crate) struct Tables {
    /// The entries of each epoch, the first epoch first.
    entries: Vec<Vec<Vec<u8>>>,
}

/// One epoch's head at an earlier size, as it is stored.
#[derive(Clone, Debug)]
pub(crate) struct OldHead {
    pub(crate) epoch: u64,
    pub(crate) size: u64,
    pub(crate) root: Vec<u8>,
    pub(crate) note: String,
}

impl OldHead {
    /// The head as it is stored now.
    pub(crate) fn read(connection: &Connection, epoch: u64) -> Self {
        let sql = "select size, root, note from audit_log_checkpoint where epoch = ?1";
        let head = connection.query_row(sql, [i64::try_from(epoch).unwrap()], |row| {
            let size = row.get::<_, i64>(0)?.unsigned_abs();
            Ok(Self { epoch, size, root: row.get(1)?, note: row.get(2)? })
        });
        head.unwrap()
    }

    /// The SQL that puts it back, without the rows behind it.
    pub(crate) fn sql(&self) -> String {
        format!(
            "update audit_log_checkpoint set size = {}, root = {}, note = '{}' where epoch = {};",
            self.size,
            blob(&self.root),
            self.note,
            self.epoch
        )
    }

    /// The SQL that removes what is behind it: nothing is left that the head does not cover.
    pub(crate) fn cut_sql(&self) -> String {
        let Self { epoch, size, .. } = self;
        format!(
            "delete from audit_log_entry where epoch = {epoch} and seq > {size};
             delete from audit_log_payload where epoch = {epoch} and seq > {size};
             delete from audit_log_tile
             where epoch = {epoch} and tile >= ({size} >> (8 * (level + 1)));"
        )
    }
}

impl Tables {
    pub(crate) fn read(connection: &Connection, epochs: u64) -> Self {
        let sql = "select entry from audit_log_entry where epoch = ?1 order by seq";
        let mut select = connection.prepare(sql).unwrap();
        let mut entries_of = |epoch: u64| -> Vec<Vec<u8>> {
            let rows = select.query_map([i64::try_from(epoch).unwrap()], |row| row.get(0)).unwrap();
            rows.collect::<Result<_, _>>().unwrap()
        };
        Self { entries: (1..=epochs).map(&mut entries_of).collect() }
    }

    fn size(&self, epoch: u64) -> u64 {
        self.epoch(epoch).len() as u64
    }

    fn epoch(&self, epoch: u64) -> &[Vec<u8>] {
        &self.entries[usize::try_from(epoch).unwrap() - 1]
    }

    fn entry(&self, epoch: u64, seq: u64) -> &[u8] {
        &self.epoch(epoch)[usize::try_from(seq).unwrap() - 1]
    }

    fn epochs(&self) -> std::ops::RangeInclusive<u64> {
        1..=self.entries.len() as u64
    }

    /// Some sequence numbers of an epoch: both ends of the tile, of the tail, and between.
    fn some(&self, epoch: u64) -> Vec<u64> {
        let size = self.size(epoch);
        let wanted = [1, 2, 100, 256, 257, size - 1, size];
        wanted.into_iter().filter(|seq| *seq <= size).collect()
    }

    /// Whether the entry's hash is stored: in a full tile.
    fn has_hash(&self, epoch: u64, seq: u64) -> bool {
        seq <= self.size(epoch) / 256 * 256
    }

    /// Every mutant that needs no earlier state.
    pub(crate) fn mutants(&self) -> Vec<RowMutant> {
        let mut mutants = Mutants(Vec::new());
        for epoch in self.epochs() {
            self.of_entries(epoch, &mut mutants);
            self.of_payloads(epoch, &mut mutants);
            self.of_tiles(epoch, &mut mutants);
            self.of_heads(epoch, &mut mutants);
            self.of_strays(epoch, &mut mutants);
        }
        mutants.0
    }

    fn of_entries(&self, epoch: u64, mutants: &mut Mutants) {
        for seq in self.some(epoch) {
            let (row, place) = (at(epoch, seq), Some((epoch, seq - 1)));
            for (field, change) in content::CHANGES {
                let entry = content::with(self.entry(epoch, seq), change);
                let sql =
                    format!("update audit_log_entry set entry = {} where {row}", blob(&entry));
                // Behind the last full tile no hash is stored: only the root tells, unless the field
                // says where it belongs.
                let told = self.has_hash(epoch, seq)
                    || ["origin", "payload_commit", "seq"].contains(&field);
                mutants.push("changed field", sql.clone(), place.filter(|_| told));
                if self.has_hash(epoch, seq) {
                    let sql = format!("{sql}; {}", set_hash(epoch, seq, &leaf_hash(&entry)));
                    mutants.push("changed field and hash", sql, None);
                }
            }
            for other in self.some(epoch).into_iter().filter(|other| *other > seq) {
                mutants.push(
                    "swapped entries",
                    swap("entry", "entry", &row, &at(epoch, other)),
                    place,
                );
            }
            let foreign = self.epochs().find(|other| *other != epoch).unwrap();
            let pair = (at(epoch, seq), at(foreign, seq));
            if seq <= self.size(foreign) {
                let sql = swap("entry", "entry", &pair.0, &pair.1);
                mutants.push("wrong epoch", sql, Some((1, seq - 1)));
            }
            mutants.push("deleted row", format!("delete from audit_log_entry where {row}"), place);
            let id = "randomblob(16)";
            let sql = format!("update audit_log_entry set record_id = {id} where {row}");
            mutants.push("wrong id", sql, place);
            let tail =
                format!("delete from audit_log_entry where epoch = {epoch} and seq >= {seq}");
            mutants.push("drop tail", tail, place);
        }
    }

    fn of_payloads(&self, epoch: u64, mutants: &mut Mutants) {
        for seq in self.some(epoch) {
            let (row, place) = (at(epoch, seq), Some((epoch, seq - 1)));
            for set in [
                "payload = x'7b7d'",
                "payload = x''",
                "payload = cast(payload || x'20' as blob)",
                "salt = zeroblob(16)",
                "salt = randomblob(16), payload = x'7b7d'",
            ] {
                let sql = format!("update audit_log_payload set {set} where {row}");
                mutants.push("changed payload", sql, place);
            }
            for other in self.some(epoch).into_iter().filter(|other| *other > seq) {
                for column in ["payload", "salt"] {
                    let sql = swap("payload", column, &row, &at(epoch, other));
                    mutants.push("swapped payloads", sql, place);
                }
            }
            let sql = format!("delete from audit_log_payload where {row}");
            mutants.push("deleted row", sql, place);
        }
    }

    fn of_tiles(&self, epoch: u64, mutants: &mut Mutants) {
        if !self.has_hash(epoch, 1) {
            return;
        }
        let tile = format!("epoch = {epoch} and level = 0 and tile = 0");
        let hashed = self.some(epoch).into_iter().filter(|seq| self.has_hash(epoch, *seq));
        for seq in hashed {
            let place = Some((epoch, seq - 1));
            mutants.push("changed hash", set_hash(epoch, seq, &[0; 32]), place);
            mutants.push("changed hash", set_hash(epoch, seq, &leaf_hash(&[])), place);
        }
        let half = "cast(substr(hashes, 4097) || substr(hashes, 1, 4096) as blob)";
        let sql = format!("update audit_log_tile set hashes = {half} where {tile}");
        mutants.push("changed hash", sql, Some((epoch, 0)));
        for sql in ["set level = 1", "set tile = 1", "set epoch = 3"] {
            mutants.push("moved tile", format!("update audit_log_tile {sql} where {tile}"), None);
        }
        mutants.push(
            "deleted row",
            format!("delete from audit_log_tile where {tile}"),
            Some((epoch, 0)),
        );
    }

    fn of_heads(&self, epoch: u64, mutants: &mut Mutants) {
        let row = format!("where epoch = {epoch}");
        let forger = PrivateKey::generate(&format!("example.com/gov/e{epoch}")).unwrap();
        let mut set = |category, what: &str| {
            mutants.push(category, format!("update audit_log_checkpoint set {what} {row}"), None);
        };
        for what in [
            "size = size - 1",
            "size = size + 1",
            "size = 0",
            "root = zeroblob(32)",
            "note = replace(note, '/gov/e', '/gov/e0')",
            "note = replace(note, 'example.com', 'example.org')",
            "note = substr(note, 1, length(note) - 2)",
            "note = note || note",
            "note = ''",
        ] {
            set("rewritten head", what);
        }
        set("stripped signature", "note = substr(note, 1, instr(note, char(10, 10)) + 1)");
        set("stripped signature", "note = substr(note, 1, instr(note, char(10, 10)))");
        set("foreign key", &format!("vkey = '{}'", forger.verifier()));
        set("foreign key", "vkey = ''");
        let other = self.epochs().find(|other| *other != epoch).unwrap();
        let of_other = format!("select note from audit_log_checkpoint where epoch = {other}");
        set("wrong epoch", &format!("note = ({of_other})"));
        let of_other = format!("select vkey from audit_log_checkpoint where epoch = {other}");
        set("wrong epoch", &format!("vkey = ({of_other})"));
        set("wrong epoch", "epoch = 3");
        if epoch > 1 {
            set("stripped signature", "first_note = null");
            set("rewritten head", "first_note = note");
            let line = "instr(first_note, char(10, 10))";
            set("stripped signature", &format!("first_note = substr(first_note, 1, {line} + 1)"));
        }
        mutants.push("deleted row", format!("delete from audit_log_checkpoint {row}"), None);
    }

    /// Rows that nothing signed covers.
    fn of_strays(&self, epoch: u64, mutants: &mut Mutants) {
        let size = self.size(epoch);
        let copied = |to: u64, seq: u64| {
            format!(
                "insert into audit_log_entry (place, record_id, entry)
                 select {to} << 40 | {seq}, randomblob(16), entry from audit_log_entry
                 where epoch = {epoch} and seq = 1"
            )
        };
        let payload = |to: u64, seq: u64| {
            format!(
                "insert into audit_log_payload values ({to} << 40 | {seq}, zeroblob(16), x'7b7d')"
            )
        };
        for seq in [size + 1, size + 2, size + 256, 1 << 39] {
            let place = Some((epoch, size));
            mutants.push("inserted row", copied(epoch, seq), place);
            mutants.push("inserted row", payload(epoch, seq), place);
        }
        for (to, seq) in [(3, 1), (3, 9), (4, 1), (epoch + 1000, 1)] {
            mutants.push("inserted row", copied(to, seq), None);
            mutants.push("inserted row", payload(to, seq), None);
        }
        // An id that is known already is not appended again.
        for (to, seq) in [(epoch, 1), (epoch, size), (epoch, size + 1), (3, 1)] {
            let sql = format!(
                "insert into audit_log_pruned_record values (randomblob(16), {to} << 40 | {seq})"
            );
            mutants.push("planted id", sql, None);
        }
        for (to, level, tile) in
            [(epoch, 0, 1), (epoch, 0, 900), (epoch, 1, 0), (epoch, 7, 0), (3, 0, 0)]
        {
            let sql = format!(
                "insert into audit_log_tile values ({to}, {level}, {tile}, zeroblob(8192))"
            );
            mutants.push("inserted row", sql, None);
        }
    }
}

/// Mutants that put an earlier head back, with and without the rows behind it.
pub(crate) fn of_old_heads(heads: &[OldHead]) -> Vec<RowMutant> {
    let mut mutants = Mutants(Vec::new());
    for head in heads {
        let place = Some((head.epoch, head.size));
        mutants.push("restored head", head.sql(), place);
        mutants.push("drop tail", format!("{} {}", head.sql(), head.cut_sql()), place);
    }
    mutants.0
}

struct Mutants(Vec<RowMutant>);

impl Mutants {
    fn push(&mut self, category: &'static str, sql: String, place: Option<Place>) {
        self.0.push(RowMutant { category, sql, place });
    }
}

fn at(epoch: u64, seq: u64) -> String {
    format!("place = {epoch} << 40 | {seq}")
}

/// Exchanges one column of two rows.
fn swap(table: &str, column: &str, one: &str, other: &str) -> String {
    let table = format!("audit_log_{table}");
    format!(
        "create temp table kept as select {column} as it from {table} where {one};
         update {table} set {column} = (select {column} from {table} where {other}) where {one};
         update {table} set {column} = (select it from kept) where {other}"
    )
}

fn set_hash(epoch: u64, seq: u64, hash: &[u8]) -> String {
    let before = (seq - 1) * 32;
    format!(
        "update audit_log_tile set hashes = cast(substr(hashes, 1, {before}) || {}
         || substr(hashes, {before} + 33) as blob) where epoch = {epoch} and level = 0 and tile = 0",
        blob(hash)
    )
}

fn blob(bytes: &[u8]) -> String {
    format!("x'{}'", gov_core::hex::Hex(bytes))
}
