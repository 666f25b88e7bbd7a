//! NATS as it is configured: for the sink, and for whoever reads the stream.

use gov_audit_buffer::sink::nats::{NatsAuth, NatsConfig, NatsTls};

use super::{OpenSinkError, secret};
use crate::config;

/// The stream that `config` names, and who we are there. Reads the files with secrets, and looks for
/// those of certificates.
///
/// # Errors
///
/// [`OpenSinkError`]: a file cannot be used, or a URL is none.
pub fn nats_config(config: &config::Buffer, node: &str) -> Result<NatsConfig, OpenSinkError> {
    let servers = config.url.iter().map(|it| it.parse()).collect::<Result<_, _>>();
    let usual = NatsConfig::new(servers.map_err(|_| OpenSinkError::Url)?, node);
    let certificates = [
        ("buffer.ca_file", &config.ca_file),
        ("buffer.certificate_file", &config.certificate_file),
    ];
    // They are read when a connection asks for them, which may be never, or long after the start.
    for (key, path) in certificates {
        path.as_deref().map_or(Ok(()), |it| secret::readable(key, it))?;
    }
    if let Some(path) = &config.key_file {
        secret::check("buffer.key_file", path)?;
    }
    let tls = NatsTls {
        required: config.url.iter().any(|it| it.starts_with("tls://")),
        ca_file: config.ca_file.clone(),
        client: config.certificate_file.clone().zip(config.key_file.clone()),
    };
    Ok(NatsConfig {
        stream: config.stream.clone().unwrap_or(usual.stream),
        subject_prefix: config.subject.clone().unwrap_or(usual.subject_prefix),
        auth: auth(config)?,
        tls,
        replicas: usize::try_from(config.replicas).unwrap_or(usual.replicas),
        resend_horizon: config.resend_horizon,
        timeout: config.send_timeout,
        ..usual
    })
}

fn auth(config: &config::Buffer) -> Result<NatsAuth, OpenSinkError> {
    Ok(if let Some(path) = &config.password_file {
        let user = config.user.clone().unwrap_or_default();
        NatsAuth::UserPassword { user, password: secret::read("buffer.password_file", path)? }
    } else if let Some(path) = &config.token_file {
        NatsAuth::Token(secret::read("buffer.token_file", path)?)
    } else if let Some(path) = &config.nkey_file {
        secret::check("buffer.nkey_file", path)?;
        NatsAuth::Nkey { seed_file: path.clone() }
    } else if let Some(path) = &config.credentials_file {
        secret::check("buffer.credentials_file", path)?;
        NatsAuth::Credentials { file: path.clone() }
    } else {
        NatsAuth::Anonymous
    })
}
