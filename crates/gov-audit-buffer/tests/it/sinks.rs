//! Every sink against the one contract.

mod json_lines;
mod memory;
