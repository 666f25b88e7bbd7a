//! Accepts connections, bounded, and ends them in order.

use std::{convert::Infallible, io, pin::pin, sync::Arc, time::Duration};

use axum::body::Body;
use gov_core::Clock;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{debug, warn};

use super::Door;

/// How many headers a request may have.
const MAX_HEADERS: usize = 64;

/// How large the head of a request may be, in bytes.
const MAX_HEAD_BYTES: usize = 32 * 1024;

/// How long to wait after an accept failed: file descriptors come back as connections end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The bounds of the listener.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The most connections at a time; more wait in the operating system's queue.
    pub max_connections: usize,
    /// How long a client may take to send the head of a request.
    pub header_timeout: Duration,
    /// How long requests in flight may take once a shutdown began.
    pub drain_timeout: Duration,
}

/// Serves until `shutdown`, then answers what is in flight; `false` if some of it had to be cut
/// off at the bound.
pub async fn run(
    listener: TcpListener,
    door: Arc<Door>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    shutdown: CancellationToken,
) -> bool {
    let (connections, cut_off) = (TaskTracker::new(), CancellationToken::new());
    let permits = Arc::new(Semaphore::new(limits.max_connections));
    loop {
        let permit = tokio::select! {
            () = shutdown.cancelled() => break,
            // Nobody closes the semaphore; were it closed, there is nothing to accept.
            permit = Arc::clone(&permits).acquire_owned() => match permit {
                Ok(permit) => permit,
                Err(_) => break,
            },
        };
        let stream = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    warn!(%error, "cannot accept a connection");
                    clock.sleep_until(clock.now() + ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        let (door, shutdown) = (Arc::clone(&door), shutdown.clone());
        let cut_off = cut_off.clone();
        connections.spawn(async move {
            tokio::select! {
                served = serve(stream, door, limits, shutdown) => {
                    if let Err(error) = served {
                        debug!(%error, "connection ended");
                    }
                }
                () = cut_off.cancelled() => (),
            }
            drop(permit);
        });
    }
    drop(listener);
    connections.close();
    let drained = tokio::time::timeout(limits.drain_timeout, connections.wait()).await.is_ok();
    if !drained {
        warn!(open = connections.len(), "requests cut off at `server.drain_timeout`");
        cut_off.cancel();
        connections.wait().await;
    }
    drained
}

async fn serve(
    stream: TcpStream,
    door: Arc<Door>,
    limits: Limits,
    shutdown: CancellationToken,
) -> io::Result<()> {
    // A small answer must not wait for the acknowledgement of the one before.
    stream.set_nodelay(true)?;
    let service = service_fn(move |request: hyper::Request<Incoming>| {
        let door = Arc::clone(&door);
        async move { Ok::<_, Infallible>(door.answer(request.map(Body::new)).await) }
    });
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.header_timeout)
            .max_headers(MAX_HEADERS)
            .max_buf_size(MAX_HEAD_BYTES)
            .serve_connection(TokioIo::new(stream), service)
    );
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    ended.map_err(io::Error::other)
}
