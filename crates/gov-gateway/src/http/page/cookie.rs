//! The session's cookie: `gov_session`.

use axum::http::{HeaderMap, HeaderValue, header};
use cookie::{Cookie, SameSite, time::Duration};

const NAME: &str = "gov_session";

/// What the browser sent, if it sent exactly one: of two, one was planted by somebody else.
pub(super) fn session(headers: &HeaderMap) -> Option<String> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok());
    let cookies = lines.flat_map(Cookie::split_parse).filter_map(Result::ok);
    let mut ours = cookies.filter(|it| it.name() == NAME);
    let first = ours.next()?;
    ours.next().is_none().then(|| first.value().to_owned())
}

/// Hands a session to the browser until it is closed.
pub(super) fn set(value: &str, secure: bool) -> Option<HeaderValue> {
    header_of(Cookie::build((NAME, value)).secure(secure).build())
}

/// Takes it back.
pub(super) fn clear() -> Option<HeaderValue> {
    header_of(Cookie::build((NAME, "")).max_age(Duration::ZERO).build())
}

/// No script reads it, no other site sends it.
fn header_of(mut cookie: Cookie<'_>) -> Option<HeaderValue> {
    cookie.set_path("/");
    cookie.set_http_only(true);
    cookie.set_same_site(SameSite::Strict);
    HeaderValue::from_str(&cookie.to_string()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(lines: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::COOKIE, HeaderValue::from_str(line).unwrap());
        }
        session(&headers)
    }

    #[test]
    fn the_cookie_is_out_of_reach_of_scripts_and_of_other_sites() {
        let plain = set("ab", false).unwrap();
        assert_eq!(plain, "gov_session=ab; HttpOnly; SameSite=Strict; Path=/");
        let secure = set("ab", true).unwrap();
        assert_eq!(secure, "gov_session=ab; HttpOnly; SameSite=Strict; Secure; Path=/");
        let cleared = "gov_session=; HttpOnly; SameSite=Strict; Path=/; Max-Age=0";
        assert_eq!(clear().unwrap(), cleared);
    }

    #[test]
    fn one_cookie_is_read_and_of_two_none() {
        assert_eq!(sent(&["a=1; gov_session=ab; b=2"]).unwrap(), "ab");
        assert_eq!(sent(&["gov_session=ab; gov_session=cd"]), None);
        assert_eq!(sent(&["gov_session=ab", "gov_session=cd"]), None);
        assert_eq!(sent(&["gov_sessions=ab"]), None);
    }
}
