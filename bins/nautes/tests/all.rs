//! Tests of the command line, and of the whole platform on one machine.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(
    clippy::zombie_processes,
    reason = "a guard kills and waits, whatever becomes of the test"
)]

#[cfg(feature = "local")]
#[path = "all/admission.rs"]
mod admission;
#[path = "all/bad_input.rs"]
mod bad_input;
#[cfg(feature = "local")]
#[path = "all/contexts.rs"]
mod contexts;
#[path = "all/convert.rs"]
mod convert;
#[cfg(feature = "local")]
#[path = "all/doctor.rs"]
mod doctor;
#[path = "all/import.rs"]
mod import;
#[path = "all/inputs.rs"]
mod inputs;
#[path = "all/kit.rs"]
mod kit;
#[cfg(feature = "local")]
#[path = "all/live.rs"]
mod live;
#[cfg(feature = "local")]
#[path = "all/logs.rs"]
mod logs;
#[path = "all/mending.rs"]
mod mending;
#[path = "all/pages.rs"]
mod pages;
#[path = "all/parity.rs"]
mod parity;
#[path = "all/plain.rs"]
mod plain;
#[cfg(feature = "local")]
#[path = "all/restart.rs"]
mod restart;
#[cfg(feature = "local")]
#[path = "all/rotate.rs"]
mod rotate;
#[path = "all/secrets.rs"]
mod secrets;
#[cfg(feature = "local")]
#[path = "all/story.rs"]
mod story;
#[cfg(all(unix, feature = "local"))]
#[path = "all/terminal.rs"]
mod terminal;
#[path = "all/validate.rs"]
mod validate;
#[cfg(feature = "local")]
#[path = "all/vault.rs"]
mod vault;
#[cfg(feature = "local")]
#[path = "all/waiting.rs"]
mod waiting;
#[cfg(feature = "local")]
#[path = "all/writers.rs"]
mod writers;
