//! What coding agents send before they act, and what they are answered.
