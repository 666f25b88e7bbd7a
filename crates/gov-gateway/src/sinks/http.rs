//! A server that takes events over HTTP, as it is configured.

use std::fs;

use gov_audit_buffer::sink::http::{HttpConfig, HttpFormat, Secret};

use super::{OpenSinkError, secret};
use crate::config;

/// Reads the files that `config` names.
pub(super) fn http_config(config: &config::Buffer) -> Result<HttpConfig, OpenSinkError> {
    let read = |key: &'static str, path: &Option<std::path::PathBuf>| {
        path.as_deref().map(|it| secret::read(key, it).map(Secret::from)).transpose()
    };
    let certificates = |path: &std::path::PathBuf| {
        let key = "buffer.ca_file";
        fs::read(path).map_err(|source| OpenSinkError::Secret { key, path: path.clone(), source })
    };
    let format = match config.format {
        config::HttpFormat::Webhook => HttpFormat::CloudEvents,
        config::HttpFormat::Otlp => HttpFormat::OtlpLogs,
    };
    Ok(HttpConfig {
        format,
        bearer: read("buffer.token_file", &config.token_file)?,
        signing_secret: read("buffer.signing_key_file", &config.signing_key_file)?,
        ca_pem: config.ca_file.as_ref().map(certificates).transpose()?,
        timeout: config.send_timeout,
        ..HttpConfig::new(config.url.first().cloned().unwrap_or_default())
    })
}
