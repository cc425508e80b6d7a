//! The one service behind every write: a request becomes one commit on each repository that it touches.
//!
//! # Flow
//! parse -> authorise every resource -> put the change on top of what is declared now -> judge -> secrets ->
//! commits, the tenant's first (removals: the tenant's last).
//!
//! # Guarantees
//! * Nothing is written before every resource of the request is authorised and the change as a whole is accepted.
//! * Each repository gets one commit or none. The change is judged again on whatever it finally lands on.
//! * A secret that came with the request is in the store before the commit that needs it, and that version is
//!   taken back if the commit fails.
//! * A request that was cut off is completed by the same request.

mod input;
mod plan;
mod publish;
mod replay;
mod secrets;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use nautes_gitops::host::types::PathError;
use nautes_gitops::{RepoPath, RepoRef};
use nautes_model::kinds::Product;
use nautes_model::manifest::{Context, Form, parse_json};
use nautes_model::name::ProductName;
use nautes_model::{Finding, Identity, Kind, Resource, Scopes, Severity, Sourced};
use nautes_runtime::platform::{Observed, ReadError, paths};
use nautes_validate::check_change;

use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, outside};
use crate::keys::Key;
use crate::names::written::{self, Wanted, in_no_doubt};
use crate::policy::{Action, admit, needed};
use crate::wire::{ApplyReply, ApplyRequest, Done, Outcome, RepositoryResult, ValidateReply};

pub(crate) use input::Input;
pub use plan::Expected;
pub(crate) use plan::hex;
pub(crate) use replay::other_request;

/// Whether resources are put in place or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// They shall be as given.
    Apply,
    /// They shall be gone.
    Remove,
}

/// What the request asks for beside its resources.
#[derive(Clone, Debug)]
pub struct Options {
    /// Apply or remove.
    pub mode: Mode,
    /// Nothing is written.
    pub dry_run: bool,
    /// Broken rules are recorded and do not reject.
    pub skip_check: bool,
    /// The id of the request.
    pub request_id: String,
    /// On which revisions the change must land.
    pub expected: Expected,
    /// The hash of the plan that was shown; nothing else is done.
    pub plan_hash: Option<String>,
    /// By what a repetition of the request is known again.
    pub(crate) key: Option<Key>,
}

/// Reads what is declared now.
///
/// # Errors
/// The tenant's repository cannot be read.
pub async fn scopes(app: &App) -> Result<Arc<Scopes>, ApiError> {
    Ok(observe(app).await?.scopes)
}

/// Reads what one product declares now; others are as they were read last.
///
/// # Errors
/// The tenant's repository cannot be read.
pub async fn scopes_of(app: &App, product: &ProductName) -> Result<Arc<Scopes>, ApiError> {
    let of = RepoRef::Product(product.clone());
    Ok(observe_one(app, &of).await?.scopes)
}

/// Reads what a repository declares now, and at which revision it is; others are as they were read last.
///
/// # Errors
/// The tenant's repository or this one cannot be read now.
pub async fn scopes_with(app: &App, of: &RepoRef) -> Result<(Arc<Scopes>, Option<String>), ApiError> {
    let observed = observe_one(app, of).await?;
    known(app, &observed, of)?;
    let revision = plan::revision(&observed.scopes, of);
    Ok((observed.scopes, revision))
}

/// Reads what is declared now, and what cannot be read.
async fn observe(app: &App) -> Result<Observed, ApiError> {
    read(app, app.platform().observe()).await
}

async fn observe_one(app: &App, of: &RepoRef) -> Result<Observed, ApiError> {
    read(app, app.platform().observe_repository(of)).await
}

async fn read(
    app: &App,
    reading: impl Future<Output = Result<Observed, ReadError>>,
) -> Result<Observed, ApiError> {
    let begun = Instant::now();
    let observed = reading.await;
    let failed = observed.as_ref().err().map(ReadError::class);
    app.metrics().called("forge", "read", begun.elapsed(), failed);
    observed.map_err(|error| outside(error.class(), "what is declared cannot be read", &error))
}

/// Makes sure that what is known of a repository is what it has now.
///
/// # Errors
/// It cannot be read now: what was read before may be no longer so.
pub(crate) fn known(app: &App, observed: &Observed, of: &RepoRef) -> Result<(), ApiError> {
    match observed.unread.get(of) {
        None => Ok(()),
        Some(error) => {
            tracing::warn!(error = %crate::error::chain(&**error), "a repository cannot be read");
            Err(ApiError::unreachable(format!(
                "{} cannot be read now",
                plan::name(app, &Change::default(), of)
            )))
        }
    }
}

