//! The baseline: a handler that parses the same JSON and echoes it.

use std::io::Write as _;

use axum::{Json, Router, routing::post};
use serde_json::Value;

/// Serves until it is killed; says its port on standard output first.
pub(crate) fn serve() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut out = std::io::stdout();
        writeln!(out, "{}", listener.local_addr().unwrap()).unwrap();
        out.flush().unwrap();
        let echo = |Json(body): Json<Value>| async { Json(body) };
        let door = Router::new().route("/v1/actions/check", post(echo));
        axum::serve(listener, door).await.unwrap();
    });
}
