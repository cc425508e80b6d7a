//! What the API counts, in the text format of OpenMetrics.
//!
//! Labels have few values: ids of operations, classes of statuses, names of outside systems. Names of users, products and
//! paths are in none.

use std::time::Duration;

use nautes_model::Class;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Registry, Unit};

/// The media type of the text.
pub const MEDIA: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

type Labels = [(&'static str, String); 2];
type Label = [(&'static str, String); 1];

/// The counters of one server.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<Labels, Counter>,
    durations: Family<Label, Histogram, fn() -> Histogram>,
    received: Family<Label, Counter>,
    sent: Family<Label, Counter>,
    in_flight: Gauge,
    calls: Family<Labels, Counter>,
    failures: Family<Labels, Counter>,
    call_durations: Family<Label, Histogram, fn() -> Histogram>,
    commits: Counter,
    conflicts: Counter,
    repeated: Counter,
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.001, 2.0, 17))
}

impl Default for Metrics {
    fn default() -> Self {
        let mut made = Self {
            registry: Registry::with_prefix("nautes_api"),
            requests: Family::default(),
            durations: Family::new_with_constructor(seconds),
            received: Family::default(),
            sent: Family::default(),
            in_flight: Gauge::default(),
            calls: Family::default(),
            failures: Family::default(),
            call_durations: Family::new_with_constructor(seconds),
            commits: Counter::default(),
            conflicts: Counter::default(),
            repeated: Counter::default(),
        };
        let of = &mut made.registry;
        let build = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        of.register("build", "What runs here", build);
        of.register(
            "requests",
            "Requests by operation and class of status",
            made.requests.clone(),
        );
        of.register_with_unit(
            "request_duration",
            "How long requests took until their answer began, by operation",
            Unit::Seconds,
            made.durations.clone(),
        );
        of.register_with_unit(
            "request_size",
            "Announced size of bodies of requests, by operation",
            Unit::Bytes,
            made.received.clone(),
        );
        of.register_with_unit(
            "response_size",
            "Size of bodies of answers whose length is known, by operation",
            Unit::Bytes,
            made.sent.clone(),
        );
        of.register(
            "requests_in_flight",
            "Requests that are being worked on",
            made.in_flight.clone(),
        );
        of.register(
            "outside_calls",
            "Calls on systems outside, by system and call",
            made.calls.clone(),
        );
        of.register(
            "outside_failures",
            "Calls on systems outside that were not answered or failed unexpectedly, by system and call",
            made.failures.clone(),
        );
        of.register_with_unit(
            "outside_duration",
            "How long calls on systems outside took, by system",
            Unit::Seconds,
            made.call_durations.clone(),
        );
        of.register("commits", "Commits that were made", made.commits.clone());
        of.register(
            "conflicts",
            "Writes that were refused because a repository had moved",
            made.conflicts.clone(),
        );
        of.register(
            "pushes_repeated",
            "Pushes that were repeated because somebody else was faster",
            made.repeated.clone(),
        );
        made
    }
}

/// A request that is counted as being worked on until this is dropped.
#[derive(Debug)]
pub(crate) struct InFlight(Gauge);

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.dec();
    }
}

/// What is known of a request that was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered<'a> {
    pub(crate) operation: &'a str,
    pub(crate) status: u16,
    pub(crate) took: Duration,
    pub(crate) received: u64,
    pub(crate) sent: u64,
}

impl Metrics {
    pub(crate) fn begin(&self) -> InFlight {
        self.in_flight.inc();
        InFlight(self.in_flight.clone())
    }

    pub(crate) fn answered(&self, request: Answered<'_>) {
        let operation = || ("operation", request.operation.to_owned());
        let class = format!("{}xx", request.status / 100);
        self.requests
            .get_or_create(&[operation(), ("status", class)])
            .inc();
        self.durations
            .get_or_create(&[operation()])
            .observe(request.took.as_secs_f64());
        self.received
            .get_or_create(&[operation()])
            .inc_by(request.received);
        self.sent.get_or_create(&[operation()]).inc_by(request.sent);
    }

    /// Counts a call on a system outside. What it refuses for good reasons is no failure.
    pub(crate) fn called(&self, system: &str, call: &str, took: Duration, failed: Option<Class>) {
        let labels = [("system", system.to_owned()), ("call", call.to_owned())];
        self.calls.get_or_create(&labels).inc();
        if matches!(failed, Some(Class::Unreachable | Class::Bug)) {
            self.failures.get_or_create(&labels).inc();
        }
        self.call_durations
            .get_or_create(&[("system", system.to_owned())])
            .observe(took.as_secs_f64());
    }

    pub(crate) fn committed(&self, attempts: usize) {
        self.commits.inc();
        let more = u64::try_from(attempts.saturating_sub(1)).unwrap_or_default();
        self.repeated.inc_by(more);
    }

    pub(crate) fn conflicted(&self) {
        self.conflicts.inc();
    }

    /// Returns all of it as text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            tracing::error!(%error, "the metrics cannot be written");
        }
        text
    }
}
