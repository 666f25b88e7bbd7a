//! The naive way, from the design's words: select what is due, then one transaction a row, each
//! with the rung, the next deadline, the outbox row and the history row.

use std::time::Instant;

use rusqlite::{Connection, TransactionBehavior, params};
use sqlx::{PgPool, Row as _};

use super::Run;

const DUE: i64 = 1_000;
const NEXT: i64 = 2_000;

/// What an approver is shown: as long as ours.
fn content(number: u32) -> String {
    format!(
        r#"{{"action":{{"command":"deploy {number}","kind":"bash"}},"agent_id":"coder","approval_id":"apr_{number:032x}","audience":"lead","expires_at":"2026-01-01T01:00:00.000000Z","reason":"deploys wait for a human","risk":"high","rule_id":"ask-before-deploy","rung":1}}"#
    )
}

/// What the history says: as long as ours.
fn payload(number: i64) -> String {
    format!(r#"{{"approval_id":"apr_{number:032x}","from":"ops","rung":1,"to":"lead"}}"#)
}

pub(crate) fn on_sqlite(timers: u32) -> Run {
    let dir = tempfile::tempdir().unwrap();
    let mut connection = Connection::open(dir.path().join("naive.db")).unwrap();
    connection
        .execute_batch(
            "pragma journal_mode = wal; pragma synchronous = full;
             create table timer (id integer primary key, content text not null,
                 rung integer not null, due_at integer not null) strict;
             create index timer_due on timer (due_at);
             create table outbox (position integer primary key, timer integer not null,
                 rung integer not null, content text not null, sent_at integer) strict;
             create table history (position integer primary key, timer integer not null,
                 at integer not null, kind text not null, actor text not null,
                 from_role text, to_role text, payload text not null) strict;",
        )
        .unwrap();
    let tx = connection.transaction().unwrap();
    for number in 0..timers {
        let sql = "insert into timer (content, rung, due_at) values (?1, 0, ?2)";
        tx.prepare_cached(sql).unwrap().execute(params![content(number), DUE]).unwrap();
    }
    tx.commit().unwrap();
    let started = Instant::now();
    let due: Vec<(i64, String)> = connection
        .prepare("select id, content from timer where due_at <= ?1 order by due_at, id")
        .unwrap()
        .query_map([DUE], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    for (id, content) in &due {
        let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
        let run = |sql: &str, values: &[&dyn rusqlite::ToSql]| {
            assert_eq!(tx.prepare_cached(sql).unwrap().execute(values).unwrap(), 1);
        };
        run("update timer set rung = 1, due_at = ?2 where id = ?1 and rung = 0", params![id, NEXT]);
        run("insert into outbox (timer, rung, content) values (?1, 1, ?2)", params![id, content]);
        run(
            "insert into history (timer, at, kind, actor, from_role, to_role, payload)
             values (?1, ?2, 'approval.escalated', 'system:chain', 'ops', 'lead', ?3)",
            params![id, DUE, payload(*id)],
        );
        tx.commit().unwrap();
    }
    let timers_per_second = f64::from(timers) / started.elapsed().as_secs_f64();
    let commits = due.len() as u64;
    Run { timers_per_second, commits, fsyncs: Some(commits) }
}

pub(crate) async fn on_postgres(pool: &PgPool, timers: u32) -> Run {
    sqlx::raw_sql(
        "create table naive_timer (id bigserial primary key, content text not null,
             rung int not null, due_at bigint not null);
         create index naive_timer_due on naive_timer (due_at);
         create table naive_outbox (position bigserial primary key, timer bigint not null,
             rung int not null, content text not null, sent_at bigint);
         create table naive_history (position bigserial primary key, timer bigint not null,
             at bigint not null, kind text not null, actor text not null, from_role text,
             to_role text, payload text not null);",
    )
    .execute(pool)
    .await
    .unwrap();
    let contents: Vec<String> = (0..timers).map(content).collect();
    sqlx::query(
        "insert into naive_timer (content, rung, due_at) select it, 0, $2 from unnest($1::text[]) it",
    )
    .bind(contents)
    .bind(DUE)
    .execute(pool)
    .await
    .unwrap();
    let started = Instant::now();
    let sql = "select id, content from naive_timer where due_at <= $1 order by due_at, id";
    let due = sqlx::query(sql).bind(DUE).fetch_all(pool).await.unwrap();
    for row in &due {
        let (id, content): (i64, &str) = (row.get(0), row.get(1));
        let mut tx = pool.begin().await.unwrap();
        sqlx::query("update naive_timer set rung = 1, due_at = $2 where id = $1 and rung = 0")
            .bind(id)
            .bind(NEXT)
            .execute(&mut *tx)
            .await
            .unwrap();
        sqlx::query("insert into naive_outbox (timer, rung, content) values ($1, 1, $2)")
            .bind(id)
            .bind(content)
            .execute(&mut *tx)
            .await
            .unwrap();
        sqlx::query(
            "insert into naive_history (timer, at, kind, actor, from_role, to_role, payload)
             values ($1, $2, 'approval.escalated', 'system:chain', 'ops', 'lead', $3)",
        )
        .bind(id)
        .bind(DUE)
        .bind(payload(id))
        .execute(&mut *tx)
        .await
        .unwrap();
        tx.commit().await.unwrap();
    }
    let timers_per_second = f64::from(timers) / started.elapsed().as_secs_f64();
    Run { timers_per_second, commits: due.len() as u64, fsyncs: None }
}
