//! The coding agents that gov stands in front of: where their settings are, and the hook in them.
//!
//! A settings file belongs to its user. [`json_text`] changes the one place that has to change
//! and leaves every other byte as it is, comments and key order included.

pub mod claude_code;
pub mod json_text;
pub mod settings_file;
