//! One commit on each repository of a request.

use std::collections::BTreeMap;
use std::time::Instant;

use nautes_gitops::host::{HostError, PushError, Session};
use nautes_gitops::repo::Commit;
use nautes_gitops::{Author, ChangeSet, Oid, PublishError, Publisher, RepoPath, RepoRef, Scope, Target};
use nautes_model::layout::DEFAULT_PROJECT;
use nautes_model::name::ProductName;
use nautes_model::{Class, Finding, Resource, Scopes};
use nautes_validate::check_change;

use super::plan::{self, Pins};
use super::replay::{self, other_request};
use super::{Change, Mode, Options, secrets};
use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, outside};
use crate::names::written::unreadable_product;
use crate::register;
use crate::wire::{Done, Outcome, RepositoryResult};

/// What made a commit, with its version.
const TOOL: &str = concat!("nautes-api/", env!("CARGO_PKG_VERSION"));

/// How many answers of the forge one step of a write waits for at most, each as long as one call may take.
const STEPS: u32 = 6;

/// How a change is published.
#[derive(Debug)]
pub(crate) struct How<'a> {
    /// The findings that were skipped.
    pub(crate) skipped: &'a [Finding],
    /// Where repositories must be.
    pub(crate) pins: &'a Pins,
    /// What was done by the same request before.
    pub(crate) done: BTreeMap<RepoRef, RepositoryResult>,
    /// Up to which revisions the histories were looked through for that.
    pub(crate) seen: BTreeMap<RepoRef, Oid>,
    /// What the request asks for.
    pub(crate) options: &'a Options,
}

/// Returns the repositories that a change touches, in the order in which they are written. The tenant's comes first, and
/// last when resources are removed, so that what others need is there first and goes last.
pub(crate) fn order(change: &Change, mode: Mode) -> Vec<RepoRef> {
    let mut order: Vec<RepoRef> = change.repositories().into_iter().collect();
    if mode == Mode::Remove {
        order.reverse();
    }
    order
}

/// Publishes a change on every repository that it touches. Where another server has done the same request meanwhile, its
/// commits are the results, and its id is returned with them.
///
/// # Errors
/// The first repository could not be written, so nothing was done. A later one that cannot be written is named in
/// the results, and the rest is left for a retry.
pub(crate) async fn all(
    app: &App,
    caller: &Caller,
    change: &mut Change,
    before: &Scopes,
    order: &[RepoRef],
    mut how: How<'_>,
) -> Result<(Vec<RepositoryResult>, Option<String>), ApiError> {
    register_new(app, caller, change, before).await?;
    let mut results: Vec<RepositoryResult> = Vec::new();
    let mut by = None;
    let mut failed: Option<String> = None;
    for of in order {
        if let Some(before) = &failed {
            let text = format!("not tried, because {before} could not be written");
            results.push(unwritten(app, change, of, text));
            continue;
        }
        if let Some(done) = how.done.remove(of) {
            results.push(done);
            continue;
        }
        match one(app, caller, change, of, &how).await {
            Ok((result, request)) => {
                by = by.or(request);
                results.push(result);
            }
            Err(error) if results.iter().all(|r| r.commit.is_none()) => return Err(error),
            Err(error) => {
                let result = unwritten(app, change, of, error.message);
                failed = Some(result.repository.clone());
                results.push(result);
            }
        }
    }
    Ok((results, by))
}

/// Makes groups and repositories of products that are new, and writes their registration into the change.
async fn register_new(
    app: &App,
    caller: &Caller,
    change: &mut Change,
    before: &Scopes,
) -> Result<(), ApiError> {
    let new = change.new_products(before);
    let unreadable = unreadable_product(&before.tenant);
    for resource in &mut change.upserts {
        let Resource::Product(product) = &mut resource.resource else {
            continue;
        };
        if let Some(name) = new.get(resource.identity.name.as_str()) {
            let made = register::ensure(app, caller, name, product, unreadable);
            let (registration, url) = within(app, made).await??;
            product.spec.registration = Some(registration);
            product.spec.meta_data_path = Some(url);
        }
    }
    for product in new {
        within(app, first_commit(app, caller, change, &product)).await??;
    }
    Ok(())
}

