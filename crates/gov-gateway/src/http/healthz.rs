//! `GET /healthz`: the process is alive. No token.

/// Always `ok`: who does not answer is not alive.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}
