//! Chores of this workspace: `cargo xtask <command>`.

fn main() {}
