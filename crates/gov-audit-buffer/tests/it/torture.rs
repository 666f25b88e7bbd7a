//! Long lives with much bad luck: run by `cargo xtask torture audit-buffer --seeds N`.

mod hurt;
mod life;
mod model_stream;
mod processes;

use std::io::Write as _;

use gov_core::{canonical, hex::Hex};

fn seeds(otherwise: u64) -> u64 {
    std::env::var("GOV_TEST_SEEDS").map_or(otherwise, |it| it.parse().unwrap())
}

/// One line that depends on the seeds alone.
fn report(sweep: &str, outcomes: &[String]) {
    let digest = canonical::sha256(outcomes.join("\n").as_bytes());
    let (lives, digest) = (outcomes.len(), Hex(&digest));
    let line = format!("torture {sweep}: {lives} lives, every stream whole, digest {digest}\n");
    std::io::stdout().write_all(line.as_bytes()).unwrap();
}

fn model_lives(seeds: std::ops::Range<u64>) -> Vec<String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    seeds.map(|seed| runtime.block_on(life::live(seed))).collect()
}

/// With threads of its own: who reads from a child blocks.
fn real_lives(seeds: std::ops::Range<u64>) -> Vec<String> {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    seeds.filter_map(|seed| runtime.block_on(processes::live(seed))).collect()
}

#[test]
fn real_processes_keep_a_stream_whole_in_three_lives() {
    real_lives(0..3);
}

#[test]
fn a_stream_is_a_prefix_of_what_was_acknowledged_in_fifty_lives() {
    model_lives(0..50);
}

#[test]
#[ignore = "takes minutes; run by `cargo xtask torture audit-buffer --seeds N`"]
fn random_lives_on_a_model_of_the_stream() {
    let seeds = seeds(100);
    report(&format!("model, seeds 0..{seeds}"), &model_lives(0..seeds));
}

/// A hundredth of the seeds: each takes seconds.
#[test]
#[ignore = "takes minutes; run by `cargo xtask torture audit-buffer --seeds N`"]
fn random_lives_of_real_processes() {
    let seeds = seeds(100).div_ceil(100);
    let lives = real_lives(0..seeds);
    assert_eq!(lives.len() as u64, seeds, "a nats-server is missing");
    report(&format!("processes, seeds 0..{seeds}"), &lives);
}
