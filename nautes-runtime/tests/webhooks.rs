//! Admission webhooks: a service over HTTPS judges and changes what is written.
//!
//! Every test runs on the local cluster, and on the real API server that the environment names (see
//! `docs/guide/real-cluster.md`); both must do the same.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

#[path = "webhooks/hook.rs"]
mod hook;
#[path = "webhooks/judging.rs"]
mod judging;
#[path = "support/real.rs"]
mod real;
#[path = "webhooks/rounds.rs"]
mod rounds;
#[path = "webhooks/subject.rs"]
mod subject;
#[path = "webhooks/subresources.rs"]
mod subresources;
