//! Events as the bodies of HTTP requests: to a webhook of `CloudEvents`, or to a collector of OTLP
//! logs.
//!
//! An HTTP receiver cannot be asked what it has. It gets each event at least once, in order, and
//! tells repeats by the event's id.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use gov_core::{Clock, webhook::SigningKey};
use reqwest::{
    Certificate, Client, Url,
    header::{AUTHORIZATION, HeaderValue},
    redirect,
};
use rustls::crypto::CryptoProvider;

use super::{AuditSink, Emitted, LastKept, Outgoing, SinkError};
use crate::BufferId;

mod answer;
mod halves;
mod otlp;
mod retry_after;
mod url;
mod webhook;

pub use gov_core::webhook::Secret;

pub use self::answer::HttpFailure;
use self::{answer::Answer, halves::Halves};

/// In which form events go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpFormat {
    /// A JSON array of `CloudEvents`: `application/cloudevents-batch+json`.
    #[default]
    CloudEvents,
    /// Log records of the OpenTelemetry protocol, in JSON (OTLP 1.5).
    OtlpLogs,
}

/// How events go over HTTP.
#[derive(Clone, Debug)]
pub struct HttpConfig {
    /// Where to: `https://…`, or `http://…` on this machine. For a collector with its path, as in
    /// `http://localhost:4318/v1/logs`.
    pub url: String,
    /// In which form.
    pub format: HttpFormat,
    /// Shown as `Authorization: Bearer …`.
    pub bearer: Option<Secret>,
    /// Signs each body of [`HttpFormat::CloudEvents`]: `whsec_` and the key in base64, as Standard
    /// Webhooks 1.0 says.
    pub signing_secret: Option<Secret>,
    /// The certificates that are trusted, in PEM, instead of this machine's.
    pub ca_pem: Option<Vec<u8>>,
    /// How long the connection may take.
    pub connect_timeout: Duration,
    /// How long a request may take, with the connection and the answer.
    pub timeout: Duration,
    /// About how large a body may become, in bytes; an event that is larger goes alone.
    pub max_body_bytes: usize,
}

impl HttpConfig {
    /// `CloudEvents` to `url`, neither signed nor with a token; 2 s, 10 s, 1 MiB.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            format: HttpFormat::CloudEvents,
            bearer: None,
            signing_secret: None,
            ca_pem: None,
            connect_timeout: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
            max_body_bytes: 1024 * 1024,
        }
    }
}

