//! What is outside fails while the API works: forge, secret store, disk, client, and the process itself.
//!
//! After each fault: the status and the hint tell what to do, nothing is half done, and the same request again completes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stderr,
    reason = "helpers of tests stand outside of test functions"
)]

#[allow(dead_code, reason = "shared with the other tests of the API")]
#[path = "api/described.rs"]
mod described;
#[allow(dead_code, reason = "shared with the other tests of the API")]
#[path = "api/support.rs"]
mod support;
#[allow(dead_code, reason = "shared with the other tests of the API")]
#[path = "api/support_clusters.rs"]
mod support_clusters;

#[path = "faults/client.rs"]
mod client;
#[path = "faults/disk.rs"]
mod disk;
#[path = "faults/forge.rs"]
mod forge;
#[path = "faults/killed.rs"]
mod killed;
#[path = "faults/process.rs"]
mod process;
#[path = "faults/stage.rs"]
mod stage;
#[path = "faults/store.rs"]
mod store;
#[allow(dead_code, reason = "shared with the other tests of the API")]
#[path = "api/weather.rs"]
mod weather;