/// Applies or removes the manifests of a request.
///
/// # Errors
/// The request is malformed, not allowed, or breaks rules (all findings at once); nothing was written then.
pub async fn run(
    app: &App,
    caller: &Caller,
    request: &ApplyRequest,
    options: Options,
) -> Result<ApplyReply, ApiError> {
    let input = Input::read(request)?;
    execute(app, caller, input, &options).await
}

/// Applies one resource, given as JSON.
///
/// # Errors
/// See [`run`].
pub async fn run_one(
    app: &App,
    caller: &Caller,
    manifest: serde_json::Value,
    options: Options,
) -> Result<ApplyReply, ApiError> {
    let parsed = parse_json(manifest, &Context::new("", Form::Request));
    execute(app, caller, Input::of(parsed), &options).await
}

/// Removes one resource by its identity.
///
/// # Errors
/// See [`run`].
pub async fn remove_one(
    app: &App,
    caller: &Caller,
    identity: &Identity,
    options: Options,
) -> Result<ApplyReply, ApiError> {
    let change = Change::removing([identity.clone()]);
    let observed = observe(app).await?;
    finish(
        app,
        caller,
        change,
        observed,
        Vec::new(),
        BTreeMap::new(),
        &options,
    )
    .await
}

/// Judges what applying a request would do, and writes nothing.
///
/// # Errors
/// The request is not allowed, or what is declared cannot be read. Findings are in the answer.
pub async fn validate(app: &App, caller: &Caller, request: &ApplyRequest) -> Result<ValidateReply, ApiError> {
    let input = Input::read(request)?;
    let observed = observe(app).await?;
    let before = Arc::clone(&observed.scopes);
    let change = Change::applying(input.resources, &before);
    authorise(app, caller, &change, &before).await?;
    for of in change.repositories() {
        known(app, &observed, &of)?;
    }
    change.in_no_doubt(&before)?;
    let report = check_change(&before, &change.on(&before), app.platform().rules());
    let (mut rejected, mut warnings): (Vec<_>, Vec<_>) = input
        .findings
        .into_iter()
        .partition(|f| f.severity == Severity::Error);
    rejected.extend(report.rejected);
    warnings.extend(report.warnings);
    rejected.sort();
    warnings.sort();
    Ok(ValidateReply {
        accepted: rejected.is_empty(),
        rejected,
        warnings,
    })
}

async fn execute(
    app: &App,
    caller: &Caller,
    input: Input,
    options: &Options,
) -> Result<ApplyReply, ApiError> {
    let Input {
        resources,
        findings,
        notes,
    } = input;
    let observed = observe(app).await?;
    let change = match options.mode {
        Mode::Apply => Change::applying(resources, &observed.scopes),
        Mode::Remove => Change::removing_written(resources, &observed.scopes),
    };
    finish(app, caller, change, observed, findings, notes, options).await
}

