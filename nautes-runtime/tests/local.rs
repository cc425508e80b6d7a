//! The local cluster through the eyes of its clients.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "tests")]

#[path = "local/anything.rs"]
mod anything;
#[path = "local/apply.rs"]
mod apply;
#[path = "local/crud.rs"]
mod crud;
#[path = "local/durability.rs"]
mod durability;
#[path = "local/examples.rs"]
mod examples;
#[path = "local/faults.rs"]
mod faults;
#[path = "local/front.rs"]
mod front;
#[path = "local/kubectl.rs"]
mod kubectl;
#[path = "local/lifecycle.rs"]
mod lifecycle;
#[path = "local/logs.rs"]
mod logs;
#[path = "local/openapi.rs"]
mod openapi;
#[path = "local/page.rs"]
mod page;
#[path = "local/resources.rs"]
mod resources;
#[path = "local/security.rs"]
mod security;
#[path = "local/support.rs"]
mod support;
#[path = "local/watching.rs"]
mod watching;
