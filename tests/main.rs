//! End to end: the real `gov`, real files, real processes that get killed. One file a story.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail by panicking, like the tests"
)]

mod add_up;
mod approved;
mod books;
mod browser;
mod conserved;
mod dead_letters;
mod disk_full;
mod exported;
mod flipped_bytes;
mod given_up;
mod hooked;
mod installed;
mod judge;
mod killed;
mod notified;
mod page;
mod place;
mod proved;
mod pruned;
mod refused;
mod restored;
mod rolled_back;
mod rotated;
mod served;
mod server;
mod shared_log;
mod shipped;
mod stream;
mod two_gateways;
