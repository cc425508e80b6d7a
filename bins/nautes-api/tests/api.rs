//! The API over the local twins, called without a port.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "helpers of tests stand outside of test functions"
)]

#[path = "api/support.rs"]
mod support;

#[path = "api/again.rs"]
mod again;
#[path = "api/support_clusters.rs"]
mod support_clusters;

#[path = "api/access.rs"]
mod access;
#[path = "api/audit.rs"]
mod audit;
#[path = "api/auth.rs"]
mod auth;
#[path = "api/contract.rs"]
mod contract;
#[path = "api/describe.rs"]
mod describe;
#[path = "api/described.rs"]
mod described;
#[path = "api/expect.rs"]
mod expect;
#[path = "api/faults.rs"]
mod faults;
#[path = "api/gitlab.rs"]
mod gitlab;
#[path = "api/graph.rs"]
mod graph;
#[path = "api/groups.rs"]
mod groups;
#[path = "api/headers.rs"]
mod headers;
#[path = "api/input.rs"]
mod input;
#[path = "api/kinds.rs"]
mod kinds;
#[path = "api/matrix.rs"]
mod matrix;
#[path = "api/names.rs"]
mod names;
#[path = "api/paths.rs"]
mod paths;
#[path = "api/products.rs"]
mod products;
#[path = "api/reading.rs"]
mod reading;
#[path = "api/reference.rs"]
mod reference;
#[path = "api/runs.rs"]
mod runs;
#[path = "api/serve.rs"]
mod serve;
#[path = "api/status.rs"]
mod status;
#[path = "api/unreadable.rs"]
mod unreadable;
#[path = "api/vault.rs"]
mod vault;
#[path = "api/watch.rs"]
mod watch;
#[path = "api/watch_runs.rs"]
mod watch_runs;
#[allow(dead_code, reason = "shared with the tests of faults")]
#[path = "api/weather.rs"]
mod weather;
#[path = "api/write.rs"]
mod write;
