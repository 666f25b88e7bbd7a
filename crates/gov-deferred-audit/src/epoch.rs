//! Epochs: a log that was rolled back goes on as a new log, which says so in its first entry.

use gov_core::{hex, hex::Hex};
use serde::{Deserialize, Serialize};

use crate::tlog::{
    Hash,
    checkpoint::parse_decimal,
    key::{KeyError, check_name},
};

/// The longest domain, in bytes: the first entry of an epoch holds a whole checkpoint.
pub const MAX_DOMAIN_BYTES: usize = 128;

/// The name of the log and of its key in `epoch`: `<domain>/gov/e<n>`.
#[must_use]
pub fn origin(domain: &str, epoch: u64) -> String {
    format!("{domain}/gov/e{epoch}")
}

/// The epoch that an origin names; `None` if it names none.
#[must_use]
pub fn of(origin: &str) -> Option<u64> {
    split(origin).map(|(_, epoch)| epoch)
}

/// The domain of an origin.
#[must_use]
pub fn domain(origin: &str) -> Option<&str> {
    split(origin).map(|(domain, _)| domain)
}

fn split(origin: &str) -> Option<(&str, u64)> {
    let (domain, epoch) = origin.rsplit_once("/gov/e")?;
    parse_decimal(epoch).filter(|epoch| *epoch > 0).map(|epoch| (domain, epoch))
}

/// Whether `domain` can stand in an origin.
///
/// # Errors
///
/// [`KeyError`] with the limit: choose another one.
pub fn check_domain(domain: &str) -> Result<(), KeyError> {
    check_name(domain)?;
    if domain.len() > MAX_DOMAIN_BYTES {
        return Err(KeyError("its domain must be at most 128 bytes long"));
    }
    Ok(())
}

/// What the first entry of an epoch after the first says, as JCS in its `reason`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Handover {
    /// The last checkpoint of the epoch before that is known from outside; a signed note.
    pub checkpoint: String,
    /// The root over what is left of that epoch; 64 hex digits.
    pub surviving_root: String,
    /// How many records are left of it.
    pub surviving_size: u64,
}

impl Handover {
    /// Says that of the log with `checkpoint` this is left.
    #[must_use]
    pub fn new(checkpoint: String, surviving_size: u64, surviving_root: &Hash) -> Self {
        Self { checkpoint, surviving_root: Hex(surviving_root).to_string(), surviving_size }
    }

    /// The root over what is left; `None` if it is not 64 hex digits.
    #[must_use]
    pub fn root(&self) -> Option<Hash> {
        hex::parse(&self.surviving_root)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_names_its_domain_and_epoch() {
        assert_eq!(of(&origin("example.com", 12)), Some(12));
        assert_eq!(domain("localhost.invalid/i-1/gov/e3"), Some("localhost.invalid/i-1"));
        for text in ["example.com/gov/e0", "example.com/gov/e01", "example.com/gov", "/gov/e"] {
            assert_eq!(of(text), None, "{text}");
        }
    }

    #[test]
    fn a_domain_that_would_not_fit_is_refused() {
        assert!(check_domain("localhost.invalid/n-1").is_ok());
        for domain in ["", "a b", "a+b", &"d".repeat(129)] {
            assert!(check_domain(domain).is_err());
        }
    }
}
