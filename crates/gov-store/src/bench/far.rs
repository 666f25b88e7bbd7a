//! A network between us and a server: every byte takes its time, in both directions.

use std::{io, time::Duration};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::mpsc,
    time::Instant,
};

/// Hands every connection on to the server on `port` of this machine, `delay` later, and gives the
/// port for it.
///
/// # Errors
///
/// If there is no free port.
pub async fn before(port: u16, delay: Duration) -> io::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let near = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            // Whom nobody can connect with finds the connection closed.
            let _ = connect(client, port, delay).await;
        }
    });
    Ok(near)
}

async fn connect(client: TcpStream, port: u16, delay: Duration) -> io::Result<()> {
    let server = TcpStream::connect(("127.0.0.1", port)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    carry(from_client, to_server, delay);
    carry(from_server, to_client, delay);
    Ok(())
}

#[expect(clippy::disallowed_methods, reason = "a bench measures with the real clock")]
fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, delay: Duration) {
    let (sender, mut under_way) = mpsc::channel::<(Instant, Vec<u8>)>(1024);
    tokio::spawn(async move {
        let mut bytes = Vec::with_capacity(64 << 10);
        while let Ok(1..) = from.read_buf(&mut bytes).await {
            let arrives = Instant::now() + delay;
            if sender.send((arrives, std::mem::take(&mut bytes))).await.is_err() {
                return;
            }
            bytes.reserve(64 << 10);
        }
    });
    tokio::spawn(async move {
        while let Some((arrives, bytes)) = under_way.recv().await {
            tokio::time::sleep_until(arrives).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    });
}
