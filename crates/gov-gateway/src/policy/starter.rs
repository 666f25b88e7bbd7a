//! The policies that come with gov.

use std::str::FromStr;

/// A policy to start from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Starter {
    /// Stops nothing, warns where [`Starter::Balanced`] would stop.
    Observe,
    /// Stops what cannot be undone, asks before what hurts, permits the rest. The default.
    Balanced,
    /// Refuses what is not listed.
    Strict,
}

impl Starter {
    /// All of them, mildest first.
    pub const ALL: [Self; 3] = [Self::Observe, Self::Balanced, Self::Strict];

    /// The policy's text, with its comments.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Observe => include_str!("../../policies/observe.cedar"),
            Self::Balanced => include_str!("../../policies/balanced.cedar"),
            Self::Strict => include_str!("../../policies/strict.cedar"),
        }
    }

    /// The name on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Observe => "observe",
            Self::Balanced => "balanced",
            Self::Strict => "strict",
        }
    }
}

/// The name is not one of the starter policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a starter policy is `observe`, `balanced` or `strict`")]
pub struct ParseStarterError;

impl FromStr for Starter {
    type Err = ParseStarterError;

    fn from_str(name: &str) -> Result<Self, ParseStarterError> {
        Self::ALL.into_iter().find(|it| it.name() == name).ok_or(ParseStarterError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::PolicySet;

    #[test]
    fn each_starter_compiles_and_is_found_by_its_name() {
        for starter in Starter::ALL {
            PolicySet::compile(starter.text(), 1).unwrap();
            assert_eq!(starter.name().parse(), Ok(starter));
        }
        assert_eq!("wild".parse::<Starter>(), Err(ParseStarterError));
    }
}
