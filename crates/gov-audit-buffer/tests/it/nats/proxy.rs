//! A network between us and a server, which loses what it is told to lose.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// Hands every connection on to one server, while it lives.
pub(crate) struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    _tasks: JoinSet<()>,
}

struct Shared {
    server: u16,
    /// What the server says is swallowed.
    deaf: AtomicBool,
    /// New connections end at once.
    down: AtomicBool,
    /// Counts the cuts; each ends the connections that are open then.
    cuts: watch::Sender<u32>,
}

impl Proxy {
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (deaf, down) = (AtomicBool::new(false), AtomicBool::new(false));
        let shared = Arc::new(Shared { server, deaf, down, cuts: watch::Sender::new(0) });
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, Arc::clone(&shared)));
        Self { port, shared, _tasks: tasks }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// From now on nothing comes back, though everything goes out.
    pub(crate) fn swallow_answers(&self) {
        self.shared.deaf.store(true, Ordering::SeqCst);
    }

    /// Ends every connection, and each new one.
    pub(crate) fn go_down(&self) {
        self.shared.down.store(true, Ordering::SeqCst);
        self.cut();
    }

    /// Ends every connection that something was wrong with; new ones work.
    pub(crate) fn heal(&self) {
        self.shared.down.store(false, Ordering::SeqCst);
        self.cut();
        self.shared.deaf.store(false, Ordering::SeqCst);
    }

    fn cut(&self) {
        self.shared.cuts.send_modify(|cuts| *cuts += 1);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        if !shared.down.load(Ordering::SeqCst) {
            connections.spawn(hand_on(client, Arc::clone(&shared)));
        }
    }
}

async fn hand_on(client: TcpStream, shared: Arc<Shared>) {
    let mut cuts = shared.cuts.subscribe();
    // Who was deaf once stays so: half an answer is worse than none.
    let deaf = AtomicBool::new(false);
    let Ok(server) = TcpStream::connect(("127.0.0.1", shared.server)).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pump(from_client, to_server, || false) => (),
        () = pump(from_server, to_client, || {
            let now = shared.deaf.load(Ordering::SeqCst);
            deaf.fetch_or(now, Ordering::SeqCst) || now
        }) => (),
        _ = cuts.changed() => (),
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, is_deaf: impl Fn() -> bool) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        if !is_deaf() && to.write_all(&bytes[..read]).await.is_err() {
            return;
        }
    }
}
