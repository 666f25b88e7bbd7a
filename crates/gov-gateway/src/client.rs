//! The HTTP client of the command line and the hooks.
