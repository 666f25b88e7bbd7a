//! The audit event store that ages: hot rows, warm segments, cold archive.
//!
//! Nothing is here yet: the room is reserved in the table of layers. Until it is filled, allowed
//! and warned actions are answered and counted, and only refusals are recorded, in the signed log.
