//! The signed log that a refusal cannot escape.
