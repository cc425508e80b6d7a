//! What an installation stands on, looked at without changing it: facts are gathered ([`probe`]), judged without I/O
//! ([`judge`]) by one table of checks ([`check`]), and told ([`report`]).
//!
//! # Guarantees
//! * Nothing is written anywhere: not on the forge, in the secret store, in a cluster, nor in the folder of a platform.
//! * Every fact has a deadline, and one that cannot be had leaves the others as they are.
//! * No secret is in a fact, so that none can be in a finding.

pub mod check;
pub mod examine;
pub mod judge;
#[cfg(feature = "local")]
pub mod local;
pub mod probe;
pub mod report;
pub mod told;

pub use check::{Check, Outcome, Severity, Verdict};
pub use report::Report;
