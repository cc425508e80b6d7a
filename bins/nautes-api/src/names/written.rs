//! Names in what people write: in manifests, in queries, in requests as a whole.
//!
//! # Guarantees
//! * What a request calls by a path on the forge is what is declared with that path: nothing is declared a second time.
//! * While it cannot be told what a name means, because a file cannot be read or because several have the path, nothing
//!   of that name is made and no product is removed. No option of a request changes that.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::layout::TENANT_ROOT;
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::scope::Broken;
use nautes_model::{Identity, Kind, Meaning, Resource, Scopes, Sourced, TenantScope};
use nautes_runtime::platform::paths::group_of;
use nautes_vault::keys::legacy_number;

use super::{ambiguous, code_repo, unreadable};
use crate::error::ApiError;
use crate::register::taken;

/// Returns what an identity means that somebody wrote. One that means nothing alone is left as it is.
#[must_use]
pub(crate) fn meant(scopes: &Scopes, identity: &Identity) -> Identity {
    let mut meant = identity.clone();
    if let Some(product) = &mut meant.product {
        *product = self::product(scopes, product.clone());
    } else if meant.kind == Kind::Product
        && let Some(found) = scopes.tenant.find_product(meant.name.as_str()).one()
    {
        meant.name = found.as_resource();
    }
    let scope = meant.product.as_ref().and_then(|p| scopes.products.get(p));
    if let Some(scope) = scope.filter(|_| meant.kind == Kind::CodeRepo)
        && let Some(found) = scope.find_code_repo(meant.name.as_str()).one()
    {
        return found;
    }
    meant
}

/// Returns the product that a name means that somebody wrote. One that means none alone is left as it is.
#[must_use]
pub(crate) fn product(scopes: &Scopes, written: ProductName) -> ProductName {
    scopes
        .tenant
        .find_product(written.as_str())
        .one()
        .unwrap_or(written)
}

/// Puts what is meant in the place of what is written, and returns how each was called that is called otherwise.
#[must_use]
pub(crate) fn settle(scopes: &Scopes, resources: &mut [Sourced]) -> BTreeMap<Identity, Identity> {
    let mut called = BTreeMap::new();
    for resource in resources.iter_mut() {
        let meant = meant(scopes, &resource.identity);
        if meant == resource.identity {
            continue;
        }
        let written = std::mem::replace(&mut resource.identity, meant.clone());
        if meant.name != written.name {
            resource.resource.metadata_mut().name = Some(meant.name.to_string());
            if let Resource::CodeRepo(repo) = &mut resource.resource
                && repo.spec.repo_name.is_empty()
            {
                repo.spec.repo_name = written.name.to_string();
            }
        }
        if let Some(product) = &meant.product {
            resource.resource.declare_product(product);
        }
        called.insert(meant, written);
    }
    called
}

/// Refuses to do two things with one resource, which it may be under two names. For those who are allowed to know it.
///
/// # Errors
/// Two of them are the same.
pub(crate) fn once(resources: &[Sourced], called: &BTreeMap<Identity, Identity>) -> Result<(), ApiError> {
    let mut seen = BTreeSet::new();
    let mut again = resources.iter().map(|resource| &resource.identity);
    match again.find(|identity| !seen.insert(*identity)) {
        None => Ok(()),
        Some(identity) => {
            let written = called.get(identity).unwrap_or(identity);
            let message = format!("the request has {written} twice, under two names");
            Err(ApiError::malformed(message).hint("keep one of the two"))
        }
    }
}