/// Bounds the time of several steps on the forge. Repeating them is safe.
async fn within<T>(app: &App, work: impl Future<Output = T>) -> Result<T, ApiError> {
    let limit = app.platform().timing().call * STEPS;
    let done = tokio::time::timeout(limit, work).await;
    done.map_err(|_| ApiError::unreachable("the forge did not answer in time"))
}

/// Gives a new `default.project` its first commit, the empty list of manifests: a repository without a branch
/// cannot be told from one that cannot be read.
async fn first_commit(
    app: &App,
    caller: &Caller,
    change: &Change,
    product: &ProductName,
) -> Result<(), ApiError> {
    let platform = app.platform();
    let of = RepoRef::Product(product.clone());
    let path = path(app, change, &of)?;
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
    how: &How<'_>,
) -> Result<(RepositoryResult, Option<String>), ApiError> {
    let options = how.options;
    let mut rules: Vec<String> = how.skipped.iter().map(|f| f.rule.clone()).collect();
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
        tool: TOOL.to_owned(),
        key: options
            .key
            .as_ref()
            .map(crate::keys::Key::trailer)
            .unwrap_or_default(),
        seen: how.seen.get(of).copied(),
        onto: how.pins.get(of).copied(),
        skipped_rules: rules,
        ..ChangeSet::default()
    };
    // Everything was read when the change was judged first; a change of several repositories has changed others since.
    let everything = if change.repositories().len() > 1 {
        super::scopes(app).await?
    } else {
        super::observe_one(app, of).await?.scopes
    };
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
    let path = path(app, change, of)?;
    let session = session(app, caller, change, of).await?;
    let written = if *of == RepoRef::Tenant {
        secrets::write(app, change).await?
    } else {
        Vec::new()
    };
    let published = match publish(app, &*session, caller, (of, &path), &set, check).await {
        Ok(published) => published,
        Err(Failed {
            repeated: Some(found),
            ..
        }) if options.key.as_ref().is_some_and(|key| key.is_of(&found)) => {
            // The secrets are those of the same request: its commit needs them.
            return replay::result_of(app, of, change, &found).await;
        }
        Err(Failed { error, unknown, .. }) => {
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
    let result = RepositoryResult {
        repository: path.to_string(),
        commit: published.commit.map(|c| c.to_string()),
        revision: published.revision.map(|c| c.to_string()),
        resources,
        error: None,
    };
    Ok((result, None))
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
        return app.forge("session", app.platform().host().platform()).await;
    }
    Ok(std::sync::Arc::clone(&caller.session))
}

/// Why a repository was not written.
struct Failed {
    error: ApiError,
    /// Whether it may have been written all the same: nobody answered the push.
    unknown: bool,
    /// The commit that was made under the same key meanwhile.
    repeated: Option<Box<Commit>>,
}

async fn publish<C>(
    app: &App,
    session: &dyn Session,
    caller: &Caller,
    (of, path): (&RepoRef, &RepoPath),
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
        repeated: None,
    };
    let mirror = platform.mirrors().open(path).await;
    let mirror = mirror.map_err(|e| sure(crate::error::internal("the mirror", &e)))?;
    let target = Target {
        session,
        of,
        path,
        mirror: &mirror,
        branch: &platform.tenant().branch,
    };
    let publisher: &Publisher = platform.publisher();
    let begun = Instant::now();
    let author = Author::from(caller.user.clone());
    let work = publisher.publish(&target, change, &author, check);
    let Ok(published) = tokio::time::timeout(platform.timing().call * STEPS, work).await else {
        app.metrics()
            .called("forge", "publish", begun.elapsed(), Some(Class::Unreachable));
        return Err(Failed {
            error: ApiError::unreachable(format!(
                "the forge did not answer in time about {path}; it may have taken the commit"
            ))
            .hint("send the same request again: what was done is recognised"),
            unknown: true,
            repeated: None,
        });
    };
    app.metrics().called(
        "forge",
        "publish",
        begun.elapsed(),
        published.as_ref().err().map(PublishError::class),
    );
    match &published {
        Ok(done) if done.commit.is_some() => app.metrics().committed(done.attempts),
        Err(PublishError::Conflict { .. } | PublishError::Stale { .. }) => app.metrics().conflicted(),
        _ => {}
    }
    published.map_err(failed)
}

