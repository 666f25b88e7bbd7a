//! Long lives with much bad luck: run by `cargo xtask torture escalation --seeds N`.

mod life;
mod node;

use std::{io::Write as _, ops::Range, sync::Arc};

use gov_core::{canonical, hex::Hex};
use gov_escalation::store::{
    memory::MemoryApprovalStore,
    sqlite::{self, SqliteApprovalStore},
};
use gov_store::fresh_database;

use crate::{model, processes, races};

fn seeds(otherwise: u64) -> u64 {
    std::env::var("GOV_TEST_SEEDS").map_or(otherwise, |it| it.parse().unwrap())
}

/// One line that depends on the seeds alone.
fn report(sweep: &str, outcomes: &[String]) {
    let digest = canonical::sha256(outcomes.join("\n").as_bytes());
    let (lives, digest) = (outcomes.len(), Hex(&digest));
    let line =
        format!("torture {sweep}: {lives} lives, nothing lost or doubled, digest {digest}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

fn model_lives(seeds: Range<u64>) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    seeds
        .map(|seed| runtime.block_on(life::live(Arc::new(MemoryApprovalStore::default()), seed)))
        .collect()
}

fn lives_on_sqlite(seeds: Range<u64>) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let live = |seed| async move {
        let file = fresh_database::sqlite(&[&sqlite::COMPONENT]);
        let (writer, readers) = (file.database.writer.clone(), file.database.readers.clone());
        let life = life::live(Arc::new(SqliteApprovalStore::new(writer, readers)), seed).await;
        file.database.close().await;
        life
    };
    seeds.map(|seed| runtime.block_on(live(seed))).collect()
}

#[test]
fn nothing_is_lost_or_doubled_in_two_hundred_lives_on_a_model() {
    let lives = model_lives(0..200);
    let with = |what: &str| lives.iter().filter(|it| it.contains(what)).count();
    let (used, undisturbed, unrepeated) =
        (with("consumed"), with(" 0 deaths"), with(" 0 repeated"));
    assert!(used > 60 && undisturbed < 20 && unrepeated < 100, "{lives:#?}");
}

#[test]
fn nothing_is_lost_or_doubled_in_twenty_lives_on_sqlite() {
    lives_on_sqlite(0..20);
}

#[test]
#[ignore = "takes minutes; run by `cargo xtask torture escalation --seeds N`"]
fn random_lives_on_a_model_of_the_store() {
    let seeds = seeds(1000);
    report(&format!("model, seeds 0..{seeds}"), &model_lives(0..seeds));
}

/// A tenth of the seeds, each on a file of its own.
#[test]
#[ignore = "takes minutes; run by `cargo xtask torture escalation --seeds N`"]
fn random_lives_on_sqlite() {
    let seeds = seeds(1000).div_ceil(10);
    report(&format!("sqlite, seeds 0..{seeds}"), &lives_on_sqlite(0..seeds));
}

/// A hundredth of the seeds, each with a thousand timers, and the messages of sixty approvals.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; run by `cargo xtask torture escalation --seeds N`"]
async fn random_lives_of_real_processes() {
    let seeds = seeds(100).div_ceil(100);
    let mut deaths = 0;
    for seed in 0..seeds {
        deaths += processes::on_sqlite(1_000, seed).await;
        deaths += processes::on_postgres(1_000, seed).await.expect("a PostgreSQL is missing");
        processes::on_sqlite_delivered(60, seed).await;
        processes::on_postgres_delivered(60, seed).await.expect("a PostgreSQL is missing");
    }
    assert!(deaths > 0, "nobody died while there was something to do");
    let lives: Vec<_> =
        (0..seeds).map(|seed| format!("{seed}: each timer once, no message lost")).collect();
    report(&format!("processes on both databases, seeds 0..{seeds}"), &lives);
}

/// Ten times the seeds, on each database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes; run by `cargo xtask torture escalation --seeds N`"]
async fn no_race_has_two_winners() {
    let rounds = u32::try_from(seeds(200) * 10).unwrap();
    races::on_sqlite(rounds).await;
    assert!(races::on_postgres(rounds).await, "a PostgreSQL is missing");
    report("races on both databases", &[format!("{rounds} rounds")]);
}

/// As many cases as seeds, on each database.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "takes minutes; run by `cargo xtask torture escalation --seeds N`"]
async fn every_case_ends_as_the_rules_say() {
    let seeds = seeds(2000);
    let on_sqlite = model::on_sqlite(0..seeds).await;
    let on_postgres = model::on_postgres(0..seeds).await.expect("a PostgreSQL is missing");
    assert_eq!(on_sqlite, on_postgres);
    let ends: Vec<_> = on_sqlite.iter().map(|(end, count)| format!("{end}: {count}")).collect();
    report(&format!("cases of several voters on both databases, seeds 0..{seeds}"), &ends);
}
