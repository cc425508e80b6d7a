//! One commit on each repository of a request.

use nautes_gitops::host::{HostError, PushError, Session};
use nautes_gitops::{Author, ChangeSet, PublishError, Publisher, RepoRef, Scope, Target};
use nautes_model::layout::DEFAULT_PROJECT;
use nautes_model::name::ProductName;
use nautes_model::{Finding, Resource, Scopes};
use nautes_validate::check_change;

use super::{Change, Mode, Options, secrets};
use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, outside};
use crate::register;
use crate::wire::{Done, Outcome, RepositoryResult};

/// Publishes a change on every repository that it touches. The tenant's comes first, and last when resources are
/// removed, so that what others need is there first and goes last.
///
/// # Errors
/// The first repository could not be written, so nothing was done. A later one that cannot be written is named in
/// the results, and the rest is left for a retry.
pub(crate) async fn all(
    app: &App,
    caller: &Caller,
    change: &mut Change,
    before: &Scopes,
    skipped: &[Finding],
    options: &Options,
) -> Result<Vec<RepositoryResult>, ApiError> {
    register_new(app, caller, change, before).await?;
    let mut order: Vec<RepoRef> = change.repositories().into_iter().collect();
    if options.mode == Mode::Remove {
        order.reverse();
    }
    let mut results: Vec<RepositoryResult> = Vec::new();
    let mut failed: Option<String> = None;
    for of in order {
        if let Some(before) = &failed {
            let text = format!("not tried, because {before} could not be written");
            results.push(unwritten(app, change, &of, text));
            continue;
        }
        match one(app, caller, change, &of, skipped, options).await {
            Ok(result) => results.push(result),
            Err(error) if results.iter().all(|r| r.commit.is_none()) => return Err(error),
            Err(error) => {
                let result = unwritten(app, change, &of, error.message);
                failed = Some(result.repository.clone());
                results.push(result);
            }
        }
    }
    Ok(results)
}

/// Makes groups and repositories of products that are new, and writes their registration into the change.
async fn register_new(
    app: &App,
    caller: &Caller,
    change: &mut Change,
    before: &Scopes,
) -> Result<(), ApiError> {
    let new = change.new_products(before);
    for resource in &mut change.upserts {
        let Resource::Product(product) = &mut resource.resource else {
            continue;
        };
        if new.contains(resource.identity.name.as_str()) {
            let (registration, url) = register::ensure(app, caller, product).await?;
            product.spec.registration = Some(registration);
            product.spec.meta_data_path = Some(url);
        }
    }
    for product in new {
        first_commit(app, caller, &product).await?;
    }
    Ok(())
}

/// Gives a new `default.project` its first commit, the empty list of manifests: a repository without a branch
/// cannot be told from one that cannot be read.
async fn first_commit(app: &App, caller: &Caller, product: &ProductName) -> Result<(), ApiError> {
    let platform = app.platform();
    let of = RepoRef::Product(product.clone());
    let path = path(app, &of)?;
    let session = platform.host().platform().await?;
    let mirror = platform
        .mirrors()
        .open(&path)
        .await
        .map_err(|e| crate::error::internal("the mirror", &e))?;
    let target = Target {
        session: &*session,
        of: &of,
        path: &path,
        mirror: &mirror,
        branch: &platform.tenant().branch,
    };
    let begun = platform
        .publisher()
        .begin(&target, &Author::from(caller.user.clone()))
        .await;
    begun.map(|_| ()).map_err(
        |e| match (e.hint(), outside(e.class(), "the first commit failed", &e)) {
            (Some(hint), made) => made.hint(hint),
            (None, made) => made,
        },
    )
}

async fn one(
    app: &App,
    caller: &Caller,
    change: &Change,
    of: &RepoRef,
    skipped: &[Finding],
    options: &Options,
) -> Result<RepositoryResult, ApiError> {
    let mut rules: Vec<String> = skipped.iter().map(|f| f.rule.clone()).collect();
    rules.sort();
    rules.dedup();
    let set = ChangeSet {
        upserts: here(change, of).map(|r| r.resource.without_status()).collect(),
        removals: change
            .removals
            .iter()
            .filter(|i| RepoRef::of(i) == *of)
            .cloned()
            .collect(),
        request_id: options.request_id.clone(),
        skipped_rules: rules,
        ..ChangeSet::default()
    };
    let everything = super::scopes(app).await?;
    let check = |old: &Scope, new: &Scope| {
        let (old, new) = (placed(&everything, old), placed(&everything, new));
        let rules = app.platform().rules();
        let mut rejected = check_change(&old, &new, rules).rejected;
        if options.skip_check {
            rejected.retain(|f| !rules.is_skippable(&f.rule));
        }
        if rejected.is_empty() {
            Ok(())
        } else {
            Err(rejected)
        }
    };
    let session = session(app, caller, change, of).await?;
    let written = if *of == RepoRef::Tenant {
        secrets::write(app, change).await?
    } else {
        Vec::new()
    };
    let published = match publish(app, &*session, caller, of, &set, check).await {
        Ok(published) => published,
        Err(Failed { error, unknown }) => {
            // A push without an answer may have arrived: its commit must find its secrets.
            if !unknown {
                secrets::take_back(app, written).await;
            }
            return Err(error);
        }
    };
    let outcome = |resource: &nautes_model::Identity| Outcome {
        resource: resource.clone(),
        done: if published.created.contains(resource) {
            Done::Created
        } else if published.updated.contains(resource) {
            Done::Changed
        } else if published.removed.contains(resource) {
            Done::Removed
        } else if change.removals.contains(resource) {
            Done::Absent
        } else {
            Done::Unchanged
        },
    };
    let mut resources: Vec<Outcome> = here(change, of).map(|r| outcome(&r.identity)).collect();
    resources.extend(set.removals.iter().rev().map(outcome));
    Ok(RepositoryResult {
        repository: path(app, of)?.to_string(),
        commit: published.commit.map(|c| c.to_string()),
        resources,
        error: None,
    })
}