/// The settings cannot be worked with: correct them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HttpConfigError {
    /// The URL is not one to send events to. It is not repeated: it may hold a secret.
    #[error("the URL of the audit sink {why}")]
    Url {
        /// What is wrong with it.
        why: String,
    },
    /// A header cannot hold the token.
    #[error("the bearer token of the audit sink must be printable ASCII")]
    Bearer,
    /// The signing secret is no key.
    #[error("the signing secret of the audit sink must be `whsec_` and base64 with padding")]
    SigningSecret,
    /// Only webhooks are signed.
    #[error("OTLP knows no signatures: take out the signing secret, or use a bearer token")]
    SignedOtlp,
    /// The certificates cannot be read.
    #[error("the certificates for the audit sink must be PEM")]
    Certificates(#[source] reqwest::Error),
    /// The client cannot be made: most often there are no certificates on this machine.
    #[error("cannot prepare the connection to the audit sink")]
    Build(#[source] reqwest::Error),
}

/// Sends events to one URL. It follows no redirect, which would carry them elsewhere.
#[derive(Clone)]
pub struct HttpSink {
    client: Client,
    url: Url,
    format: HttpFormat,
    authorization: Option<HeaderValue>,
    signing: Option<SigningKey>,
    max_body_bytes: usize,
    clock: Arc<dyn Clock>,
}

impl HttpSink {
    /// A sink to the receiver that `config` names; nothing is sent yet.
    ///
    /// Installs ring as the process's TLS provider where it has none.
    ///
    /// # Errors
    ///
    /// [`HttpConfigError`].
    pub fn new(config: &HttpConfig, clock: Arc<dyn Clock>) -> Result<Self, HttpConfigError> {
        let has_secret = config.bearer.is_some() || config.signing_secret.is_some();
        let url = url::parse(&config.url, has_secret)?;
        let signed = config.signing_secret.is_some();
        if signed && config.format == HttpFormat::OtlpLogs {
            return Err(HttpConfigError::SignedOtlp);
        }
        Ok(Self {
            client: client(config, &url)?,
            url,
            format: config.format,
            authorization: config.bearer.as_ref().map(authorization).transpose()?,
            signing: config
                .signing_secret
                .as_ref()
                .map(SigningKey::new)
                .transpose()
                .map_err(|_| HttpConfigError::SigningSecret)?,
            max_body_bytes: config.max_body_bytes,
            clock,
        })
    }

    /// How many events of `rest`, `limit` at most, go in one body.
    fn fitting(&self, rest: &[Outgoing], limit: usize) -> usize {
        let mut bytes = 0;
        let fit = rest.iter().take(limit).take_while(|it| {
            bytes += it.event.json.len();
            bytes <= self.max_body_bytes
        });
        fit.count().max(1)
    }

    async fn send(&self, part: &[Outgoing]) -> Answer {
        let (content_type, body) = match self.format {
            HttpFormat::CloudEvents => (webhook::CONTENT_TYPE, webhook::body(part)),
            HttpFormat::OtlpLogs => match otlp::body(part, self.clock.now()) {
                Ok(body) => (otlp::CONTENT_TYPE, body),
                Err(error) => return Answer::Refused(format!("not a CloudEvent: {error}")),
            },
        };
        let mut headers = webhook::headers(part, &body, self.clock.now(), self.signing.as_ref());
        if let Some(value) = &self.authorization {
            headers.insert(AUTHORIZATION, value.clone());
        }
        let request = self.client.post(self.url.clone()).headers(headers);
        let sent = request.header("content-type", content_type).body(body).send().await;
        answer::read(sent, self.format, self.clock.now()).await
    }
}

#[async_trait]
impl AuditSink for HttpSink {
    fn name(&self) -> &'static str {
        "http"
    }

    /// A body that is refused is sent again in halves, until the event that it is about stands
    /// alone: one bad event costs none of the others.
    async fn emit_batch(&self, batch: &[Outgoing]) -> Emitted {
        let (mut accepted, mut halves) = (0, Halves::default());
        while let Some(rest) = batch.get(accepted..).filter(|it| !it.is_empty()) {
            let count = self.fitting(rest, halves.next(rest.len()));
            match self.send(rest.get(..count).unwrap_or(rest)).await {
                Answer::Kept => {
                    accepted += count;
                    halves.kept(count);
                }
                Answer::Refused(reason) if count == 1 => {
                    return Emitted { accepted, stopped: Some(SinkError::Poison { reason }) };
                }
                Answer::Refused(_) => halves.refused(count),
                Answer::Later(error) => return Emitted { accepted, stopped: Some(error) },
            }
        }
        Emitted { accepted, stopped: None }
    }

    async fn last_kept(&self, _buffer: BufferId) -> Result<LastKept, SinkError> {
        Ok(LastKept::Unknown)
    }
}

/// Shows where to, and no more of the URL, which may hold a secret.
impl fmt::Debug for HttpSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpSink")
            .field("to", &self.url.origin().ascii_serialization())
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

fn client(config: &HttpConfig, url: &Url) -> Result<Client, HttpConfigError> {
    if CryptoProvider::get_default().is_none() {
        // Who was faster installed one too, and that will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
    let mut builder = Client::builder()
        .connect_timeout(config.connect_timeout)
        .timeout(config.timeout)
        .redirect(redirect::Policy::none());
    if url::is_loopback(url) {
        builder = builder.no_proxy();
    }
    if let Some(pem) = &config.ca_pem {
        let trusted = Certificate::from_pem_bundle(pem).map_err(HttpConfigError::Certificates)?;
        builder = builder.tls_certs_only(trusted);
    } else if url.scheme() == "http" {
        // Nobody's certificate will be looked at.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(HttpConfigError::Build)
}

fn authorization(token: &Secret) -> Result<HeaderValue, HttpConfigError> {
    let mut value = HeaderValue::try_from(format!("Bearer {}", token.expose()))
        .map_err(|_| HttpConfigError::Bearer)?;
    value.set_sensitive(true);
    Ok(value)
}
