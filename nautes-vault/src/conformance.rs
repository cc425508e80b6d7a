//! What every secret store must do, as named cases.
//!
//! [`run`] takes any store and asserts all cases. They keep to paths below `git/conformance` and to grant scopes
//! of the cluster `conformance`, which they clear before and after: nothing else in the store is read or
//! changed, so that a store in use can be checked, too.
//!
//! ```
//! use nautes_vault::{LocalStore, MasterKey, conformance};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), nautes_vault::StoreError> {
//! let store = LocalStore::in_memory(&MasterKey::generate()?)?;
//! conformance::run(&store).await;
//! # Ok(())
//! # }
//! ```

mod grants;
mod values;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use futures::future::BoxFuture;
use nautes_model::Secret;
use nautes_model::secret::SecretPath;

use crate::{Promise, SecretStore, StoreError};

/// How a case ended: what was not as it must be, without any value.
pub type Outcome = Result<(), String>;

type Body = for<'a> fn(&'a dyn SecretStore) -> BoxFuture<'a, Outcome>;

/// One rule that every store keeps.
pub struct Case {
    /// The rule.
    pub name: &'static str,
    needs: &'static [Promise],
    body: Body,
}

impl Case {
    /// Whether the store promises what the case is about.
    #[must_use]
    pub fn holds_for(&self, store: &dyn SecretStore) -> bool {
        !self.needs.iter().any(|promise| store.lacks().contains(promise))
    }

    /// Tries the rule on a store.
    ///
    /// # Errors
    /// Says what was not as it must be.
    pub async fn run(&self, store: &dyn SecretStore) -> Outcome {
        clear(store).await?;
        let outcome = (self.body)(store).await;
        clear(store).await?;
        outcome
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Case")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// Returns all cases.
#[must_use]
pub fn cases() -> Vec<Case> {
    [values::cases(), versions::cases(), grants::cases()]
        .into_iter()
        .flatten()
        .collect()
}

/// Tries every case on `store` that is about what it promises, one after the other.
///
/// # Panics
/// A case did not hold; the message names all that did not.
pub async fn run(store: &dyn SecretStore) {
    let mut broken = Vec::new();
    for case in cases().into_iter().filter(|case| case.holds_for(store)) {
        if let Err(what) = case.run(store).await {
            broken.push(format!("{}: {what}", case.name));
        }
    }
    assert!(
        broken.is_empty(),
        "the store {:?} broke {} rules:\n{}",
        store.name(),
        broken.len(),
        broken.join("\n")
    );
}

/// Makes one case; the name of the function is the rule.
macro_rules! case {
    ($name:ident $(, $needs:ident)*) => {
        $crate::conformance::Case {
            name: stringify!($name),
            needs: &[$($crate::Promise::$needs),*],
            body: |store| Box::pin($name(store)),
        }
    };
}
use case;

/// Ends the case unless something holds.
macro_rules! ensure {
    ($holds:expr, $($what:tt)+) => {
        if !$holds {
            return Err(format!($($what)+));
        }
    };
}
use ensure;

/// The folder of all cases.
const ROOT: &str = "git/conformance";

/// Returns a path for a case: that of a credential of a repository, which every store has a place for; or what is named,
/// if it has a `/`.
fn path(below: &str) -> SecretPath {
    let end = if below.contains('/') {
        ""
    } else {
        "/default/readonly"
    };
    SecretPath::new(format!("{ROOT}/{below}{end}")).expect("cases use good paths")
}

/// Returns a secret of one key.
fn one(value: &str) -> BTreeMap<String, Secret> {
    BTreeMap::from([("key".to_owned(), Secret::from(value))])
}

/// Says that something failed that should not have.
fn failed(what: &str) -> impl FnOnce(StoreError) -> String {
    move |error| format!("{what} failed: {error}")
}

/// Removes what cases leave behind.
async fn clear(store: &dyn SecretStore) -> Outcome {
    for path in store
        .list(ROOT)
        .await
        .map_err(failed("listing before clearing"))?
    {
        store.delete(&path).await.map_err(failed("clearing"))?;
    }
    for scope in store.grant_scopes().await.map_err(failed("listing scopes"))? {
        if grants::is_ours(&scope) {
            store
                .converge_grants(&scope, &BTreeSet::new())
                .await
                .map_err(failed("clearing grants"))?;
        }
    }
    Ok(())
}
