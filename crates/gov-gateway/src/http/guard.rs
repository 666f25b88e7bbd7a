//! Which hosts and origins are accepted: the fence against DNS rebinding and foreign pages.

use std::net::SocketAddr;

use axum::http::{HeaderMap, header};

use super::problem::{Code, Problem};

/// The accepted names.
#[derive(Clone, Debug)]
pub struct Guard {
    // INVARIANT: lower case, without port.
    hosts: Vec<String>,
    // INVARIANT: lower case.
    origins: Vec<String>,
}

impl Guard {
    /// Accepts the loopback names, the listening address, and what the operator names.
    #[must_use]
    pub fn new(listen: SocketAddr, hosts: &[String], origins: &[String]) -> Self {
        let ip = match listen {
            SocketAddr::V4(it) => it.ip().to_string(),
            SocketAddr::V6(it) => format!("[{}]", it.ip()),
        };
        let own = ["localhost", "127.0.0.1", "[::1]", &ip].map(str::to_owned);
        let lower = |it: &String| it.to_ascii_lowercase();
        Self {
            hosts: own.into_iter().chain(hosts.iter().map(lower)).collect(),
            origins: origins.iter().map(lower).collect(),
        }
    }

    /// Lets a request in whose `Host`, and whose `Origin` if it has one, are accepted.
    ///
    /// # Errors
    ///
    /// A problem that names the header and the key of the configuration that would accept it.
    pub fn admit(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let host = one(headers, &header::HOST)?.unwrap_or_default();
        if !self.hosts.iter().any(|it| it.eq_ignore_ascii_case(without_port(host))) {
            let detail = "this host name is not served here; `server.allowed_hosts` adds one";
            return Err(Problem::new(Code::Forbidden, detail)
                .with_field("Host")
                .with_received(host));
        }
        match one(headers, &header::ORIGIN)? {
            None => Ok(()),
            Some(origin) if self.is_own(origin, host) => Ok(()),
            Some(origin) => {
                let detail = "pages of this origin may not ask; `server.allowed_origins` adds one";
                Err(Problem::new(Code::Forbidden, detail)
                    .with_field("Origin")
                    .with_received(origin))
            }
        }
    }

    fn is_own(&self, origin: &str, host: &str) -> bool {
        let same = ["http://", "https://"]
            .iter()
            .filter_map(|scheme| origin.strip_prefix(scheme))
            .any(|it| it.eq_ignore_ascii_case(host));
        same || self.origins.iter().any(|it| it.eq_ignore_ascii_case(origin))
    }
}

/// The header's only value: of two, a proxy and we might each believe another.
fn one<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let value = values.next();
    if values.next().is_some() {
        let detail = format!("the header `{name}` must come once");
        return Err(Problem::new(Code::Forbidden, detail).with_field(name.as_str()));
    }
    match value.map(|it| it.to_str()) {
        None => Ok(None),
        Some(Ok(text)) => Ok(Some(text)),
        Some(Err(_)) => {
            let detail = format!("the header `{name}` must be visible ASCII");
            Err(Problem::new(Code::Forbidden, detail).with_field(name.as_str()))
        }
    }
}

/// `[::1]:7180` → `[::1]`, `localhost:7180` → `localhost`.
fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port))
            if port.bytes().all(|it| it.is_ascii_digit())
                && (!name.contains(':') || name.ends_with(']')) =>
        {
            name
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn admits(guard: &Guard, headers: &[(header::HeaderName, &str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        guard.admit(&map).is_ok()
    }

    #[test]
    fn only_known_hosts_are_let_in() {
        let listen = "192.0.2.7:7180".parse().unwrap();
        let guard = Guard::new(listen, &["Gov.Example".to_owned()], &[]);
        for host in [
            "localhost",
            "LOCALHOST:7180",
            "127.0.0.1:1",
            "[::1]",
            "[::1]:7180",
            "192.0.2.7:7180",
            "gov.example:443",
        ] {
            assert!(admits(&guard, &[(header::HOST, host)]), "{host}");
        }
        for host in
            ["evil.example", "", "localhost.evil.example", "localhost:x", "::1", "127.0.0.2"]
        {
            assert!(!admits(&guard, &[(header::HOST, host)]), "{host}");
        }
        assert!(!admits(&guard, &[]), "no host at all");
        assert!(!admits(&guard, &[(header::HOST, "localhost"), (header::HOST, "evil.example")]));
    }

    #[test]
    fn a_page_may_ask_only_from_its_own_or_a_named_origin() {
        let listen = "127.0.0.1:7180".parse().unwrap();
        let guard = Guard::new(listen, &[], &["https://Board.Example".to_owned()]);
        let with = |origin: &str| {
            admits(&guard, &[(header::HOST, "localhost:7180"), (header::ORIGIN, origin)])
        };
        for origin in ["http://localhost:7180", "https://board.example"] {
            assert!(with(origin), "{origin}");
        }
        for origin in
            ["https://evil.example", "null", "http://localhost:8080", "", "localhost:7180"]
        {
            assert!(!with(origin), "{origin}");
        }
    }
}
