//! Counters of a server process in the text form that Prometheus reads.
//!
//! Labels hold tool names and outcome codes, never arguments, principals or data.

use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use crate::Identity;

/// Upper bounds of the latency buckets in seconds: from a cached answer to the call limit.
const BUCKETS: [f64; 14] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CallLabels {
    tool: String,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ToolLabels {
    tool: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct BuildLabels {
    server: &'static str,
    version: &'static str,
}

pub(crate) struct Metrics {
    registry: Registry,
    calls: Family<CallLabels, Counter>,
    seconds: Family<ToolLabels, Histogram, fn() -> Histogram>,
    running: Gauge,
    denied: Counter<u64, AtomicU64>,
}

impl Metrics {
    pub(crate) fn new(identity: &Identity) -> Self {
        let mut registry = Registry::with_prefix("haechi");
        let calls = Family::<CallLabels, Counter>::default();
        let seconds: Family<ToolLabels, Histogram, fn() -> Histogram> =
            Family::new_with_constructor(|| Histogram::new(BUCKETS));
        let running = Gauge::default();
        let denied = Counter::default();
        let build = Family::<BuildLabels, Gauge>::default();
        build.get_or_create(&BuildLabels { server: identity.name, version: identity.version }).set(1);
        registry.register("calls", "Tool calls by tool and outcome", calls.clone());
        registry.register("call_seconds", "Duration of tool calls", seconds.clone());
        registry.register("calls_running", "Tool calls that run now", running.clone());
        registry.register("requests_denied", "HTTP requests without a valid token", denied.clone());
        registry.register("build_info", "The running version", build);
        Self { registry, calls, seconds, running, denied }
    }

    /// Counts a running call until the guard is dropped.
    pub(crate) fn running(&self) -> Running<'_> {
        self.running.inc();
        Running(&self.running)
    }

    pub(crate) fn called(&self, tool: &str, outcome: &'static str, elapsed: Duration) {
        self.calls.get_or_create(&CallLabels { tool: tool.to_owned(), outcome }).inc();
        self.seconds.get_or_create(&ToolLabels { tool: tool.to_owned() }).observe(elapsed.as_secs_f64());
    }

    pub(crate) fn denied(&self) {
        self.denied.inc();
    }

    /// The metrics as text.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a string does not fail; an empty page is what a scraper reports as a fault.
        if prometheus_client::encoding::text::encode(&mut text, &self.registry).is_err() {
            text.clear();
        }
        text
    }
}

pub(crate) struct Running<'a>(&'a Gauge);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