/// Returns whose rights push: the caller's. The registration of a product alone is written by the platform's own
/// account, because any user may create one and few may push to the tenant's repository.
async fn session(
    app: &App,
    caller: &Caller,
    change: &Change,
    of: &RepoRef,
) -> Result<std::sync::Arc<dyn Session>, ApiError> {
    let only_products = change
        .upserts
        .iter()
        .map(|r| &r.identity)
        .chain(&change.removals)
        .filter(|i| i.product.is_none())
        .all(|i| i.kind == nautes_model::Kind::Product);
    if *of == RepoRef::Tenant && only_products {
        return Ok(app.platform().host().platform().await?);
    }
    Ok(std::sync::Arc::clone(&caller.session))
}

/// Why a repository was not written.
struct Failed {
    error: ApiError,
    /// Whether it may have been written all the same: nobody answered the push.
    unknown: bool,
}

async fn publish<C>(
    app: &App,
    session: &dyn Session,
    caller: &Caller,
    of: &RepoRef,
    change: &ChangeSet,
    check: C,
) -> Result<nautes_gitops::Published, Failed>
where
    C: Fn(&Scope, &Scope) -> Result<(), Vec<Finding>> + Send + Sync,
{
    let platform = app.platform();
    let sure = |error| Failed {
        error,
        unknown: false,
    };
    let path = path(app, of).map_err(sure)?;
    let mirror = platform.mirrors().open(&path).await;
    let mirror = mirror.map_err(|e| sure(crate::error::internal("the mirror", &e)))?;
    let target = Target {
        session,
        of,
        path: &path,
        mirror: &mirror,
        branch: &platform.tenant().branch,
    };
    let publisher: &Publisher = platform.publisher();
    publisher
        .publish(&target, change, &Author::from(caller.user.clone()), check)
        .await
        .map_err(failed)
}

fn failed(error: PublishError<Vec<Finding>>) -> Failed {
    let unknown = matches!(
        error,
        PublishError::Push {
            source: PushError::Host(HostError::Unreachable { .. }),
            ..
        }
    );
    let (class, hint) = (error.class(), error.hint());
    let made = match error {
        PublishError::Rejected { because, .. } => ApiError::findings(because),
        error => outside(class, "the commit failed", &error),
    };
    Failed {
        error: match hint {
            Some(hint) if made.hint.is_none() => made.hint(hint),
            _ => made,
        },
        unknown,
    }
}

fn path(app: &App, of: &RepoRef) -> Result<nautes_gitops::RepoPath, ApiError> {
    of.path(&app.platform().tenant().repo)
        .map_err(|e| ApiError::malformed(format!("{DEFAULT_PROJECT}: {e}")))
}

fn here<'a>(change: &'a Change, of: &'a RepoRef) -> impl Iterator<Item = &'a nautes_model::Sourced> {
    change
        .upserts
        .iter()
        .filter(move |r| RepoRef::of(&r.identity) == *of)
}

/// Puts the scope of one repository into the whole platform.
fn placed(everything: &Scopes, scope: &Scope) -> Scopes {
    let mut all = everything.clone();
    match scope {
        Scope::Tenant(tenant) => all.tenant = tenant.clone(),
        Scope::Product(product) => {
            all.products.insert(product.product.clone(), product.clone());
        }
    }
    all
}

fn unwritten(app: &App, change: &Change, of: &RepoRef, error: String) -> RepositoryResult {
    RepositoryResult {
        repository: path(app, of).map_or_else(|_| of.to_string(), |p| p.to_string()),
        commit: None,
        resources: here(change, of)
            .map(|r| Outcome {
                resource: r.identity.clone(),
                done: Done::Unchanged,
            })
            .collect(),
        error: Some(error),
    }
}
