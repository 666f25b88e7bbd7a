//! Where events may be sent to.

use std::net::IpAddr;

use reqwest::Url;

use super::HttpConfigError;

/// The URL, if events may go there: a secret does not travel in clear text to another machine.
pub(super) fn parse(text: &str, has_secret: bool) -> Result<Url, HttpConfigError> {
    let bad = |why: &str| HttpConfigError::Url { why: why.to_owned() };
    let url = Url::parse(text).map_err(|error| bad(&format!("cannot be read: {error}")))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(bad("must begin with http:// or https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(bad("must not hold a user name or password; use the bearer token"));
    }
    if url.fragment().is_some() {
        return Err(bad("must end before the `#`"));
    }
    if has_secret && url.scheme() == "http" && !is_loopback(&url) {
        return Err(bad("would carry a secret in clear text to another machine; use https://"));
    }
    Ok(url)
}

/// Whether the host is this machine, by its name or its address.
pub(super) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || address.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_that_is_no_receivers_is_refused_with_what_is_wrong_and_without_itself() {
        for (text, has_secret, why) in [
            ("s3cret", false, "relative URL without a base"),
            ("ftp://s3cret.example/", false, "must begin with http:// or https://"),
            ("https://gov:s3cret@sink.example/", false, "must not hold a user name or password"),
            ("https://sink.example/#s3cret", false, "must end before the `#`"),
            ("http://sink.example/s3cret", true, "would carry a secret in clear text"),
        ] {
            let error = parse(text, has_secret).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
            assert!(!error.contains("s3cret"), "{error}");
        }
    }

    #[test]
    fn a_secret_goes_over_tls_or_stays_on_this_machine() {
        for text in ["https://sink.example/a?b", "http://localhost:1/", "http://[::1]:2/v1/logs"] {
            assert_eq!(parse(text, true).unwrap().as_str(), text);
        }
        assert!(parse("http://sink.example/", false).is_ok());
    }
}
