//! Making the group and the `default.project` of a new product (decision D8).
//!
//! # Flow
//! validate -> group, with a marker that says who makes it -> `default.project` -> registration in the tenant
//! repository, by the caller of this module. Each step is recognised when it was done before, so that a request
//! that was cut off is completed by the same request.
//!
//! # Guarantees
//! * A group that exists without the marker is not taken: it belongs to somebody else.
//! * Groups are made by the platform's account, which owns them; the caller becomes an owner too.

use axum::http::StatusCode;
use nautes_gitops::RepoPath;
use nautes_gitops::host::{AccessLevel, Group, GroupSpec, Place, RepoSpec, Repository, Visibility};
use nautes_model::Class;
use nautes_model::kinds::Product;
use nautes_model::kinds::product::Registration;
use nautes_model::layout::DEFAULT_PROJECT;

use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, internal};

/// Returns the marker of a group that is made for a product on behalf of a caller: nobody else's request may
/// complete it.
fn marker(app: &App, product: &str, caller: &Caller) -> String {
    format!(
        "nautes:{}:{product}:{}",
        app.platform().tenant().name,
        caller.user.id
    )
}

/// Makes sure that the group and the repository of a product are there, and returns what proves it, with the
/// address of the repository.
///
/// # Errors
/// A group of the name belongs to somebody else, or the forge refuses or does not answer.
pub async fn ensure(
    app: &App,
    caller: &Caller,
    product: &Product,
) -> Result<(Registration, String), ApiError> {
    let _one = app.registering().lock().await;
    let name = product.spec.name.as_str();
    let platform = app.platform().host().platform().await?;
    let marker = marker(app, name, caller);
    let group = match platform.group(name).await? {
        Some(group) if group.marker.as_deref() == Some(marker.as_str()) => group,
        Some(_) => return Err(taken(name)),
        None => match platform.create_group(&group_spec(product, marker.clone())).await {
            // The same request may be there twice, on another server. A group that the platform cannot even see is in
            // the way as well.
            Err(error) if error.class() == Class::Conflict => platform
                .group(name)
                .await?
                .filter(|group| group.marker.as_deref() == Some(marker.as_str()))
                .ok_or_else(|| taken(name))?,
            made => made?,
        },
    };
    if caller.session.access(&Place::group(name)).await? < AccessLevel::Owner {
        platform
            .add_member(&Place::group(name), &caller.user.name, AccessLevel::Owner)
            .await?;
    }
    let path = RepoPath::new(name, DEFAULT_PROJECT)
        .map_err(|e| internal("the path of a product's repository", &e))?;
    let repository = match platform.repository(&path).await? {
        // A product that was removed and kept comes back with what it had.
        Some(repository) if repository.archived => platform.archive_repository(&path, false).await?,
        Some(repository) => repository,
        None => match platform.create_repository(&path, &RepoSpec::default()).await {
            Err(error) if error.class() == Class::Conflict => {
                platform.repository(&path).await?.ok_or(error)?
            }
            made => made?,
        },
    };
    let url = repository.http_url.clone();
    Ok((registration(&group, &repository, caller), url))
}

fn taken(name: &str) -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "GROUP_EXISTS",
        format!("the group {name} exists already and was not made for this product"),
    )
    .hint("choose another name for the product")
}

fn group_spec(product: &Product, marker: String) -> GroupSpec {
    let gitlab = product.spec.git.as_ref().and_then(|g| g.gitlab.as_ref());
    GroupSpec {
        name: product.spec.name.clone(),
        marker: Some(marker),
        description: gitlab.and_then(|g| g.description.clone()).unwrap_or_default(),
        visibility: match gitlab.and_then(|g| g.visibility).unwrap_or_default() {
            nautes_model::kinds::Visibility::Private => Visibility::Private,
            nautes_model::kinds::Visibility::Internal => Visibility::Internal,
            nautes_model::kinds::Visibility::Public => Visibility::Public,
        },
    }
}

fn registration(group: &Group, repository: &Repository, caller: &Caller) -> Registration {
    Registration {
        group_id: group.id.to_string(),
        repository_id: repository.id.to_string(),
        creator: caller.user.name.clone(),
    }
}
