//! One body to one URL, and what its answer means.

use std::{error::Error, fmt, sync::Arc, time::Duration};

use gov_core::{Clock, text::escape, webhook::retry_after};
use reqwest::{
    Certificate, Client, Response, StatusCode, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderValue, RETRY_AFTER},
    redirect,
};
use rustls::crypto::CryptoProvider;

use super::{
    NotifyError,
    guard::{Blocked, Guard},
    webhook::WebhookConfigError,
};

/// So much of an answer is read, in bytes. More of it says nothing that is shown.
const MAX_ANSWER_BYTES: usize = 4096;

/// So much of an answer is shown, in characters.
const SHOWN: usize = 100;

/// How messages get to a URL.
#[derive(Clone, Copy, Debug)]
pub(super) struct PostConfig<'c> {
    pub(super) url: &'c str,
    pub(super) allow_private: bool,
    pub(super) ca_pem: Option<&'c [u8]>,
    pub(super) timeout: Duration,
}

/// Sends bodies to one URL. It follows no redirect, which would carry them elsewhere, and takes no
/// proxy from the environment, which would look up the name in our place.
#[derive(Clone)]
pub(super) struct Post {
    client: Client,
    url: Url,
    guard: Guard,
    allow_private: bool,
    clock: Arc<dyn Clock>,
}

/// What the target said that is no yes.
#[derive(Debug, thiserror::Error)]
#[error("the target answers {status}{hint}{said}")]
struct Answer {
    status: u16,
    hint: &'static str,
    said: String,
}

impl Post {
    pub(super) fn new(
        config: PostConfig<'_>,
        guard: Guard,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WebhookConfigError> {
        let url = read(config.url, config.allow_private, &guard)?;
        let client = client(config, &url, guard.clone())?;
        Ok(Self { client, url, guard, allow_private: config.allow_private, clock })
    }

    /// The same to another URL, which is judged as the first one was.
    pub(super) fn to(&self, url: &str) -> Result<Self, WebhookConfigError> {
        Ok(Self { url: read(url, self.allow_private, &self.guard)?, ..self.clone() })
    }

    pub(super) async fn send(&self, headers: HeaderMap, body: Vec<u8>) -> Result<(), NotifyError> {
        let request = self.client.post(self.url.clone()).headers(headers);
        let request =
            request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body);
        let response = request.send().await.map_err(not_sent)?;
        let (status, headers) = (response.status(), response.headers());
        if status.is_success() {
            return Ok(());
        }
        let after = headers.get(RETRY_AFTER).and_then(|it| it.to_str().ok());
        let after = after.and_then(|it| retry_after::parse(it, self.clock.now()));
        let said = said(response).await;
        Err(judge(status, after, said))
    }
}

/// Shows where to, and no more of the URL, which may hold a secret.
impl fmt::Debug for Post {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Post")
            .field("to", &self.url.origin().ascii_serialization())
            .finish_non_exhaustive()
    }
}

fn read(text: &str, allow_private: bool, guard: &Guard) -> Result<Url, WebhookConfigError> {
    let url = parse(text, allow_private)?;
    guard.check(url.host_str().unwrap_or_default())?;
    Ok(url)
}

fn parse(text: &str, allow_private: bool) -> Result<Url, WebhookConfigError> {
    let bad = |why: &str| WebhookConfigError::Url { why: why.to_owned() };
    let url = Url::parse(text).map_err(|error| bad(&format!("cannot be read: {error}")))?;
    match url.scheme() {
        "https" => (),
        "http" if allow_private => (),
        "http" => return Err(bad("must begin with https://; http:// needs `allow_private`")),
        _ => return Err(bad("must begin with https://")),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("must not hold a user name or password"));
    }
    if url.fragment().is_some() {
        return Err(bad("must end before the `#`"));
    }
    Ok(url)
}

fn client(config: PostConfig<'_>, url: &Url, guard: Guard) -> Result<Client, WebhookConfigError> {
    if CryptoProvider::get_default().is_none() {
        // Who was faster installed one too, and that will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let mut builder = Client::builder()
        .connect_timeout(config.timeout)
        .timeout(config.timeout)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .dns_resolver(Arc::new(guard));
    if let Some(pem) = config.ca_pem {
        let trusted =
            Certificate::from_pem_bundle(pem).map_err(WebhookConfigError::Certificates)?;
        builder = builder.tls_certs_only(trusted);
    } else if url.scheme() == "http" {
        // Nobody's certificate will be looked at.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(WebhookConfigError::Build)
}

/// A name that leads to a private address is not tried again: whoever changed it meant it.
fn not_sent(error: reqwest::Error) -> NotifyError {
    // The URL may hold a secret.
    let error = error.without_url();
    let mut source: Option<&dyn Error> = Some(&error);
    while let Some(it) = source {
        if let Some(blocked) = it.downcast_ref::<Blocked>() {
            return NotifyError::refused(blocked.clone());
        }
        source = it.source();
    }
    NotifyError::retry(error)
}

fn judge(status: StatusCode, after: Option<Duration>, said: String) -> NotifyError {
    let number = status.as_u16();
    let hint = match number {
        300..=399 => ", which leads elsewhere; give the URL that it leads to",
        401 | 403 | 407 => "; check its secret",
        404 | 405 | 415 => "; check its URL",
        _ => "",
    };
    let source = Box::new(Answer { status: number, hint, said });
    match number {
        410 => NotifyError::Gone { source },
        408 | 425 | 429 | 500..=599 => NotifyError::Retry { after, source },
        _ => NotifyError::Refused { source },
    }
}

/// The beginning of the answer's text; nothing if there is none in time.
async fn said(mut response: Response) -> String {
    let mut body = Vec::new();
    while let Ok(Some(chunk)) = response.chunk().await {
        let room = MAX_ANSWER_BYTES - body.len();
        body.extend(chunk.iter().take(room));
        if room <= chunk.len() {
            break;
        }
    }
    let short: String = String::from_utf8_lossy(&body).trim().chars().take(SHOWN).collect();
    if short.is_empty() { short } else { format!(": {}", escape(&short)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_has_its_own_consequence() {
        let judged = |status| judge(StatusCode::from_u16(status).unwrap(), None, String::new());
        for status in [408, 425, 429, 500, 502, 503, 504, 599] {
            assert!(matches!(judged(status), NotifyError::Retry { .. }), "{status}");
        }
        for status in [300, 301, 302, 307, 308, 400, 401, 403, 404, 405, 409, 413, 422, 451] {
            assert!(matches!(judged(status), NotifyError::Refused { .. }), "{status}");
        }
        assert!(matches!(judged(410), NotifyError::Gone { .. }));
    }

    #[test]
    fn a_url_that_is_no_targets_is_refused_with_what_is_wrong_and_without_itself() {
        for (text, allow_private, why) in [
            ("s3cret", true, "relative URL without a base"),
            ("ftp://s3cret.example/", true, "must begin with https://"),
            ("http://s3cret.example/", false, "needs `allow_private`"),
            ("https://gov:s3cret@chat.example/", true, "must not hold a user name or password"),
            ("https://chat.example/#s3cret", true, "must end before the `#`"),
        ] {
            let error = parse(text, allow_private).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
        assert!(parse("https://chat.example/a?b", false).is_ok());
        assert!(parse("http://chat.example/a?b", true).is_ok());
    }
}
