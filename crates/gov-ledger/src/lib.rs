//! What one agent asked of another, until it ends: one row a delegation.
//!
//! Nothing is here yet: the room is reserved in the table of layers.
