//! What one argument of a granted call may be.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The limit of one argument. Bounds are about whole numbers: any other value is beyond them, so
/// nothing is ever rounded into a limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// Anything, and it may be left out.
    Any,
    /// This value; a number written as a fraction equals no whole one.
    Equals(Value),
    /// One of these values.
    OneOf(Vec<Value>),
    /// A whole number up to this one.
    AtMost(i64),
    /// A whole number from this one on.
    AtLeast(i64),
    /// A whole number from the first to the second.
    Between(i64, i64),
}

impl Limit {
    /// Whether a call may bring this value.
    #[must_use]
    pub fn admits(&self, value: &Value) -> bool {
        let whole = || value.as_i64();
        match self {
            Self::Any => true,
            Self::Equals(it) => it == value,
            Self::OneOf(all) => all.contains(value),
            Self::AtMost(most) => whole().is_some_and(|it| it <= *most),
            Self::AtLeast(least) => whole().is_some_and(|it| it >= *least),
            Self::Between(least, most) => whole().is_some_and(|it| (*least..=*most).contains(&it)),
        }
    }

    /// Whether there is a value that keeps it.
    pub(super) fn can_be_kept(&self) -> bool {
        match self {
            Self::OneOf(all) => !all.is_empty(),
            Self::Between(least, most) => least <= most,
            _ => true,
        }
    }
}
