//! What a data directory at rest says happened, read from every place that says it, and what of it
//! does not add up.
//!
//! ```text
//! history row ─── once ──▶ record of the signed log ─── once ──▶ audit event
//!                          refusal (no history)  ─────┘            ▲
//!                          allow, warn (no record) ────── once ────┘
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use gov_core::{EventId, RecordId};
use rusqlite::Connection;
use serde_json::Value;

/// Kinds of records that no history row stands behind: the check and the log write them.
const WITHOUT_HISTORY: [&str; 3] = ["action.refused", "admin.rollback_accepted", "audit.gap"];

/// Kinds of events that no record stands behind.
const WITHOUT_RECORD: [&str; 3] = ["action.allowed", "action.warned", "audit.gap"];

/// Everything, as it is stored.
pub(crate) struct Books {
    /// Component and key of each row.
    history: Vec<(&'static str, String)>,
    records: BTreeMap<RecordId, Record>,
    /// Records that the log could not hold.
    dead_letters: BTreeSet<RecordId>,
    /// Each epoch's origin, and how many records its signed checkpoint speaks of.
    epochs: BTreeMap<u64, (String, u64)>,
    pub(crate) events: Vec<Event>,
    /// Up to where the event store has each origin.
    cursors: BTreeMap<String, u64>,
}

struct Record {
    epoch: u64,
    seq: u64,
    kind: String,
}

/// One stored event.
#[derive(Debug)]
pub(crate) struct Event {
    id: EventId,
    pub(crate) kind: String,
    pub(crate) session: Option<String>,
    subjects: BTreeMap<String, String>,
    pub(crate) payload: Value,
}

/// What an agent was told in a session of its own.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) session: String,
    /// `allow`, `warn` or `refuse`.
    pub(crate) decision: String,
}

impl Books {
    /// Reads a directory that no server has open.
    pub(crate) fn read(data_dir: &Path) -> Self {
        let gov = open(&data_dir.join("gov.db"));
        let log = open(&data_dir.join("audit-log.db"));
        let mut books = Self {
            history: history(&gov),
            records: records(&log),
            dead_letters: dead_letters(&log),
            epochs: epochs(&log),
            events: Vec::new(),
            cursors: BTreeMap::new(),
        };
        for entry in fs::read_dir(data_dir.join("events")).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|it| it == "db") {
                books.read_day(&open(&path));
            }
        }
        books
    }

    fn read_day(&mut self, day: &Connection) {
        let sql = "select event_id, kind, session_id, subjects, payload from retention_event";
        self.events.extend(rows(day, sql, |row| Event {
            id: EventId::from_uuid(uuid(row, 0)),
            kind: row.get_unwrap(1),
            session: row.get_unwrap(2),
            subjects: serde_json::from_str(&row.get_unwrap::<_, String>(3)).unwrap(),
            payload: serde_json::from_slice(&row.get_unwrap::<_, Vec<u8>>(4)).unwrap(),
        }));
        for (source, seq) in rows(day, "select source, seq from retention_source", |row| {
            (row.get_unwrap::<_, String>(0), number(row, 1))
        }) {
            let cursor = self.cursors.entry(source).or_default();
            *cursor = seq.max(*cursor);
        }
    }

    /// Everything that does not add up, a line each.
    pub(crate) fn faults(&self) -> Vec<String> {
        [self.of_history(), self.of_log(), self.of_records(), self.of_events()].concat()
    }

    /// Nothing is missing, nothing is there twice, nothing came from nowhere.
    #[track_caller]
    pub(crate) fn add_up(&self) {
        assert_eq!(self.faults(), Vec::<String>::new());
    }

    /// What does not fit the answers that were given, of all `asked` sessions.
    pub(crate) fn faults_of(&self, answers: &[Answered], asked: &BTreeSet<String>) -> Vec<String> {
        let mut faults = Vec::new();
        let mut found: BTreeMap<(&str, &str), usize> = BTreeMap::new();
        for event in &self.events {
            let Some(session) = event.session.as_deref() else { continue };
            if !asked.contains(session) {
                faults.push(format!("event {} of a session that never asked", event.id));
            }
            *found.entry((session, &event.kind)).or_default() += 1;
        }
        for (&(session, kind), &times) in &found {
            if kind.starts_with("action.") && times != 1 {
                faults.push(format!("session {session} has {times} events {kind}"));
            }
        }
        for Answered { session, decision } in answers {
            let kind = match decision.as_str() {
                "allow" => "action.allowed",
                "warn" => "action.warned",
                "refuse" => "action.refused",
                other => panic!("{other}"),
            };
            if !found.contains_key(&(session, kind)) {
                faults.push(format!("session {session} was told {decision} and has no {kind}"));
            }
        }
        faults
    }

    /// How many events gaps say to be missing.
    pub(crate) fn gaps(&self) -> u64 {
        let gaps = self.events.iter().filter(|it| it.kind == "audit.gap");
        gaps.filter_map(|it| it.payload["count"].as_u64()).sum()
    }

    /// Each history row is a record, once; each record that should come from a row does.
    fn of_history(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut known = BTreeSet::new();
        for (component, key) in &self.history {
            let id = RecordId::derived(component, key);
            known.insert(id);
            let (logged, dead) = (self.records.contains_key(&id), self.dead_letters.contains(&id));
            if !logged && !dead {
                faults.push(format!("history row {component}/{key} has no record"));
            }
            if logged && dead {
                faults.push(format!("record {id} is in the log and a dead letter"));
            }
        }
        let rowless = self.records.iter().filter(|(id, record)| {
            !known.contains(id) && !WITHOUT_HISTORY.contains(&record.kind.as_str())
        });
        faults.extend(
            rowless.map(|(id, it)| format!("record {id} ({}) has no history row", it.kind)),
        );
        faults
    }

    /// Each epoch has as many records as its checkpoint says, without a gap.
    fn of_log(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (epoch, (origin, size)) in &self.epochs {
            let of_epoch = self.records.values().filter(|it| it.epoch == *epoch);
            let seqs: BTreeSet<_> = of_epoch.map(|it| it.seq).collect();
            let missing = (1..=*size).filter(|seq| !seqs.contains(seq));
            faults.extend(missing.map(|seq| format!("record {seq} of {origin} is missing")));
            let cursor = self.cursors.get(origin).copied().unwrap_or(0);
            if cursor != *size {
                faults.push(format!("the event store has {cursor} of the {size} of {origin}"));
            }
        }
        faults
    }

    /// Each record is an event, once, which says where the record is.
    fn of_records(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut events: BTreeMap<EventId, Vec<&Event>> = BTreeMap::new();
        for event in &self.events {
            events.entry(event.id).or_default().push(event);
        }
        for (id, record) in &self.records {
            let (seq, epoch) = (record.seq.to_string(), record.epoch.to_string());
            let fits = |it: &&Event| {
                let subjects = &it.subjects;
                (subjects.get("record_id"), subjects.get("seq"), subjects.get("epoch"))
                    == (Some(&id.to_string()), Some(&seq), Some(&epoch))
            };
            match events.get(&EventId::of_record(*id)).map(Vec::as_slice) {
                Some([event]) if fits(event) && event.kind == record.kind => (),
                Some([event]) => faults.push(format!("record {id} is not what {event:?} says")),
                Some(more) => faults.push(format!("record {id} has {} events", more.len())),
                None if self
                    .events
                    .iter()
                    .any(|it| it.kind == "audit.dead_lettered" && fits(&it)) => {}
                None => faults.push(format!("record {id} ({}) has no event", record.kind)),
            }
        }
        faults
    }

    /// Each event has a source, and a name of its own.
    fn of_events(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let carried: BTreeSet<_> = self.records.keys().map(|it| EventId::of_record(*it)).collect();
        let mut seen = BTreeSet::new();
        for event in &self.events {
            let Event { id, kind, .. } = event;
            if !seen.insert(id) {
                faults.push(format!("event {id} ({kind}) is there twice"));
            }
            let of_record = carried.contains(id)
                || event.subjects.contains_key("seq") && kind == "audit.dead_lettered";
            let direct =
                WITHOUT_RECORD.contains(&&**kind) && !event.subjects.contains_key("record_id");
            if !of_record && !direct {
                faults.push(format!("event {id} ({kind}) has no source"));
            }
        }
        faults
    }
}