/// What a request is about.
pub(crate) enum Wanted<'a> {
    /// It shall be as given.
    There(&'a Sourced),
    /// It shall be gone.
    Gone(&'a Identity),
}

/// Refuses what would be made, or which product would be removed, in doubt about what there is. For those who are
/// allowed to know it.
///
/// # Errors
/// A file cannot be read that may declare it, or several have its path; both are named.
pub(crate) fn in_no_doubt(
    scopes: &Scopes,
    wanted: &Wanted<'_>,
    is_new: impl Fn(&ProductName) -> bool,
) -> Result<(), ApiError> {
    let identity = match wanted {
        Wanted::There(resource) => &resource.identity,
        Wanted::Gone(identity) => identity,
    };
    if let Some(product) = &identity.product {
        if !is_new(product) {
            registered(&scopes.tenant, product)?;
        }
    } else if identity.kind == Kind::Product {
        itself(&scopes.tenant, identity)?;
    }
    match wanted {
        Wanted::There(Sourced {
            resource: Resource::CodeRepo(repo),
            ..
        }) => new_code_repo(scopes, identity, &repo.spec.repo_name),
        Wanted::There(Sourced {
            resource: Resource::Product(product),
            ..
        }) => match ProductName::new(identity.name.as_str()) {
            Ok(name) => group(&scopes.tenant, &name, group_of(&name, Some(product))),
            Err(_) => Ok(()),
        },
        Wanted::There(_) | Wanted::Gone(_) => Ok(()),
    }
}

/// Of a product whose file cannot be read nobody can tell the group, and so nobody's rights.
fn itself(tenant: &TenantScope, identity: &Identity) -> Result<(), ApiError> {
    match tenant.holding(identity) {
        Some(file) if tenant.resources.get(identity).is_none() => {
            Err(unreadable(&format!("what {} is", identity.name), file))
        }
        _ => Ok(()),
    }
}

/// What belongs to a product goes into the repository of its group, which the tenant must say.
fn registered(tenant: &TenantScope, product: &ProductName) -> Result<(), ApiError> {
    if tenant.product(product.as_str()).is_some() {
        return Ok(());
    }
    if let Meaning::Several(all) = tenant.find_product(product.as_str()) {
        return Err(ambiguous(product.as_str(), "product", &all));
    }
    match unreadable_product(tenant) {
        Some(file) => Err(unreadable(&format!("which product {product} is"), file)),
        None => Ok(()),
    }
}

/// Returns a file of the tenant that cannot be read and may declare a product.
#[must_use]
pub(crate) fn unreadable_product(tenant: &TenantScope) -> Option<&Broken> {
    let folder = format!("{TENANT_ROOT}/products/");
    tenant.broken.iter().find(|file| {
        file.path.starts_with(&folder) || file.identities.iter().any(|of| of.kind == Kind::Product)
    })
}

/// No product takes the group, or for its group the name, of another. That others have it is not told: any user may ask.
fn group(tenant: &TenantScope, name: &ProductName, group: &str) -> Result<(), ApiError> {
    let before = tenant.product(name.as_str());
    if before.is_some_and(|(_, before)| group_of(name, Some(before)) == group) {
        return Ok(());
    }
    let is_others = |text: &str| match tenant.find_product(text) {
        Meaning::Nothing => false,
        Meaning::One(found) => found != *name,
        Meaning::Several(_) => true,
    };
    if is_others(group) {
        return Err(taken(group));
    }
    if is_others(name.as_str()) {
        return Err(taken(name.as_str()));
    }
    Ok(())
}

/// A repository that the Go version called by number is known by its path, which a file that cannot be read does not say.
fn new_code_repo(scopes: &Scopes, identity: &Identity, path: &str) -> Result<(), ApiError> {
    if scopes.get(identity).is_some() {
        return Ok(());
    }
    let Some(product) = &identity.product else {
        return Ok(());
    };
    let name = identity.name.as_str();
    code_repo(scopes, product, name)?;
    let Some(scope) = scopes.products.get(product) else {
        return Ok(());
    };
    // Who says where it is declares it anew, and nothing else.
    let mends = |of: &str| of == name && !path.is_empty() && path != name;
    let hides = |file: &&Broken| {
        let declared = file.identities.iter().filter(|of| of.kind == Kind::CodeRepo);
        let mut names: Vec<&str> = declared.map(|of| of.name.as_str()).collect();
        if file.identities.is_empty() {
            names.extend(folder_of_repo(&file.path));
        }
        names.iter().any(|of| legacy_number(of).is_some() && !mends(of))
    };
    match scope.broken.iter().find(hides) {
        Some(file) => Err(unreadable(&format!("which code repository {name} is"), file)),
        None => Ok(()),
    }
}

/// Returns the name of the repository to which a file belongs by its place.
fn folder_of_repo(path: &str) -> Option<&str> {
    let name = path.strip_prefix("code-repos/")?.split('/').next()?;
    ResourceName::new(name).ok().map(|_| name)
}