async fn finish(
    app: &App,
    caller: &Caller,
    mut change: Change,
    observed: Observed,
    parsed: Vec<Finding>,
    notes: BTreeMap<String, Vec<String>>,
    options: &Options,
) -> Result<ApplyReply, ApiError> {
    let before = Arc::clone(&observed.scopes);
    authorise(app, caller, &change, &before).await?;
    for of in change.repositories() {
        known(app, &observed, &of)?;
    }
    change.in_no_doubt(&before)?;
    let order = publish::order(&change, options.mode);
    let done = match &options.key {
        Some(key) if !options.dry_run => replay::find(app, key, &change, &before, &order).await?,
        _ => replay::Before::default(),
    };
    let mut reply = ApplyReply {
        request_id: done.request_id.unwrap_or_else(|| options.request_id.clone()),
        dry_run: options.dry_run,
        notes,
        ..ApplyReply::default()
    };
    if !done.results.is_empty() && done.results.len() == order.len() {
        reply.repositories = order
            .iter()
            .filter_map(|of| done.results.get(of).cloned())
            .collect();
        reply.message = summary(&reply);
        return Ok(reply);
    }
    let mut pins = plan::pins(app, &change, &before, &options.expected, &done.results)?;
    let report = check_change(&before, &change.on(&before), app.platform().rules());
    let mut faults: Vec<Finding> = Vec::new();
    let mut warnings = report.warnings;
    for finding in parsed {
        if finding.severity == Severity::Error {
            faults.push(finding)
        } else {
            warnings.push(finding)
        }
    }
    faults.extend(secrets::check(app, &change).await?);
    let rules = app.platform().rules();
    let (mut skipped, firm): (Vec<_>, Vec<_>) = report
        .rejected
        .into_iter()
        .partition(|f| rules.is_skippable(&f.rule));
    faults.extend(firm);
    if !options.skip_check || !faults.is_empty() {
        faults.append(&mut skipped);
    }
    if !faults.is_empty() {
        faults.sort();
        return Err(ApiError::findings(faults));
    }
    warnings.sort();
    reply.warnings = warnings;
    reply.skipped = skipped;
    let outcomes = preview(app, &change, &before)?;
    if options.dry_run || options.plan_hash.is_some() {
        let verdict = (reply.warnings.as_slice(), reply.skipped.as_slice());
        let hash = plan::hash(&change, &before, &outcomes, verdict, options)?;
        plan::must_be(options.plan_hash.as_deref(), &hash, &before, &change, app)?;
        pins.extend(plan::seen(&before, &order));
        reply.plan_hash = options.dry_run.then_some(hash);
    }
    if options.dry_run {
        reply.repositories = outcomes;
        reply.message = "nothing was written".to_owned();
        return Ok(reply);
    }
    let how = publish::How {
        skipped: &reply.skipped,
        pins: &pins,
        done: done.results,
        seen: done.seen,
        options,
    };
    let (repositories, by) = publish::all(app, caller, &mut change, &before, &order, how).await?;
    reply.repositories = repositories;
    reply.request_id = by.unwrap_or(reply.request_id);
    reply.message = summary(&reply);
    Ok(reply)
}

fn summary(reply: &ApplyReply) -> String {
    let count = |wanted: Done| {
        reply
            .repositories
            .iter()
            .flat_map(|r| &r.resources)
            .filter(|o| o.done == wanted)
            .count()
    };
    let failed = reply.repositories.iter().filter(|r| r.error.is_some()).count();
    let mut text = format!(
        "{} created, {} changed, {} unchanged, {} removed",
        count(Done::Created),
        count(Done::Changed),
        count(Done::Unchanged),
        count(Done::Removed)
    );
    if failed > 0 {
        text.push_str(&format!("; {failed} repositories could not be written"));
    } else if !reply.has_changed() {
        text.push_str("; all is as given already, and there is no commit");
    }
    text
}

/// What a request changes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Change {
    /// What shall be as given, in the order in which it is created.
    pub(crate) upserts: Vec<Sourced>,
    /// What shall be gone.
    pub(crate) removals: BTreeSet<Identity>,
    /// How the request has called what it calls otherwise.
    called: BTreeMap<Identity, Identity>,
}

impl Change {
    fn applying(mut resources: Vec<Sourced>, before: &Scopes) -> Self {
        let called = written::settle(before, &mut resources);
        let mut upserts: Vec<Sourced> = nautes_validate::order(&resources).into_iter().cloned().collect();
        for resource in &mut upserts {
            keep_registration(resource, before);
        }
        Self {
            upserts,
            called,
            ..Self::default()
        }
    }

    fn removing_written(mut resources: Vec<Sourced>, before: &Scopes) -> Self {
        let called = written::settle(before, &mut resources);
        Self {
            called,
            ..Self::removing(resources.into_iter().map(|r| r.identity))
        }
    }

    fn removing(identities: impl IntoIterator<Item = Identity>) -> Self {
        Self {
            removals: identities.into_iter().collect(),
            ..Self::default()
        }
    }

    /// Makes sure that it is known what everything of it means: see [`in_no_doubt`].
    fn in_no_doubt(&self, before: &Scopes) -> Result<(), ApiError> {
        written::once(&self.upserts, &self.called)?;
        let new = self.new_products(before);
        let there = self.upserts.iter().map(Wanted::There);
        let gone = self.removals.iter().map(Wanted::Gone);
        there
            .chain(gone)
            .try_for_each(|wanted| in_no_doubt(before, &wanted, |product| new.contains(product)))
    }

    /// Returns the path of a repository, also of one that comes to be with it.
    ///
    /// # Errors
    /// The group of a product is no path on a forge.
    pub(crate) fn path_of(&self, app: &App, of: &RepoRef) -> Result<RepoPath, PathError> {
        let made = of.product().and_then(|name| Some((name, self.product(name)?)));
        match made {
            // A product that is there stays with its group.
            Some((name, product)) if !app.platform().is_registered(name) => {
                paths::default_project(name, Some(product))
            }
            _ => app.platform().path_of(of),
        }
    }

