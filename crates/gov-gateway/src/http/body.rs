//! Reading a body within its limit.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, header},
};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::problem::{Code, Problem};

/// The largest body: 1 MiB.
pub(super) const MAX_BYTES: usize = 1024 * 1024;

/// The whole body.
///
/// # Errors
///
/// `too-large` beyond [`MAX_BYTES`], without reading further; `bad-json` if the sender stopped.
pub(super) async fn read(headers: &HeaderMap, body: Body) -> Result<Bytes, Problem> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|it| it.to_str().ok())
        .and_then(|it| it.parse::<u64>().ok());
    let too_large = || {
        let detail = format!("the body must be at most {MAX_BYTES} bytes (1 MiB)");
        let problem =
            Problem::new(Code::TooLarge, detail).with_field("body").with_limit(MAX_BYTES as u64);
        match announced {
            Some(bytes) => problem.with_received(format_args!("{bytes} bytes")),
            None => problem.with_received("more"),
        }
    };
    if announced.is_some_and(|bytes| bytes > MAX_BYTES as u64) {
        return Err(too_large());
    }
    match Limited::new(body, MAX_BYTES).collect().await {
        Ok(whole) => Ok(whole.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(too_large()),
        Err(error) => {
            Err(Problem::new(Code::BadJson, format!("the body could not be read: {error}")))
        }
    }
}
