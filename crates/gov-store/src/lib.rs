//! The ground that every stateful room stands on.