    /// Returns a product that it has.
    fn product(&self, name: &ProductName) -> Option<&Product> {
        let mut products = self.upserts.iter().filter_map(|r| match &r.resource {
            Resource::Product(product) if r.identity.name.as_str() == name.as_str() => Some(&**product),
            _ => None,
        });
        products.next()
    }

    /// Returns what would be declared.
    pub(crate) fn on(&self, before: &Scopes) -> Scopes {
        let mut after = before.clone();
        for resource in &self.upserts {
            after.replace(resource.clone());
        }
        for identity in &self.removals {
            after.remove(identity);
        }
        after
    }

    /// Returns the repositories that it touches, the tenant's first.
    pub(crate) fn repositories(&self) -> BTreeSet<RepoRef> {
        self.upserts
            .iter()
            .map(|r| &r.identity)
            .chain(&self.removals)
            .map(RepoRef::of)
            .collect()
    }

    /// Returns the products that are registered by it.
    pub(crate) fn new_products(&self, before: &Scopes) -> BTreeSet<ProductName> {
        self.upserts
            .iter()
            .filter(|r| r.identity.kind == Kind::Product && before.get(&r.identity).is_none())
            .filter_map(|r| ProductName::new(r.identity.name.as_str()).ok())
            .collect()
    }
}

/// What Nautes itself wrote about a product stays, whatever a request says.
fn keep_registration(resource: &mut Sourced, before: &Scopes) {
    if let Resource::Product(product) = &mut resource.resource {
        let old = before
            .tenant
            .product(resource.identity.name.as_str())
            .map(|(_, old)| old);
        product.spec.registration = old.and_then(|old| old.spec.registration.clone());
        product.spec.meta_data_path = old.and_then(|old| old.spec.meta_data_path.clone());
    }
}

/// Lets the request through only if each of its resources is allowed. Equal questions are asked once.
async fn authorise(app: &App, caller: &Caller, change: &Change, before: &Scopes) -> Result<(), ApiError> {
    let new = change.new_products(before);
    let mut asked = BTreeSet::new();
    for (identity, removed) in change
        .upserts
        .iter()
        .map(|r| (&r.identity, false))
        .chain(change.removals.iter().map(|i| (i, true)))
    {
        // The group of a product that this very request creates is made for the caller.
        if identity
            .product
            .as_ref()
            .is_some_and(|product| new.contains(product))
        {
            continue;
        }
        let action = match (removed, before.get(identity).is_some()) {
            (true, _) => Action::Remove,
            (false, true) => Action::Change,
            (false, false) => Action::Create,
        };
        let Some(needed) = needed(app, action, identity).await? else {
            continue;
        };
        if asked.insert(needed.clone()) {
            let asked = change.called.get(identity).unwrap_or(identity);
            let asked = asked.product.as_ref().map_or(asked.name.as_str(), |p| p.as_str());
            admit(app, caller, action, (identity, asked), needed).await?;
        }
    }
    Ok(())
}

/// Says what would be done, repository by repository.
fn preview(app: &App, change: &Change, before: &Scopes) -> Result<Vec<RepositoryResult>, ApiError> {
    let mut results = Vec::new();
    for of in change.repositories() {
        let path = change
            .path_of(app, &of)
            .map_err(|e| ApiError::malformed(e.to_string()))?;
        let mut resources = Vec::new();
        for resource in change.upserts.iter().filter(|r| RepoRef::of(&r.identity) == of) {
            let done = match before.get(&resource.identity) {
                None => Done::Created,
                Some(old) if old.resource == resource.resource => Done::Unchanged,
                Some(_) => Done::Changed,
            };
            resources.push(Outcome {
                resource: resource.identity.clone(),
                done,
            });
        }
        for identity in change.removals.iter().rev().filter(|i| RepoRef::of(i) == of) {
            let done = if before.get(identity).is_some() {
                Done::Removed
            } else {
                Done::Absent
            };
            resources.push(Outcome {
                resource: identity.clone(),
                done,
            });
        }
        results.push(RepositoryResult {
            repository: path.to_string(),
            commit: None,
            revision: plan::revision(before, &of),
            resources,
            error: None,
        });
    }
    Ok(results)
}