fn failed(error: PublishError<Vec<Finding>>) -> Failed {
    let unknown = matches!(
        error,
        PublishError::Push {
            source: PushError::Host(HostError::Unreachable { .. }),
            ..
        }
    );
    let (class, hint, text) = (error.class(), error.hint(), error.to_string());
    let mut repeated = None;
    let made = match error {
        PublishError::Repeated { found, .. } => {
            repeated = Some(found);
            other_request()
        }
        PublishError::Rejected { because, .. } => ApiError::findings(because),
        PublishError::Stale {
            path,
            expected,
            found,
            moved,
        } => ApiError::stale("STALE_REVISION", text)
            .with("repository", path.to_string())
            .with("expected", expected.to_string())
            .with("found", found.map(|id| id.to_string()).unwrap_or_default())
            .with("moved", list(&moved)),
        PublishError::Conflict { path, moved, .. } => ApiError::of_class(class, text)
            .with("repository", path.to_string())
            .with("moved", list(&moved))
            .retry_after(1),
        error => outside(class, "the commit failed", &error),
    };
    Failed {
        error: match hint {
            Some(hint) if made.hint.is_none() => made.hint(hint),
            _ => made,
        },
        unknown,
        repeated,
    }
}

/// Lists commits that got in the way, newest first.
fn list(moved: &[nautes_gitops::publish::Moved]) -> String {
    let all: Vec<String> = moved
        .iter()
        .map(|one| format!("{} by {}: {}", one.id, one.author, one.subject))
        .collect();
    all.join("; ")
}

fn path(app: &App, change: &Change, of: &RepoRef) -> Result<RepoPath, ApiError> {
    change
        .path_of(app, of)
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
        repository: plan::name(app, change, of),
        commit: None,
        revision: None,
        resources: here(change, of)
            .map(|r| Outcome {
                resource: r.identity.clone(),
                done: Done::Unchanged,
            })
            .collect(),
        error: Some(error),
    }
}

#[cfg(test)]
mod tests {
    use nautes_gitops::publish::Moved;

    use super::*;

    fn id(digit: &str) -> Oid {
        digit.repeat(40).parse().unwrap()
    }

    fn moved() -> Vec<Moved> {
        vec![Moved {
            id: id("b"),
            author: "ann".to_owned(),
            subject: "create Project/shop/web".to_owned(),
        }]
    }

    #[test]
    fn a_conflict_says_what_moved_and_when_to_come_back() {
        let Failed { error, unknown, .. } = failed(PublishError::Conflict {
            path: RepoPath::new("shop", "default.project").unwrap(),
            attempts: 10,
            moved: moved(),
        });
        assert_eq!((error.status.as_u16(), error.reason), (409, "CONFLICT"));
        assert_eq!(error.retry_after, Some(1));
        let by = format!("{} by ann: create Project/shop/web", id("b"));
        assert_eq!(error.metadata["moved"], by);
        assert_eq!(error.metadata["repository"], "shop/default.project");
        assert!(!unknown, "nothing was written");
    }

    #[test]
    fn only_a_push_without_an_answer_may_have_arrived() {
        let path = || RepoPath::new("shop", "default.project").unwrap();
        let down = || HostError::Unreachable {
            host: "forge".to_owned(),
            action: "pushing".to_owned(),
            source: "connect to 10.66.0.7:443".into(),
        };
        let reading = failed(PublishError::Host {
            path: path(),
            source: down(),
        });
        let pushing = failed(PublishError::Push {
            path: path(),
            source: PushError::Host(down()),
        });
        assert!(!reading.unknown && pushing.unknown);
        for failed in [reading, pushing] {
            assert_eq!(failed.error.status.as_u16(), 503);
            assert!(
                !failed.error.message.contains("10.66"),
                "{}",
                failed.error.message
            );
        }
    }

    #[test]
    fn a_stale_revision_says_what_is_there() {
        let Failed { error, .. } = failed(PublishError::Stale {
            path: RepoPath::new("shop", "default.project").unwrap(),
            expected: id("a"),
            found: Some(id("b")),
            moved: moved(),
        });
        assert_eq!(error.status.as_u16(), 412);
        assert_eq!(error.metadata["expected"], id("a").to_string());
        assert_eq!(error.metadata["found"], id("b").to_string());
        assert!(error.metadata["moved"].contains("by ann"));
    }
}
