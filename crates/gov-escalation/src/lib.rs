//! Approvals, and what happens when nobody answers them.
//!
//! Nothing is here yet: the room is reserved in the table of layers, and the gateway answers
//! `require_approval` with a refusal that says so.
