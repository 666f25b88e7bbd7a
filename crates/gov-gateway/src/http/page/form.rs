//! Whether a form was sent from a page of ours.

use axum::{
    extract::{Form, rejection::FormRejection},
    http::{HeaderMap, StatusCode, header},
};

use super::Refusal;
use crate::page::session::Csrf;

/// How a form of ours reached us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carriage {
    /// Encrypted.
    Https,
    /// In the clear, and within this machine.
    Loopback,
    /// In the clear, over a network.
    Plaintext,
}

/// The fields, if the browser says that a page of this very origin sent them.
///
/// The door's guard has turned away foreign origins already, but it admits those that the
/// operator named: their scripts may ask the API, and may not fill in our forms.
///
/// # Errors
///
/// The refusal to show: 403, or what is wrong with the form.
pub(super) fn read<T>(
    headers: &HeaderMap,
    form: Result<Form<T>, FormRejection>,
) -> Result<(T, Carriage), Refusal> {
    let carriage = carriage(headers).ok_or_else(|| {
        let detail = "this form was not sent from gov's own page; open the page and try again";
        Refusal::new(StatusCode::FORBIDDEN, "Not from here", detail)
    })?;
    match form {
        Ok(Form(fields)) => Ok((fields, carriage)),
        Err(rejection) => {
            let status = rejection.status();
            let detail = match status {
                StatusCode::PAYLOAD_TOO_LARGE => "the form holds more than the page takes",
                _ => "the form is not as the page made it; open the page and try again",
            };
            Err(Refusal::new(status, "The form cannot be read", detail))
        }
    }
}

/// Proves that the form is one of this session's own pages.
///
/// # Errors
///
/// The refusal to show, 403.
pub(super) fn prove(csrf: Csrf, sent: &str) -> Result<(), Refusal> {
    if csrf.matches(sent) {
        return Ok(());
    }
    let detail = "the form belongs to another session; open the page and try again";
    Err(Refusal::new(StatusCode::FORBIDDEN, "Not from here", detail))
}

/// What a person wrote: forms send CR LF, and what is written ends in no line of its own.
pub(super) fn written(text: &str) -> String {
    text.replace("\r\n", "\n").trim().to_owned()
}

/// `None` if another page than one of ours may have sent it. A browser says who did by at least
/// one of the two headers, and each must fit.
fn carriage(headers: &HeaderMap) -> Option<Carriage> {
    let text = |name| headers.get(name).map(|it| it.to_str().unwrap_or_default());
    let host = text(header::HOST)?;
    let loopback = is_loopback(host);
    let site = text(header::HeaderName::from_static("sec-fetch-site"));
    if site.is_some_and(|it| it != "same-origin") {
        return None;
    }
    let Some(origin) = text(header::ORIGIN) else {
        // To an origin that they do not trust, browsers do not send the other header either.
        let trusted = if loopback { Carriage::Loopback } else { Carriage::Https };
        return site.map(|_| trusted);
    };
    let (scheme, authority) = origin.split_once("://")?;
    match scheme {
        _ if !authority.eq_ignore_ascii_case(host) => None,
        "https" => Some(Carriage::Https),
        "http" if loopback => Some(Carriage::Loopback),
        "http" => Some(Carriage::Plaintext),
        _ => None,
    }
}

fn is_loopback(host: &str) -> bool {
    let port = |it: &str| it.bytes().all(|it| it.is_ascii_digit());
    let name = host.rsplit_once(':').filter(|(_, it)| port(it)).map_or(host, |(name, _)| name);
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|it| name.eq_ignore_ascii_case(it))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn judged(headers: &[(&'static str, &str)]) -> Option<Carriage> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(*name, HeaderValue::from_str(value).unwrap());
        }
        carriage(&map)
    }

    #[test]
    fn a_form_of_our_own_page_is_known_by_what_the_browser_says() {
        let (host, site) = (("host", "localhost:7180"), ("sec-fetch-site", "same-origin"));
        let origin = ("origin", "http://localhost:7180");
        for headers in [&[host, site][..], &[host, origin], &[host, site, origin]] {
            assert_eq!(judged(headers), Some(Carriage::Loopback), "{headers:?}");
        }
    }

    #[test]
    fn a_form_of_any_other_page_is_not_ours() {
        let host = ("host", "localhost:7180");
        let (site, origin) =
            (("sec-fetch-site", "same-origin"), ("origin", "http://localhost:7180"));
        for headers in [
            &[host][..],
            &[host, ("sec-fetch-site", "same-site")],
            &[host, ("sec-fetch-site", "cross-site"), origin],
            &[host, ("sec-fetch-site", "none")],
            &[host, site, ("origin", "http://localhost:8080")],
            &[host, site, ("origin", "null")],
            &[host, ("origin", "https://board.example")],
            &[host, ("origin", "ftp://localhost:7180")],
            &[site, origin],
        ] {
            assert_eq!(judged(headers), None, "{headers:?}");
        }
    }

    #[test]
    fn only_this_machine_may_do_without_encryption() {
        for (host, origin, carriage) in [
            ("127.0.0.1:7180", "http://127.0.0.1:7180", Carriage::Loopback),
            ("[::1]:7180", "http://[::1]:7180", Carriage::Loopback),
            ("gov.example", "https://gov.example", Carriage::Https),
            ("localhost:7180", "https://localhost:7180", Carriage::Https),
            ("gov.example", "http://gov.example", Carriage::Plaintext),
            ("192.0.2.7:7180", "http://192.0.2.7:7180", Carriage::Plaintext),
        ] {
            assert_eq!(judged(&[("host", host), ("origin", origin)]), Some(carriage), "{origin}");
        }
    }
}
