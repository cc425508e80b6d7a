//! The tests of the crate that look at it from outside, as one program.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "tests read their cases, and fail by panicking"
)]

mod access;
mod cases;
mod change;
mod definitions;
mod examples;
mod fixes;
mod graph;
mod hardening;
mod judge;
mod limits;
mod organisation;
mod permissions;
mod picture;
mod properties;
mod pure;
mod reference;
mod sets;
mod support;
mod view;
