//! Why a policy text is refused.

/// The policy text cannot be saved; `line` and `column` count from 1.
///
/// Every message says the way out: correct the text and save it again. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// It is longer than the limit, in bytes.
    #[error("a policy text must be at most {limit} bytes long; received {received}")]
    TooLong {
        /// The limit.
        limit: usize,
        /// What was received.
        received: usize,
    },
    /// It is not Cedar.
    #[error("line {line}, column {column}: {problem}")]
    Syntax {
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
        /// What Cedar says.
        problem: String,
    },
    /// It is Cedar, but does not fit what gov asks about (an unknown attribute, a wrong type).
    #[error(
        "line {line}, column {column}: {problem}; what a policy may ask about stands in \
         docs/formats/policy-context.md"
    )]
    Invalid {
        /// Where.
        line: usize,
        /// Where in the line.
        column: usize,
        /// What the validator says.
        problem: String,
    },
    /// A policy's annotations are not what gov understands.
    #[error("line {line}, column {column}: {problem}")]
    Annotation {
        /// Where the policy begins.
        line: usize,
        /// Where in the line.
        column: usize,
        /// What is wrong, and what would be right.
        problem: String,
    },
    /// There is no policy in it: every action would be refused.
    #[error(
        "the text holds no policy, so everything would be refused; begin with `gov init`'s balanced"
    )]
    Empty,
    /// The compiler did not run to its end: try again; the text may be right.
    #[error("the policy could not be compiled: {0}")]
    Compiler(String),
    /// The schema inside the program cannot be read: a mistake of the program.
    #[error("the built-in schema is broken: {0}")]
    Schema(String),
}

impl PolicyError {
    /// Line and column of what is wrong, where it is wrong in one place.
    #[must_use]
    pub fn place(&self) -> Option<(usize, usize)> {
        match self {
            Self::Syntax { line, column, .. }
            | Self::Invalid { line, column, .. }
            | Self::Annotation { line, column, .. } => Some((*line, *column)),
            Self::TooLong { .. } | Self::Empty | Self::Compiler(_) | Self::Schema(_) => None,
        }
    }
}

/// Line and column, counted from 1, of a byte offset.
pub(super) fn position(text: &str, offset: usize) -> (usize, usize) {
    let before = text.as_bytes().get(..offset.min(text.len())).unwrap_or_default();
    let line = before.split(|byte| *byte == b'\n').count();
    let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let column = String::from_utf8_lossy(before.get(start..).unwrap_or_default()).chars().count();
    (line, column + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_counts_lines_and_characters_from_one() {
        let text = "ab\ncäd";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, 3), (2, 1));
        assert_eq!(position(text, 6), (2, 3));
        assert_eq!(position(text, 99), (2, 4));
    }
}
