//! The `gov` command.

fn main() {}
