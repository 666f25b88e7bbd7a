//! An audit event in, durable; shipped to a sink in order, later if it must be.
//!
//! Nothing is here yet: the room is reserved in the table of layers.
