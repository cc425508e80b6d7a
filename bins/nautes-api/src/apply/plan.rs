//! What a request was shown, and on what it insists: expected revisions and the hash of a plan.
//!
//! # Guarantees
//! * A hash stands for what was asked for (secrets by their digests), for the revision of each repository that it
//!   touches, for what would become of each resource, and for the verdict. Of these, nothing may differ.
//! * What a request insists on is checked before anything is written, and again on what each repository has when the
//!   commit lands on it.

use std::collections::BTreeMap;

use nautes_gitops::{Oid, RepoRef};
use nautes_model::{Finding, Scopes, Secret};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::{Change, Mode, Options};
use crate::app::App;
use crate::error::{ApiError, internal};
use crate::wire::RepositoryResult;

/// On which revisions a change must land.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// The revision of the one repository that the request touches.
    only: Option<Oid>,
    /// Revisions by repository, `group/name`.
    by_repository: BTreeMap<String, Oid>,
}

impl Expected {
    /// Reads `commit`, or `group/name=commit` separated by commas.
    ///
    /// # Errors
    /// It is neither.
    pub fn read(text: &str) -> Result<Self, ApiError> {
        let mut made = Self::default();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some((repository, revision)) => made.insert(repository, revision)?,
                None if made.only.is_none() => made.only = Some(oid(part)?),
                None => {
                    return Err(
                        ApiError::malformed("expected_revision: two revisions without a repository")
                            .hint("write group/name=commit, separated by commas"),
                    );
                }
            }
        }
        Ok(made)
    }

    /// Adds the revision of a repository.
    ///
    /// # Errors
    /// It is not the id of a commit, or another one was expected already.
    fn insert(&mut self, repository: &str, revision: &str) -> Result<(), ApiError> {
        let revision = oid(revision)?;
        match self.by_repository.insert(repository.trim().to_owned(), revision) {
            Some(before) if before != revision => Err(ApiError::malformed(format!(
                "two revisions are expected of {repository}"
            ))),
            _ => Ok(()),
        }
    }

    /// Expects a revision of the one repository that the request touches.
    ///
    /// # Errors
    /// It is not the id of a commit, or another one was expected already.
    pub fn insert_only(&mut self, revision: &str) -> Result<(), ApiError> {
        let revision = oid(revision)?;
        match self.only.replace(revision) {
            Some(before) if before != revision => Err(ApiError::malformed(
                "two revisions are expected of one repository",
            )),
            _ => Ok(()),
        }
    }
}

fn oid(text: &str) -> Result<Oid, ApiError> {
    text.trim()
        .parse()
        .map_err(|error: nautes_gitops::oid::OidError| {
            ApiError::malformed(format!("expected revision: {error}"))
        })
}

/// Where each repository must be when a commit lands on it.
pub(crate) type Pins = BTreeMap<RepoRef, Oid>;

/// Compares what a request expects with what is there.
///
/// # Errors
/// A repository is elsewhere (412), is not known, or it is not said which one is meant.
pub(crate) fn pins(
    app: &App,
    change: &Change,
    before: &Scopes,
    expected: &Expected,
    done: &BTreeMap<RepoRef, RepositoryResult>,
) -> Result<Pins, ApiError> {
    let mut pins = Pins::new();
    let touched = change.repositories();
    if let Some(revision) = expected.only {
        let [of] = touched.iter().collect::<Vec<_>>()[..] else {
            return Err(ApiError::malformed(format!(
                "one revision is expected, and the request touches {} repositories",
                touched.len()
            ))
            .hint("write expected_revision=group/name=commit for each, separated by commas"));
        };
        pins.insert(of.clone(), revision);
    }
    for (repository, revision) in &expected.by_repository {
        let of = known(app, change, before, repository)?;
        if pins.insert(of, *revision).is_some_and(|other| other != *revision) {
            return Err(ApiError::malformed(format!(
                "two revisions are expected of {repository}"
            )));
        }
    }
    // What this very request has moved is where it is because of it.
    for (of, expected) in pins.iter().filter(|(of, _)| !done.contains_key(*of)) {
        let found = revision(before, of);
        if found.as_deref() != Some(expected.to_string().as_str()) {
            let path = name(app, change, of);
            let there = found.as_deref().unwrap_or("no revision");
            return Err(ApiError::stale(
                "STALE_REVISION",
                format!("{path} is at {there}, not at {expected}"),
            )
            .with("repository", path)
            .with("expected", expected.to_string())
            .with("found", found.unwrap_or_default())
            .hint("look at what has changed, and send the request for that revision"));
        }
    }
    Ok(pins)
}

