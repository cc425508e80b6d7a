//! Tests of the secret store through its public doors.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    clippy::disallowed_methods,
    reason = "helpers of tests are tests, too"
)]

mod canary;
mod faulty;
mod kill;
mod local;
mod migrate;
mod properties;
mod proxied;
mod tamper;
mod vault;

use std::collections::BTreeMap;

use nautes_model::Secret;
use nautes_model::secret::SecretPath;
use nautes_vault::MasterKey;

fn path(text: &str) -> SecretPath {
    SecretPath::new(text).unwrap()
}

fn one(value: &str) -> BTreeMap<String, Secret> {
    BTreeMap::from([("key".to_owned(), Secret::from(value))])
}

/// The same key each time, so that a file can be opened again.
fn master() -> MasterKey {
    MasterKey::from_text(&"BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=".into()).unwrap()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}