fn history(gov: &Connection) -> Vec<(&'static str, String)> {
    let mut history = Vec::new();
    for (component, sql) in [
        ("gateway", "select history_id from gateway_history"),
        ("escalation", "select position from escalation_history"),
    ] {
        history.extend(rows(gov, sql, |row| (component, number(row, 0).to_string())));
    }
    history
}

fn records(log: &Connection) -> BTreeMap<RecordId, Record> {
    let sql = "select record_id, epoch, seq, entry from audit_log_entry";
    let read = rows(log, sql, |row| {
        let entry: Value = serde_json::from_slice(&row.get_unwrap::<_, Vec<u8>>(3)).unwrap();
        let kind = entry["kind"].as_str().unwrap().to_owned();
        let record = Record { epoch: number(row, 1), seq: number(row, 2), kind };
        (RecordId::from_uuid(uuid(row, 0)), record)
    });
    read.into_iter().collect()
}

fn dead_letters(log: &Connection) -> BTreeSet<RecordId> {
    let sql = "select record_id from audit_log_dead_letter";
    rows(log, sql, |row| RecordId::from_uuid(uuid(row, 0))).into_iter().collect()
}

fn epochs(log: &Connection) -> BTreeMap<u64, (String, u64)> {
    let read = rows(log, "select epoch, vkey, size from audit_log_checkpoint", |row| {
        let vkey: String = row.get_unwrap(1);
        (number(row, 0), (vkey.split('+').next().unwrap().to_owned(), number(row, 2)))
    });
    read.into_iter().collect()
}

fn open(path: &Path) -> Connection {
    gov_store::sqlite::open_read_only(path, &[]).unwrap()
}

fn rows<T>(connection: &Connection, sql: &str, read: impl Fn(&rusqlite::Row<'_>) -> T) -> Vec<T> {
    let mut statement = connection.prepare(sql).unwrap();
    let rows = statement.query_map([], |row| Ok(read(row))).unwrap();
    rows.map(Result::unwrap).collect()
}

fn uuid(row: &rusqlite::Row<'_>, index: usize) -> gov_core::id::uuid::Uuid {
    gov_core::id::uuid::Uuid::from_bytes(row.get_unwrap(index))
}

fn number(row: &rusqlite::Row<'_>, index: usize) -> u64 {
    u64::try_from(row.get_unwrap::<_, i64>(index)).unwrap()
}
