//! Why somebody does something, in their own words: it stands in the history.

use std::{fmt, str::FromStr};

/// The longest reason, in bytes.
pub const MAX_REASON_BYTES: usize = 512;

/// 1 to [`MAX_REASON_BYTES`] bytes without outer white space or control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

/// The text is no reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReasonError {
    /// Nothing is said, or too much; in bytes.
    #[error("`reason` must be 1 to {MAX_REASON_BYTES} bytes long; received {0}")]
    Length(usize),
    /// It would steer a terminal.
    #[error("`reason` must not contain a control character; received U+{0:04X}")]
    Control(u32),
}

impl Reason {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Reason {
    type Err = ReasonError;

    fn from_str(text: &str) -> Result<Self, ReasonError> {
        let text = text.trim();
        if !(1..=MAX_REASON_BYTES).contains(&text.len()) {
            return Err(ReasonError::Length(text.len()));
        }
        match text.chars().find(|it| it.is_control()) {
            Some(control) => Err(ReasonError::Control(control.into())),
            None => Ok(Self(text.to_owned())),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_says_something_in_one_line() {
        let long = "x".repeat(MAX_REASON_BYTES);
        for (text, reason) in [(" too late ", "too late"), (&*long, &*long)] {
            assert_eq!(text.parse::<Reason>().unwrap().as_str(), reason);
        }
        for (text, error) in [
            (String::new(), ReasonError::Length(0)),
            (" ".to_owned(), ReasonError::Length(0)),
            (format!("{long}x"), ReasonError::Length(513)),
            ("a\nb".to_owned(), ReasonError::Control(10)),
            ("\u{1b}[2J".to_owned(), ReasonError::Control(27)),
        ] {
            assert_eq!(text.parse::<Reason>(), Err(error), "{text:?}");
        }
    }
}
