//! What the gateway counts, and how `/metrics` is printed.

use std::{fmt, sync::OnceLock};

use axum::http::StatusCode;
use metrics::Counter;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

mod help;

pub use self::help::{HELP, Kind, SHIPPING_HELP};

/// The routes as they are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// `POST /v1/actions/check`.
    Check,
    /// `/v1/tokens` and below.
    Tokens,
    /// `/v1/policies` and below.
    Policies,
    /// `/v1/approvals` and below, `/v1/grants`, and `/v1/slack/actions`.
    Approvals,
    /// `/v1/notify` and below.
    Notify,
    /// `/v1/audit` and below.
    Audit,
    /// `/log` and below.
    Log,
    /// `/v1/people`, `/v1/agents` and `/v1/whoami`.
    People,
    /// `/healthz`, `/readyz` and `/metrics`.
    Watch,
    /// `/` and everything that people see in a browser.
    Page,
    /// Anything else.
    Other,
}

impl Route {
    const ALL: [(Self, &'static str); 11] = [
        (Self::Check, "check"),
        (Self::Tokens, "tokens"),
        (Self::Policies, "policies"),
        (Self::Approvals, "approvals"),
        (Self::Notify, "notify"),
        (Self::Audit, "audit"),
        (Self::Log, "log"),
        (Self::People, "people"),
        (Self::Watch, "watch"),
        (Self::Page, "page"),
        (Self::Other, "other"),
    ];

    /// The route of a path.
    #[must_use]
    pub fn of(path: &str) -> Self {
        match path {
            "/v1/actions/check" => Self::Check,
            "/v1/slack/actions" => Self::Approvals,
            "/healthz" | "/readyz" | "/metrics" => Self::Watch,
            "/" | "/live" | "/login" | "/logout" => Self::Page,
            _ if path.starts_with("/v1/audit/") => Self::Audit,
            _ if path.starts_with("/v1/notify/") => Self::Notify,
            "/log" => Self::Log,
            _ if path.starts_with("/log/") => Self::Log,
            _ if path == "/v1/tokens" || path.starts_with("/v1/tokens/") => Self::Tokens,
            "/v1/halt" | "/v1/resume" => Self::Policies,
            _ if path == "/v1/policies" || path.starts_with("/v1/policies/") => Self::Policies,
            "/v1/grants" => Self::Approvals,
            _ if path == "/v1/approvals" || path.starts_with("/v1/approvals/") => Self::Approvals,
            "/v1/whoami" | "/v1/people" | "/v1/agents" => Self::People,
            _ if path.starts_with("/v1/people/") || path.starts_with("/v1/agents/") => Self::People,
            _ if path.starts_with("/assets/") || path.starts_with("/approvals/") => Self::Page,
            _ => Self::Other,
        }
    }
}

/// From a tenth of a millisecond to ten seconds.
const SECONDS: [f64; 11] = [1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 0.1, 1.0, 10.0];
/// How many share a commit: at most 256.
const JOBS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

const CLASSES: [&str; 4] = ["2xx", "4xx", "5xx", "other"];
const DECISIONS: [&str; 4] = ["allow", "warn", "refuse", "require_approval"];

/// The gateway's own counters, looked up once.
pub struct Meters {
    requests: Vec<(Route, [Counter; CLASSES.len()])>,
    decisions: [Counter; DECISIONS.len()],
    unrecorded: Counter,
    registered: Counter,
    handle: PrometheusHandle,
}

/// The recorder is one for the process, and could not be installed.
#[derive(Debug, thiserror::Error)]
#[error("another recorder of metrics is installed in this process")]
pub struct RecorderTaken;

impl Meters {
    /// Installs the process's recorder, or finds the one that was, and registers the counters.
    ///
    /// # Errors
    ///
    /// [`RecorderTaken`] in a process whose recorder is not ours.
    pub fn install() -> Result<Self, RecorderTaken> {
        let handle = recorder()?;
        help::describe();
        let requests = Route::ALL.map(|(route, name)| {
            let counters = CLASSES.map(|class| {
                metrics::counter!("gov_http_requests_total", "route" => name, "status" => class)
            });
            (route, counters)
        });
        Ok(Self {
            requests: requests.into(),
            decisions: DECISIONS
                .map(|name| metrics::counter!("gov_policy_decisions_total", "decision" => name)),
            unrecorded: metrics::counter!("gov_policy_unrecorded_total"),
            registered: metrics::counter!("gov_http_agents_registered_total"),
            handle,
        })
    }

    pub(crate) fn count_request(&self, route: Route, status: StatusCode) {
        let class = match status.as_u16() {
            200..300 => 0,
            400..500 => 1,
            500..600 => 2,
            _ => 3,
        };
        let counters = self.requests.iter().find(|(it, _)| *it == route);
        if let Some(counter) = counters.and_then(|(_, it)| it.get(class)) {
            counter.increment(1);
        }
    }

    pub(crate) fn count_decision(&self, decision: &str) {
        let index = DECISIONS.iter().position(|it| *it == decision);
        if let Some(counter) = index.and_then(|it| self.decisions.get(it)) {
            counter.increment(1);
        }
    }

    pub(crate) fn count_unrecorded(&self) {
        self.unrecorded.increment(1);
    }

    pub(crate) fn count_registered(&self) {
        self.registered.increment(1);
    }

    /// Folds samples into their buckets: called now and then, so that nobody who asks is no leak.
    pub(crate) fn upkeep(&self) {
        self.handle.run_upkeep();
    }

    /// Everything that was counted in this process, as Prometheus text.
    #[must_use]
    pub fn render(&self) -> String {
        self.handle.render()
    }
}

impl fmt::Debug for Meters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Meters").finish_non_exhaustive()
    }
}

fn recorder() -> Result<PrometheusHandle, RecorderTaken> {
    static HANDLE: OnceLock<Option<PrometheusHandle>> = OnceLock::new();
    HANDLE
        .get_or_init(|| {
            // Without buckets every sample would be kept until somebody asks.
            let recorder = PrometheusBuilder::new()
                .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
                .and_then(|it| {
                    it.set_buckets_for_metric(Matcher::Suffix("_jobs".to_owned()), &JOBS)
                })
                .ok()?
                .build_recorder();
            let handle = recorder.handle();
            metrics::set_global_recorder(recorder).ok().map(|()| handle)
        })
        .clone()
        .ok_or(RecorderTaken)
}
