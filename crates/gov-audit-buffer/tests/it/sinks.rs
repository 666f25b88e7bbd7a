//! Every sink against the one contract.

mod http;
mod http_double;
mod json_lines;
mod memory;
