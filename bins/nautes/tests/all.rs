//! Tests of the command line, and of the whole platform on one machine.

#[path = "all/bad_input.rs"]
mod bad_input;
#[path = "all/kit.rs"]
mod kit;
#[path = "all/plain.rs"]
mod plain;
#[cfg(feature = "local")]
#[path = "all/restart.rs"]
mod restart;
#[cfg(feature = "local")]
#[path = "all/story.rs"]
mod story;
#[cfg(feature = "local")]
#[path = "all/writers.rs"]
mod writers;
