//! Hosts, in their one spelling (WHATWG URL §3.5, in short).

use std::net::{Ipv4Addr, Ipv6Addr};

/// The text names no host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no host name or address that can be understood")]
pub struct HostError;

/// A host and the port named with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// A name in lower-case ASCII (IDNA), an IPv4 address in decimal, or an IPv6 address.
    pub host: String,
    /// The port, if one is named.
    pub port: Option<u16>,
}

/// The one spelling of `host` without port: `EXAMPLE.com.`, `0x7f.1`, `[::1]`, `bücher.de`.
///
/// # Errors
///
/// [`HostError`] for what no resolver would take.
pub fn normalise(host: &str) -> Result<String, HostError> {
    let host = host.strip_prefix('[').and_then(|it| it.strip_suffix(']')).unwrap_or(host);
    let zoneless = host.split_once('%').map_or(host, |(address, _)| address);
    if let Ok(address) = zoneless.parse::<Ipv6Addr>() {
        let mapped = address.to_ipv4_mapped();
        return Ok(mapped.map_or_else(|| address.to_string(), |it| it.to_string()));
    }
    let decoded = percent_decoded(host)?;
    let ascii = idna::domain_to_ascii(&decoded).map_err(|_| HostError)?;
    let name = ascii.strip_suffix('.').unwrap_or(&ascii);
    let legal = |it: char| it.is_ascii_alphanumeric() || matches!(it, '-' | '_' | '.');
    let empty_label = name.split('.').any(str::is_empty);
    if name.len() > 253 || !name.chars().all(legal) || empty_label {
        return Err(HostError);
    }
    match name.rsplit('.').next().and_then(number) {
        Some(_) => ipv4(name).map(|it| it.to_string()).ok_or(HostError),
        None => Ok(name.to_ascii_lowercase()),
    }
}

/// The host and port of `host`, `host:port`, `user@host:port` or a URL.
///
/// # Errors
///
/// [`HostError`] where no host is found or the port is no port.
pub fn split(text: &str) -> Result<HostPort, HostError> {
    // Browsers and curl drop these, so they must not hide a host.
    let text: String = text.trim().chars().filter(|it| !matches!(it, '\t' | '\n' | '\r')).collect();
    let rest = match scheme_end(&text) {
        Some(end) => text.get(end..).unwrap_or_default().trim_start_matches(['/', '\\']),
        None => text.trim_start_matches(['/', '\\']),
    };
    let authority = rest.split(['/', '\\', '?', '#']).next().unwrap_or_default();
    let address = authority.rsplit('@').next().unwrap_or_default();
    if address.parse::<Ipv6Addr>().is_ok() {
        return Ok(HostPort { host: normalise(address)?, port: None });
    }
    let (host, port) =
        match address.rfind(':').filter(|at| !address.get(*at..).unwrap_or_default().contains(']'))
        {
            Some(at) => (address.get(..at).unwrap_or_default(), address.get(at + 1..)),
            None => (address, None),
        };
    let port = match port {
        None | Some("") => None,
        Some(port) => Some(port.parse().map_err(|_| HostError)?),
    };
    Ok(HostPort { host: normalise(host)?, port })
}

/// Where the scheme of a URL ends, `//` included or not; `None` if there is no scheme.
fn scheme_end(text: &str) -> Option<usize> {
    let at = text.find(':')?;
    let scheme = text.get(..at)?;
    let legal = |it: char| it.is_ascii_alphanumeric() || matches!(it, '+' | '-' | '.');
    let rest = text.get(at + 1..)?;
    let special = ["http", "https", "ws", "wss", "ftp"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known));
    let begins =
        scheme.starts_with(|it: char| it.is_ascii_alphabetic()) && scheme.chars().all(legal);
    // `https:evil.com` is a URL to browsers, `https:443` a host and its port to nobody else.
    (begins && (rest.starts_with("//") || special)).then_some(at + 1)
}

fn percent_decoded(text: &str) -> Result<String, HostError> {
    if !text.contains('%') {
        return Ok(text.to_owned());
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        rest = match (first, tail) {
            (b'%', [high, low, after @ ..]) => {
                let pair = [*high, *low];
                let hex = std::str::from_utf8(&pair).map_err(|_| HostError)?;
                bytes.push(u8::from_str_radix(hex, 16).map_err(|_| HostError)?);
                after
            }
            (b'%', _) => return Err(HostError),
            _ => {
                bytes.push(*first);
                tail
            }
        };
    }
    String::from_utf8(bytes).map_err(|_| HostError)
}

/// An IPv4 address of one to four parts, each decimal, octal (`0…`) or hexadecimal (`0x…`).
fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u64> = text.split('.').map(number).collect::<Option<_>>()?;
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|part| *part > 255) {
        return None;
    }
    let room = 4 - u32::try_from(leading.len()).ok()?;
    if *last >= 256_u64.pow(room) {
        return None;
    }
    let high = leading.iter().fold(0_u64, |sum, part| sum * 256 + part);
    let address = high * 256_u64.pow(room) + last;
    u32::try_from(address).ok().map(Ipv4Addr::from)
}

fn number(text: &str) -> Option<u64> {
    let lower = text.to_ascii_lowercase();
    match (lower.strip_prefix("0x"), lower.strip_prefix('0')) {
        (Some(""), _) | (None, Some("")) => Some(0),
        (Some(hex), _) => u64::from_str_radix(hex, 16).ok(),
        (None, Some(octal)) => u64::from_str_radix(octal, 8).ok(),
        (None, None) => lower.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_one_spelling() {
        for (text, host) in [
            ("EXAMPLE.com.", "example.com"),
            ("bücher.de", "xn--bcher-kva.de"),
            ("ｅxample。com", "example.com"),
            ("127.1", "127.0.0.1"),
            ("2130706433", "127.0.0.1"),
            ("0x7f.0.0.1", "127.0.0.1"),
            ("0177.0.0.1", "127.0.0.1"),
            ("0x7f000001", "127.0.0.1"),
            ("[::1]", "::1"),
            ("0:0:0:0:0:0:0:1", "::1"),
            ("[::ffff:127.0.0.1]", "127.0.0.1"),
            ("%6c%6fcalhost", "localhost"),
        ] {
            assert_eq!(normalise(text).as_deref(), Ok(host), "{text}");
            assert_eq!(normalise(host).as_deref(), Ok(host), "{host} again");
        }
        for text in
            ["", ".", "..", ".a", "a b", "1.2.3.4.5", "256.1.1.1", "a..b", "%zz", "999999999999"]
        {
            assert_eq!(normalise(text), Err(HostError), "{text}");
        }
    }

    #[test]
    fn a_url_is_split_at_its_real_host() {
        for (text, host, port) in [
            ("https://github.com@evil.com/x", "evil.com", None),
            ("https://evil.com\\@github.com/", "evil.com", None),
            ("http:\\\\evil.com", "evil.com", None),
            ("https:evil.com", "evil.com", None),
            ("HTTP://u:p@LOCALHOST:7180/v1", "localhost", Some(7180)),
            ("http://[::1]:7180/", "::1", Some(7180)),
            ("localhost:7180", "localhost", Some(7180)),
            ("//evil.com/x", "evil.com", None),
            ("https://ev\til.com", "evil.com", None),
            ("https://evil.com?@github.com", "evil.com", None),
        ] {
            let expected = HostPort { host: host.to_owned(), port };
            assert_eq!(split(text), Ok(expected), "{text}");
        }
        assert_eq!(split("http://a:99999/"), Err(HostError));
    }
}
