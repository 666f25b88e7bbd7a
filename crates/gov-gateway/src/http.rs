//! The HTTP doors: one file a route, and one way in for all of them.
//!
//! [`Door::answer`] is what every request passes: host and origin, the time limit, the route, the
//! security headers, the count. A route only reads and writes; what it asks lives elsewhere.

use std::{sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, Request, header},
    response::{IntoResponse as _, Response},
    routing::{get, post, put},
};
use gov_core::{Clock, Health};
use gov_deferred_audit::DeadLetters;
use gov_retention::event_store::AuditEventStore;
use tower::ServiceExt as _;

mod agents;
pub mod approvals;
mod audit_events;
mod auth;
mod body;
mod buffer;
mod check;
mod dead_letters;
mod guard;
mod halt;
mod healthz;
pub mod listener;
mod log;
mod metrics;
mod notify;
mod page;
mod paging;
mod people;
mod policies;
pub mod problem;
mod readyz;
mod slack;
mod stand_ins;
mod tokens;
mod whoami;

pub use self::{
    buffer::ServedBuffer, guard::Guard, log::ServedLog, problem::Problem, slack::SlackDoor,
};
use crate::{
    approvals::Desk,
    check::Gate,
    identity::Directory,
    meters::{Meters, Route},
    notifications::Notifications,
    page::Page,
    policies::Policies,
    registry::Registry,
};

/// What the routes work with.
#[derive(Clone, Debug)]
pub struct Parts {
    /// Judges actions.
    pub gate: Arc<Gate>,
    /// Knows tokens and agents.
    pub directory: Arc<Directory>,
    /// Changes them.
    pub registry: Registry,
    /// Knows the policies, and changes which one is active.
    pub policies: Policies,
    /// What the signed log did not take.
    pub dead_letters: DeadLetters,
    /// The signed log, for outsiders.
    pub log: ServedLog,
    /// What waits for a sink; `None` where there is none.
    pub buffer: Option<ServedBuffer>,
    /// Where audit events are found.
    pub event_store: Arc<dyn AuditEventStore>,
    /// Where agents' requests meet people's answers.
    pub desk: Desk,
    /// Who is told, and whether it arrives.
    pub notifications: Notifications,
    /// What a click in Slack needs; `None` where none is taken.
    pub slack: Option<SlackDoor>,
    /// How long `?wait=` waits at most: within `server.request_timeout`.
    pub longest_wait: Duration,
    /// What `/readyz` asks.
    pub health: Arc<[Arc<dyn Health>]>,
    /// What `/metrics` prints.
    pub meters: Arc<Meters>,
    /// What the page at `/` needs beside all this.
    pub page: Arc<Page>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Whether `/metrics` needs no token.
    pub metrics_public: bool,
}

/// The way in.
#[derive(Debug)]
pub struct Door {
    router: Router,
    guard: Guard,
    meters: Arc<Meters>,
    request_timeout: Duration,
}

impl Door {
    /// All routes behind one guard.
    #[must_use]
    pub fn new(parts: Parts, guard: Guard, request_timeout: Duration) -> Self {
        let meters = Arc::clone(&parts.meters);
        Self { router: router(Arc::new(parts)), guard, meters, request_timeout }
    }

    /// Answers one request, always.
    pub async fn answer(&self, request: Request<Body>) -> Response {
        let route = Route::of(request.uri().path());
        let response = match self.guard.admit(request.headers()) {
            Ok(()) => self.route(route, request).await,
            Err(problem) => problem.into_response(),
        };
        self.meters.count_request(route, response.status());
        secured(response)
    }

    async fn route(&self, route: Route, request: Request<Body>) -> Response {
        let answer = self.router.clone().oneshot(request);
        match tokio::time::timeout(self.request_timeout, answer).await {
            Ok(Ok(response)) => response,
            Ok(Err(never)) => match never {},
            Err(_) => {
                let problem = Problem::timeout(self.request_timeout);
                let problem = if route == Route::Check { problem.refusing() } else { problem };
                problem.into_response()
            }
        }
    }
}

fn router(parts: Arc<Parts>) -> Router {
    Router::new()
        .route("/v1/actions/check", post(check::check))
        .route("/v1/tokens", get(tokens::list).post(tokens::create))
        .route("/v1/tokens/{id}/revoke", post(tokens::revoke))
        .route("/v1/people", get(people::list).post(people::add))
        .route("/v1/people/{id}", post(people::change))
        .route("/v1/people/{id}/slack", put(people::tie_slack))
        .route("/v1/people/{id}/stand-ins", post(stand_ins::name).delete(stand_ins::end))
        .route("/v1/halt", get(halt::show).post(halt::halt))
        .route("/v1/resume", post(halt::resume))
        .route("/v1/agents", get(agents::list))
        .route("/v1/agents/{id}/owners", put(agents::own))
        .route("/v1/policies", get(policies::list).post(policies::activate))
        .route("/v1/policies/active", get(policies::active))
        .route("/v1/policies/rollback", post(policies::roll_back))
        .route("/v1/approvals", get(approvals::list))
        .route("/v1/approvals/decisions", post(approvals::decide_all))
        .route("/v1/approvals/set-aside", get(approvals::set_aside::list))
        .route("/v1/approvals/{id}", get(approvals::get))
        .route("/v1/approvals/{id}/cancel", post(approvals::cancel))
        .route("/v1/approvals/{id}/decision", post(approvals::decide))
        .route("/v1/approvals/{id}/edit", post(approvals::edit))
        .route("/v1/approvals/{id}/discard", post(approvals::set_aside::discard))
        .route("/v1/grants", get(approvals::grants::list).post(approvals::grants::request))
        .route("/v1/notify/targets", get(notify::list))
        .route("/v1/notify/targets/{name}/enable", post(notify::enable))
        .route("/v1/notify/targets/{name}/test", post(notify::try_once))
        .route("/v1/slack/actions", post(slack::act))
        .route("/v1/whoami", get(whoami::whoami))
        .route("/v1/audit/events", get(audit_events::list))
        .route("/log", get(log::list))
        .route("/log/{*path}", get(log::get))
        .route("/v1/audit/dlq", get(dead_letters::list))
        .route("/v1/audit/dlq/{id}", get(dead_letters::get))
        .route("/v1/audit/dlq/{id}/replay", post(dead_letters::replay))
        .route("/v1/audit/dlq/{id}/discard", post(dead_letters::discard))
        .route("/v1/audit/buffer", get(buffer::status))
        .route("/v1/audit/buffer/events", get(buffer::peek))
        .route("/v1/audit/buffer/dead-letters", get(buffer::dead_letters))
        .route("/v1/audit/buffer/replay", post(buffer::replay))
        .route("/v1/audit/buffer/discard", post(buffer::discard))
        .merge(page::routes())
        .route("/healthz", get(healthz::healthz))
        .route("/readyz", get(readyz::readyz))
        .route("/metrics", get(metrics::metrics))
        .fallback(async || Problem::no_route())
        .method_not_allowed_fallback(async || Problem::wrong_method())
        .with_state(parts)
}

/// No answer is to be cached, framed, sniffed or run: all of it is data for one caller. The page
/// says itself what it may load.
fn secured(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
