//! Random lives of the queue against a simple model: submits, panics, restarts, torn ends.
//!
//! Each seed is one life over several processes. `GOV_TEST_SEEDS=n` runs the seeds 0 to n - 1.

use std::{collections::HashSet, fs::OpenOptions, io::Write as _};

use gov_core::{RecordId, dice::Dice};
use gov_deferred_audit::{DeferredAuditQueue, Durability, close_and_flush};

use crate::support::{Fixture, assert_balanced, record_of};

/// What must be in the log in the end.
#[derive(Default)]
struct Model {
    /// Spooled records, in the order of their submits.
    spooled: Vec<RecordId>,
    /// Records that may have died with their process.
    mortal: HashSet<RecordId>,
    poison: HashSet<RecordId>,
}

async fn live(seed: u64) {
    let mut dice = Dice::of(seed);
    let mut it = Fixture::without_waits();
    it.config.limits.segment_bytes = 600 + dice.roll(4_000);
    it.config.max_cached_records = dice.roll(20);
    it.config.max_batch_records = 1 + usize::try_from(dice.roll(40)).unwrap();
    let mut model = Model::default();
    for _ in 0..=dice.roll(4) {
        one_process(&mut dice, &it, &mut model).await;
        if dice.roll(3) == 0 {
            tear(&mut dice, &it);
        }
    }
    it.log.open_gate(true);
    it.log.lock().panics = 0;
    it.flush().await;
    check(seed, &it, &model);
}

async fn one_process(dice: &mut Dice, it: &Fixture, model: &mut Model) {
    let (queue, receiver) = it.open();
    let supervisor = it.drain(&queue, receiver);
    for n in 0..dice.roll(120) {
        match dice.roll(40) {
            0 => it.log.lock().panics = dice.roll(4),
            1 => it.log.open_gate(false),
            2 => it.log.open_gate(true),
            3..=9 => tokio::task::yield_now().await,
            _ => submit(dice, it, &queue, model, n),
        }
        assert_balanced(&queue);
    }
    if dice.roll(3) == 0 {
        it.log.open_gate(true);
        let _ = close_and_flush(&queue, supervisor).await;
        assert_balanced(&queue);
        return;
    }
    // Killed: nothing is settled and nothing is written any more.
    drop((queue, supervisor));
    while DeferredAuditQueue::open(it.config.clone(), it.clock.clone()).is_err() {
        tokio::task::yield_now().await;
    }
}

fn submit(dice: &mut Dice, it: &Fixture, queue: &DeferredAuditQueue, model: &mut Model, n: u64) {
    let record = record_of(usize::try_from(n).unwrap(), usize::try_from(dice.roll(300)).unwrap());
    let id = record.id;
    if dice.roll(25) == 0 {
        it.log.lock().poison.insert(id);
        model.poison.insert(id);
    }
    if dice.roll(4) == 0 {
        model.mortal.insert(id);
        let _ = queue.try_submit(record, Durability::Memory);
    } else if queue.try_submit(record, Durability::Spooled).is_ok() {
        model.spooled.push(id);
    }
}

/// A frame that was being written when the process died.
fn tear(dice: &mut Dice, it: &Fixture) {
    let spool = std::fs::read(&it.config.spool).unwrap();
    if spool.len() < 40 {
        return;
    }
    let torn = &spool[20..20 + usize::try_from(dice.roll(8)).unwrap()];
    let mut file = OpenOptions::new().append(true).open(&it.config.spool).unwrap();
    file.write_all(torn).unwrap();
}

fn check(seed: u64, it: &Fixture, model: &Model) {
    let log = it.log.ids();
    let dead: HashSet<_> = it.log.lock().dead.iter().copied().collect();
    let present: HashSet<_> = log.iter().copied().collect();
    assert_eq!(present.len(), log.len(), "seed {seed}: a record is there twice");
    assert!(it.quarantined().is_empty(), "seed {seed}: nothing was damaged");
    for id in &model.spooled {
        let places = (present.contains(id), dead.contains(id));
        assert!(places.0 != places.1, "seed {seed}: {id}: (in the log, dead letter): {places:?}");
        assert!(places.1 || !model.poison.contains(id), "seed {seed}: {id} is poison");
    }
    let expected: Vec<_> = model.spooled.iter().filter(|id| present.contains(id)).collect();
    let mortal = &model.mortal;
    let found: Vec<_> = log.iter().filter(|id| !mortal.contains(id)).collect();
    assert!(expected == found, "seed {seed}: the spooled records changed their order");
}

#[test]
fn random_lives_lose_nothing_repeat_nothing_and_keep_the_order() {
    let seeds = std::env::var("GOV_TEST_SEEDS").map_or(100, |it| it.parse().unwrap());
    for seed in 0..seeds {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(live(seed));
    }
}
