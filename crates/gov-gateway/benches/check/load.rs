//! Clients that ask one question after the other, each on a connection of its own.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    sync::Barrier,
    time::{Duration, Instant},
};

/// What to send, how often, and what must come back.
pub(crate) struct Plan {
    /// The JSON body.
    pub(crate) body: String,
    /// A decision that each answer must hold; `ok` for any answer with status 200.
    pub(crate) expected: &'static str,
    /// Connections at once, each with one request in flight.
    pub(crate) connections: usize,
    /// Measured requests over all connections.
    pub(crate) requests: usize,
}

/// What was measured.
pub(crate) struct Figures {
    /// Processor time of the server, a request.
    pub(crate) cpu: Duration,
    /// Half of the answers came within this.
    pub(crate) p50: Duration,
    /// 99 of 100 answers came within this.
    pub(crate) p99: Duration,
    /// Answers a second.
    pub(crate) rate: f64,
}

impl Plan {
    /// Requests a connection sends before anything is measured.
    pub(crate) const WARM_UP: usize = 20;

    /// Runs the plan against `address`; `cpu` reads the server's processor time so far.
    pub(crate) fn run(
        &self,
        address: SocketAddr,
        token: &str,
        cpu: impl Fn() -> Duration,
    ) -> Figures {
        let request = self.request(address, token);
        let (warm, go) = (Barrier::new(self.connections + 1), Barrier::new(self.connections + 1));
        let each = self.requests / self.connections;
        let (mut spans, wall, spent) = std::thread::scope(|scope| {
            let clients: Vec<_> = (0..self.connections)
                .map(|_| {
                    scope.spawn(|| {
                        let mut client = Client::connect(address);
                        for _ in 0..Self::WARM_UP {
                            client.ask(&request, self.expected);
                        }
                        warm.wait();
                        go.wait();
                        (0..each).map(|_| client.ask(&request, self.expected)).collect::<Vec<_>>()
                    })
                })
                .collect();
            warm.wait();
            let (before, start) = (cpu(), now());
            go.wait();
            let spans: Vec<Duration> =
                clients.into_iter().flat_map(|client| client.join().unwrap()).collect();
            (spans, start.elapsed(), cpu().saturating_sub(before))
        });
        spans.sort();
        let count = spans.len();
        Figures {
            cpu: spent / u32::try_from(count).unwrap(),
            p50: spans[count / 2],
            p99: spans[(count * 99 / 100).min(count - 1)],
            rate: count as f64 / wall.as_secs_f64(),
        }
    }

    fn request(&self, address: SocketAddr, token: &str) -> Vec<u8> {
        request("POST /v1/actions/check", address, token, &self.body)
    }
}

/// A whole request to a route, given as method and path.
pub(crate) fn request(route: &str, address: SocketAddr, token: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "{route} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
         authorization: Bearer {token}\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// One connection.
pub(crate) struct Client(BufReader<TcpStream>);

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(BufReader::new(stream))
    }

    /// Sends a whole request, and gives the answer with the time it took.
    pub(crate) fn send(&mut self, request: &[u8]) -> (Duration, String) {
        let start = now();
        self.0.get_mut().write_all(request).unwrap();
        let (status, body) = self.answer();
        let span = start.elapsed();
        let text = String::from_utf8(body).unwrap();
        assert_eq!(status, 200, "{text}");
        (span, text)
    }

    fn ask(&mut self, request: &[u8], expected: &str) -> Duration {
        let (span, text) = self.send(request);
        let decision = format!("\"decision\":\"{expected}\"");
        assert!(expected == "ok" || text.contains(&decision), "wanted {expected}: {text}");
        span
    }

    fn answer(&mut self) -> (u16, Vec<u8>) {
        let (mut line, mut status, mut length) = (String::new(), 0, 0);
        loop {
            line.clear();
            self.0.read_line(&mut line).unwrap();
            let head = line.trim_end().to_ascii_lowercase();
            if let Some(rest) = head.strip_prefix("http/1.1 ") {
                status = rest[..3].parse().unwrap();
            } else if let Some(value) = head.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            } else if head.is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).unwrap();
        (status, body)
    }
}

#[expect(clippy::disallowed_methods, reason = "spans are what a bench measures")]
fn now() -> Instant {
    Instant::now()
}
