//! The server, the command line and the doors.

pub mod policy;
