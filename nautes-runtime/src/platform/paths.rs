//! Where what is declared is on the forge.

use nautes_gitops::RepoPath;
use nautes_gitops::host::types::PathError;
use nautes_model::kinds::{CodeRepo, CodeRepoProvider, Product};
use nautes_model::layout::DEFAULT_PROJECT;
use nautes_model::name::ProductName;
use nautes_model::{Identity, Resource, Scopes, TenantScope};

/// Returns the path of the group of a product: `spec.name`, else its name.
#[must_use]
pub fn group_of<'a>(name: &'a ProductName, product: Option<&'a Product>) -> &'a str {
    product
        .map(|product| product.spec.name.as_str())
        .filter(|group| !group.is_empty())
        .unwrap_or(name.as_str())
}

/// Returns the path of the repository in which a product is declared.
///
/// # Errors
/// The group is no path on a forge.
pub fn default_project(name: &ProductName, product: Option<&Product>) -> Result<RepoPath, PathError> {
    RepoPath::new(group_of(name, product), DEFAULT_PROJECT)
}

/// Returns the path of a code repository: in the group of its product, `spec.repoName`, else its name.
///
/// # Errors
/// A part is no path on a forge.
pub fn code_repo(group: &str, repo: &CodeRepo) -> Result<RepoPath, PathError> {
    let name = match repo.spec.repo_name.as_str() {
        "" => repo.metadata.name.as_deref().unwrap_or_default(),
        name => name,
    };
    RepoPath::new(group, name)
}

/// Finds the path of a declared code repository.
#[must_use]
pub fn find_code_repo(scopes: &Scopes, identity: &Identity) -> Option<RepoPath> {
    let product = identity.product.as_ref()?;
    let declared = scopes.tenant.product(product.as_str()).map(|(_, p)| p);
    match &scopes.get(identity)?.resource {
        Resource::CodeRepo(repo) => code_repo(group_of(product, declared), repo).ok(),
        _ => None,
    }
}

/// Returns the provider of a repository: the declared one, else the tenant's only one.
#[must_use]
pub fn provider<'a>(tenant: &'a TenantScope, repo: &CodeRepo) -> Option<&'a CodeRepoProvider> {
    if !repo.spec.code_repo_provider.is_empty() {
        let (_, provider) = tenant.code_repo_provider(&repo.spec.code_repo_provider)?;
        return Some(provider);
    }
    let mut all = tenant.code_repo_providers();
    let (_, only) = all.next()?;
    all.next().is_none().then_some(only)
}

/// Returns the type of the provider of a repository, by which its secrets are kept.
#[must_use]
pub fn provider_type<'a>(tenant: &'a TenantScope, repo: &CodeRepo) -> Option<&'a str> {
    provider(tenant, repo).map(|provider| provider.spec.provider_type.as_str())
}

/// Returns where a declared code repository is cloned from, over HTTP and over SSH; `""` where that is not offered.
/// `None` if its provider is not declared.
#[must_use]
pub fn clone_urls(scopes: &Scopes, identity: &Identity) -> Option<(String, String)> {
    let Resource::CodeRepo(repo) = &scopes.get(identity)?.resource else {
        return None;
    };
    let provider = provider(&scopes.tenant, repo)?;
    let path = find_code_repo(scopes, identity)?;
    let below = |base: &str| match base.trim_end_matches('/') {
        "" => String::new(),
        base => format!("{base}/{path}.git"),
    };
    Some((
        below(&provider.spec.http_address),
        below(&provider.spec.ssh_address),
    ))
}
