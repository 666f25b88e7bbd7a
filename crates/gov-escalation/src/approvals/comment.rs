//! What a person may say beside their yes or no.

/// The longest comment, in bytes.
pub const MAX_COMMENT_BYTES: usize = 4096;

/// What is wrong with a comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommentProblem {
    /// Too long; in bytes.
    #[error("must be at most {MAX_COMMENT_BYTES} bytes long; received {0}")]
    TooLong(usize),
    /// It would steer a terminal.
    #[error("must not contain a control character; received U+{0:04X}")]
    Control(u32),
}

/// Line feeds and tabs are a person's; other controls are not.
pub(super) fn problem(comment: &str) -> Option<CommentProblem> {
    if comment.len() > MAX_COMMENT_BYTES {
        return Some(CommentProblem::TooLong(comment.len()));
    }
    let control = comment.chars().find(|it| it.is_control() && !matches!(it, '\n' | '\r' | '\t'));
    control.map(|it| CommentProblem::Control(it.into()))
}
