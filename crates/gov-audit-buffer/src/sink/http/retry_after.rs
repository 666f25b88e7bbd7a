//! The header `Retry-After`, where an answer has one.

use std::time::Duration;

use gov_core::{Timestamp, webhook::retry_after};
use reqwest::header::{HeaderMap, RETRY_AFTER};

/// How long the receiver asks to be left alone; `None` where it does not say, or not so that it can
/// be understood.
pub(super) fn read(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    retry_after::parse(headers.get(RETRY_AFTER)?.to_str().ok()?, now)
}
