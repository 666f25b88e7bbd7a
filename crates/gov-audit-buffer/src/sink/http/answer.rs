//! What an answer means for the events that were sent.

use std::time::Duration;

use gov_core::{Timestamp, text};
use reqwest::{Response, StatusCode};

use super::{HttpFormat, otlp, retry_after};
use crate::SinkError;

/// So much of an answer is read, in bytes.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// So much of an answer is shown, in characters.
const SHOWN: usize = 200;

/// What became of a body.
#[derive(Debug)]
pub(super) enum Answer {
    /// The receiver keeps all of it.
    Kept,
    /// The receiver does not take what is in it; the reason is its own.
    Refused(String),
    /// Not now.
    Later(SinkError),
}

/// Why events could not be handed over, for now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpFailure {
    /// No whole answer came.
    #[error("no answer from the audit sink")]
    NoAnswer(#[source] reqwest::Error),
    /// It answered with something that is not about the events.
    #[error("the audit sink answers {status}{hint}: {shown}")]
    Status {
        /// The HTTP status.
        status: u16,
        /// Who can put it right.
        hint: &'static str,
        /// The beginning of the answer's text.
        shown: String,
    },
}

/// Reads what the receiver says about a body. A refusal is what is about the body itself; whatever
/// else is wrong may be put right, and costs no event.
pub(super) async fn read(
    sent: Result<Response, reqwest::Error>,
    format: HttpFormat,
    now: Timestamp,
) -> Answer {
    let response = match sent {
        Ok(response) => response,
        Err(error) => return no_answer(error),
    };
    let status = response.status();
    let after = retry_after::read(response.headers(), now);
    let body = match body(response).await {
        Ok(body) => body,
        // It was kept or refused: that the rest of the answer is missing changes neither.
        Err(_) if !status.is_success() => Vec::new(),
        Err(error) => return no_answer(error),
    };
    judge(status, after, &body, format)
}

fn judge(status: StatusCode, after: Option<Duration>, body: &[u8], format: HttpFormat) -> Answer {
    let refused = |why: &str| Answer::Refused(format!("{}: {}", status.as_u16(), shown(why)));
    let said = String::from_utf8_lossy(body);
    match status {
        StatusCode::BAD_REQUEST
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNPROCESSABLE_ENTITY => refused(&said),
        _ if status.is_success() => match otlp::rejection(body) {
            Some(why) if format == HttpFormat::OtlpLogs => refused(&why),
            _ => Answer::Kept,
        },
        _ => {
            let shown = shown(&said);
            let failure =
                HttpFailure::Status { status: status.as_u16(), hint: hint(status), shown };
            Answer::Later(SinkError::Retry { after, source: failure.into() })
        }
    }
}

/// What a person can do about it, where waiting does not help.
fn hint(status: StatusCode) -> &'static str {
    match status.as_u16() {
        300..=399 => ", which leads elsewhere; give the URL that it leads to",
        401 | 403 | 407 => "; check its token",
        404 | 405 | 410 | 415 => "; check its URL and its format",
        _ => "",
    }
}

fn no_answer(error: reqwest::Error) -> Answer {
    // The URL may hold a secret.
    Answer::Later(SinkError::retry(HttpFailure::NoAnswer(error.without_url())))
}

async fn body(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        let room = MAX_ANSWER_BYTES - body.len();
        body.extend(chunk.iter().take(room));
        if room <= chunk.len() {
            break;
        }
    }
    Ok(body)
}

fn shown(said: &str) -> String {
    let short: String = said.chars().take(SHOWN).collect();
    text::escape(&short).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(status: u16) -> Answer {
        let status = StatusCode::from_u16(status).unwrap();
        judge(status, None, b"said\x1b[2J", HttpFormat::CloudEvents)
    }

    #[test]
    fn only_what_is_about_the_events_is_a_refusal() {
        for status in [200, 201, 202, 204] {
            assert!(matches!(judged(status), Answer::Kept), "{status}");
        }
        for status in [400, 413, 422] {
            let Answer::Refused(reason) = judged(status) else { panic!("{status} is no refusal") };
            assert_eq!(reason, format!("{status}: said\\u{{1b}}[2J"));
        }
        for status in [301, 302, 307, 401, 403, 404, 405, 408, 409, 410, 415, 425, 429, 500, 503] {
            assert!(matches!(judged(status), Answer::Later(SinkError::Retry { .. })), "{status}");
        }
    }
}
