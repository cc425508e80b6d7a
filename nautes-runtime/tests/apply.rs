//! Apply, deploy and access to clusters, on the local cluster.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::needless_pass_by_value,
    reason = "helpers of tests fail like tests"
)]

#[path = "support/cluster.rs"]
mod cluster;
#[path = "support/real.rs"]
mod real;
#[path = "support/apply_world.rs"]
mod world;

#[path = "apply/access.rs"]
mod access;
#[path = "apply/converge.rs"]
mod converge;
#[path = "apply/crash.rs"]
mod crash;
#[path = "apply/deploy.rs"]
mod deploy;
#[path = "apply/ops.rs"]
mod ops;
#[path = "apply/others.rs"]
mod others;
#[path = "apply/prune.rs"]
mod prune;
#[path = "apply/secrets.rs"]
mod secrets;