/// Returns the repository of a name, which is the tenant's, one that the request touches, or a registered product's.
fn known(app: &App, change: &Change, before: &Scopes, repository: &str) -> Result<RepoRef, ApiError> {
    let touched = change.repositories();
    let products = before.products.keys().cloned().map(RepoRef::Product);
    std::iter::once(RepoRef::Tenant)
        .chain(products)
        .chain(touched.iter().cloned())
        .find(|of| name(app, change, of) == repository)
        .ok_or_else(|| {
            let shown: String = repository.chars().take(200).collect();
            let touched: Vec<String> = touched.iter().map(|of| name(app, change, of)).collect();
            ApiError::malformed(format!("a revision of {shown:?} is expected, which is not known"))
                .hint(format!("the request touches {}", touched.join(", ")))
        })
}

/// Returns where each repository was when it was looked at; a new one was nowhere.
pub(crate) fn seen(before: &Scopes, order: &[RepoRef]) -> Pins {
    order
        .iter()
        .filter_map(|of| Some((of.clone(), revision(before, of)?.parse().ok()?)))
        .collect()
}

/// Returns the name of a repository, `group/name`.
pub(crate) fn name(app: &App, change: &Change, of: &RepoRef) -> String {
    change
        .path_of(app, of)
        .map_or_else(|_| of.to_string(), |path| path.to_string())
}

/// Returns the revision of a repository that was read.
pub(crate) fn revision(before: &Scopes, of: &RepoRef) -> Option<String> {
    let found = match of {
        RepoRef::Tenant => before.tenant.revision.as_ref(),
        RepoRef::Product(product) => before.products.get(product)?.revision.as_ref(),
    };
    found.map(ToString::to_string)
}

/// Returns the hash of a plan, in hexadecimal.
///
/// # Errors
/// A resource cannot be written as JSON.
pub(crate) fn hash(
    change: &Change,
    before: &Scopes,
    outcomes: &[RepositoryResult],
    (warnings, skipped): (&[Finding], &[Finding]),
    options: &Options,
) -> Result<String, ApiError> {
    let mut upserts = Vec::new();
    for resource in &change.upserts {
        let manifest = resource.resource.without_status().to_json();
        let secrets: Vec<(&str, String)> = resource
            .secrets
            .iter()
            .map(|(field, secret)| (field.as_str(), digest(secret)))
            .collect();
        upserts.push(json!({
            "manifest": manifest.map_err(|error| internal("a resource cannot be shown", &error))?,
            "secrets": secrets,
        }));
    }
    let removals: Vec<String> = change.removals.iter().map(ToString::to_string).collect();
    let revisions: BTreeMap<String, Option<String>> = change
        .repositories()
        .iter()
        .map(|of| (of.to_string(), revision(before, of)))
        .collect();
    let whole = json!({
        "remove": options.mode == Mode::Remove,
        "skipCheck": options.skip_check,
        "upserts": upserts,
        "removals": removals,
        "revisions": revisions,
        "outcomes": outcomes,
        "warnings": warnings,
        "skipped": skipped,
    });
    Ok(hex(&Sha256::digest(whole.to_string())))
}

fn digest(secret: &Secret) -> String {
    hex(&Sha256::digest(secret.expose()))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Refuses to do anything else than what was shown.
///
/// # Errors
/// The plan is another one now.
pub(crate) fn must_be(
    wanted: Option<&str>,
    found: &str,
    before: &Scopes,
    change: &Change,
    app: &App,
) -> Result<(), ApiError> {
    if wanted.is_none_or(|wanted| wanted == found) {
        return Ok(());
    }
    let mut error = ApiError::stale(
        "PLAN_CHANGED",
        "the plan that was shown is not what would be done now",
    )
    .with("planHash", found)
    .hint("ask for the plan again with dry_run=true, and look at it");
    for of in change.repositories() {
        let key = format!("revision {}", name(app, change, &of));
        error = error.with(&key, revision(before, &of).unwrap_or_default());
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const B: &str = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";

    #[test]
    fn expectations_are_read_or_refused() {
        let one = Expected::read(A).unwrap();
        assert_eq!(one.only, Some(A.parse().unwrap()));
        let two = Expected::read(&format!("a/b={A}, c/d={B}")).unwrap();
        assert_eq!(two.by_repository.len(), 2);
        assert_eq!(Expected::read("").unwrap(), Expected::default());
        for bad in [
            "x",
            "a/b=",
            "a/b=x",
            &format!("{A},{B}"),
            &format!("a/b={A},a/b={B}"),
            &A[1..],
        ] {
            assert!(Expected::read(bad).is_err(), "{bad}");
        }
    }
}
