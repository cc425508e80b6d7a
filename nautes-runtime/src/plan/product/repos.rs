//! Repositories as a product uses them: addresses, keys, and whether the right to use one is certain.

use std::collections::BTreeSet;

use nautes_model::name::ResourceName;
use nautes_model::secret::{SecretPath, SecretRef};
use nautes_model::{Identity, Kind, Resource};
use nautes_validate::{Level, Target};
use nautes_vault::keys::{self, RepoCredential, RepoId};

use super::Context;
use crate::intent::RepoAddress;
use crate::plan::model::Verdict;

/// Whether a project may use a repository.
pub(super) enum Right {
    /// At this level.
    Has(Level),
    /// It is certain that it may not.
    Lost,
    /// What would say so cannot be read.
    Uncertain,
}

/// Returns what a project (or the product as a whole) may do on a repository.
pub(super) fn right(on: &Context<'_>, project: Option<&ResourceName>, repo: &Identity) -> Right {
    match on.judged.on.access.level(on.product, project, repo) {
        Some((level, _)) => Right::Has(level),
        None if on.judged.knows_bindings_of(repo) => Right::Lost,
        None => Right::Uncertain,
    }
}

/// Returns how people and clones find a repository.
pub(super) fn address(on: &Context<'_>, repo: &Identity) -> RepoAddress {
    let scopes = on.judged.scopes();
    let (mut name, mut url) = (repo.name.to_string(), String::new());
    if let Some((_, spec)) = on.judged.on.code_repo(repo) {
        if !spec.spec.repo_name.is_empty() {
            name.clone_from(&spec.spec.repo_name);
        }
        url.clone_from(&spec.spec.url);
    }
    if url.is_empty()
        && let Some(product) = &repo.product
        && let Some((_, provider)) = provider(on, repo).and_then(|p| scopes.tenant.code_repo_provider(&p))
    {
        let base = provider.spec.http_address.trim_end_matches('/');
        url = format!("{base}/{}/{name}.git", group(on, product));
    }
    RepoAddress { name, url }
}

/// Returns the path of a product's group on the forge.
pub(super) fn group(on: &Context<'_>, product: &nautes_model::name::ProductName) -> String {
    let declared = on
        .judged
        .scopes()
        .tenant
        .product(product.as_str())
        .map(|(_, p)| p.spec.name.clone());
    // The text becomes the name of a group of people in clusters, where `system:` has a meaning.
    let is_path = |text: &String| {
        !text.is_empty()
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/'))
    };
    declared.filter(is_path).unwrap_or_else(|| product.to_string())
}

/// Returns where the deploy key of a repository is, at a level.
pub(super) fn key(on: &Context<'_>, repo: &Identity, level: Level) -> Result<SecretRef, Verdict> {
    let credential = match level {
        Level::Read => RepoCredential::Readonly,
        Level::Write => RepoCredential::Readwrite,
    };
    let scopes = on.judged.scopes();
    let type_ = provider(on, repo)
        .and_then(|name| scopes.tenant.code_repo_provider(&name))
        .map(|(_, provider)| provider.spec.provider_type.clone());
    let (Some(type_), Some(id)) = (type_, id(on, repo)) else {
        return Err(Verdict::pending(format!(
            "waiting for the CodeRepoProvider of {repo}"
        )));
    };
    keys::repo(&type_, &id, credential).map_err(|error| Verdict::failed("RepoProvider", error.to_string()))
}

/// The name of the provider of a repository: the declared one, else the tenant's only one.
fn provider(on: &Context<'_>, repo: &Identity) -> Option<String> {
    if let Some(Target::Found(found)) = on.judged.on.graph.target(repo, "spec.codeRepoProvider") {
        return Some(found.name.to_string());
    }
    on.judged
        .on
        .code_repo(repo)
        .filter(|(_, r)| r.spec.code_repo_provider.is_empty())?;
    let mut all = on.judged.scopes().tenant.code_repo_providers();
    let (only, _) = all.next()?;
    all.next().is_none().then(|| only.identity.name.to_string())
}

fn id(on: &Context<'_>, repo: &Identity) -> Option<RepoId> {
    let forge_id = on.inputs.forge_ids.get(repo).copied();
    Some(RepoId::of(repo.product.as_ref()?, &repo.name, forge_id))
}

/// The paths of the keys of a repository up to a level.
pub(super) fn paths_up_to(on: &Context<'_>, repo: &Identity, level: Level) -> Vec<SecretPath> {
    [Level::Read, Level::Write]
        .into_iter()
        .filter(|one| *one <= level)
        .filter_map(|one| Some(key(on, repo, one).ok()?.path))
        .collect()
}

/// The paths of the keys of repositories about which nobody can tell now: unread ones of the product, and
/// those that its runtimes name and whose owner, file or bindings cannot be read.
pub(super) fn uncertain(on: &Context<'_>) -> BTreeSet<SecretPath> {
    let unread = on.judged.unread_of(Some(on.product));
    let mut repos: BTreeSet<Identity> = unread
        .filter(|(i, _)| i.kind == Kind::CodeRepo)
        .map(|(i, _)| i.clone())
        .collect();
    if let Some(scope) = on.judged.scopes().products.get(on.product) {
        let runtimes = scope.resources.iter().filter(|s| {
            matches!(
                s.resource,
                Resource::DeploymentRuntime(_) | Resource::ProjectPipelineRuntime(_)
            )
        });
        for link in runtimes.flat_map(|s| on.judged.on.graph.references(&s.identity)) {
            match &link.to {
                Target::Held(repo) | Target::Unknown(repo) if repo.kind == Kind::CodeRepo => {
                    repos.insert(repo.clone());
                }
                Target::Found(repo) if repo.kind == Kind::CodeRepo && !on.judged.knows_bindings_of(repo) => {
                    repos.insert(repo.clone());
                }
                _ => {}
            }
        }
    }
    let types: BTreeSet<&str> = on
        .judged
        .scopes()
        .tenant
        .code_repo_providers()
        .map(|(_, p)| p.spec.provider_type.as_str())
        .collect();
    let mut secrets = BTreeSet::new();
    for id in repos.iter().filter_map(|repo| id(on, repo)) {
        for type_ in &types {
            for credential in [RepoCredential::Readonly, RepoCredential::Readwrite] {
                secrets.extend(keys::repo(type_, &id, credential).ok().map(|s| s.path));
            }
        }
    }
    secrets
}
