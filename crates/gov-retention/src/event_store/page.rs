//! Where a page ended, as text.

use std::{fmt, str::FromStr};

use gov_core::Timestamp;

use super::PageCursor;

impl fmt::Display for PageCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}_{}", self.at.as_micros(), self.id)
    }
}

/// The text is no place where a page ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{received}` is no page cursor: send back the one that came with the page before")]
pub struct ParsePageCursorError {
    /// What was given instead, at most 64 characters of it.
    pub received: String,
}

impl FromStr for PageCursor {
    type Err = ParsePageCursorError;

    /// Accepts exactly what [`fmt::Display`] prints.
    fn from_str(text: &str) -> Result<Self, ParsePageCursorError> {
        read(text)
            .filter(|it| it.to_string() == text)
            .ok_or_else(|| ParsePageCursorError { received: text.chars().take(64).collect() })
    }
}

fn read(text: &str) -> Option<PageCursor> {
    let (micros, id) = text.split_once('_')?;
    let at = Timestamp::from_micros(micros.parse().ok()?)?;
    Some(PageCursor { at, id: id.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "1767225600000001_evt_019b76da80007000800000000000000a";

    #[test]
    fn a_cursor_reads_back_from_its_text() {
        let cursor: PageCursor = TEXT.parse().unwrap();
        assert_eq!(cursor.at.as_micros(), 1_767_225_600_000_001);
        assert_eq!(cursor.to_string(), TEXT);
    }

    #[test]
    fn any_other_spelling_is_refused() {
        let id = &TEXT[TEXT.find('_').unwrap()..];
        for text in ["", "1", "_", id, &format!("x1{id}"), &format!("-1{id}")] {
            assert_eq!(text.parse::<PageCursor>().unwrap_err().received, text);
        }
        for text in [format!("+{TEXT}"), format!("0{TEXT}"), format!("{TEXT} ")] {
            let error = text.parse::<PageCursor>().unwrap_err();
            assert_eq!(error.received, text.chars().take(64).collect::<String>());
        }
    }
}
