//! Making the group and the `default.project` of a new product (decision D8).
//!
//! # Flow
//! validate -> group, with a marker that says who makes it -> `default.project` -> registration in the tenant
//! repository, by the caller of this module. Each step is recognised when it was done before, so that a request
//! that was cut off is completed by the same request.
//!
//! # Guarantees
//! * A group that exists without the marker is not taken: it belongs to somebody else. The one whose id the manifest
//!   names ([`nautes_model::annotation::ADOPT`]) is taken over, if its owner asks and the platform's account is one, too.
//! * Groups are made by the platform's account, which owns them; the caller becomes an owner too.

use axum::http::StatusCode;
use nautes_gitops::host::{AccessLevel, Group, GroupSpec, Place, RepoSpec, Repository, Visibility};
use nautes_model::kinds::Product;
use nautes_model::kinds::product::Registration;
use nautes_model::name::ProductName;
use nautes_model::scope::Broken;
use nautes_model::{Class, annotation};
use nautes_runtime::platform::paths::{default_project, group_of};

use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, internal};
use crate::names;

/// Returns the marker of a group that is made for a product on behalf of a caller: nobody else's request may
/// complete it, and no request for another product.
fn marker(app: &App, product: &ProductName, caller: &Caller) -> String {
    format!(
        "nautes:{}:{product}:{}",
        app.platform().tenant().name,
        caller.user.id
    )
}

/// Makes sure that the group and the repository of a product are there, and returns what proves it, with the
/// address of the repository. `unreadable` is a file that may say whose a group is that is there already.
///
/// # Errors
/// A group of the name belongs to somebody else, or the forge refuses or does not answer.
pub async fn ensure(
    app: &App,
    caller: &Caller,
    of: &ProductName,
    product: &Product,
    unreadable: Option<&Broken>,
) -> Result<(Registration, String), ApiError> {
    let _one = app.registering().lock().await;
    let name = group_of(of, Some(product));
    let platform = app.platform().host().platform().await?;
    let marker = marker(app, of, caller);
    let is_ours = |group: &Group| group.marker.as_deref() == Some(marker.as_str());
    let group = match (platform.group(name).await?, unreadable) {
        // Its marker says for what it was made, and not what has become of it since.
        (Some(_), Some(file)) => {
            let what = format!("the group {name} exists already, and whose it is");
            return Err(names::unreadable(&what, file));
        }
        (Some(group), None) if is_ours(&group) => group,
        // Where groups are made by hand, one is theirs who may do everything in it.
        (Some(group), None)
            if !platform.abilities().manages
                && caller.session.access(&Place::group(name)).await? >= AccessLevel::Owner =>
        {
            group
        }
        (Some(group), None) => adopt(app, caller, group, product).await?,
        (None, _) => {
            let spec = group_spec(name, product, marker.clone());
            match platform.create_group(&spec).await {
                // The same request may be there twice, on another server. A group that the platform cannot even see is
                // in the way as well.
                Err(error) if error.class() == Class::Conflict => {
                    let made = platform.group(name).await?;
                    made.filter(is_ours).ok_or_else(|| unseen(name))?
                }
                made => made?,
            }
        }
    };
    if caller.session.access(&Place::group(name)).await? < AccessLevel::Owner {
        platform
            .add_member(&Place::group(name), &caller.user.name, AccessLevel::Owner)
            .await?;
    }
    let path =
        default_project(of, Some(product)).map_err(|e| internal("the path of a product's repository", &e))?;
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

/// Takes over a group that is there, if the manifest asks for this very one and those who ask may do everything in it.
async fn adopt(app: &App, caller: &Caller, group: Group, product: &Product) -> Result<Group, ApiError> {
    let name = group.name.clone();
    if annotation::adopted(&product.metadata) != Some(group.id) {
        return Err(taken(&name).hint(format!(
            "or take the group over: give the manifest of the product the annotation {}: \"{}\"",
            annotation::ADOPT,
            group.id
        )));
    }
    if group.marker.is_some() {
        // Another request is at work there, or the group is another product's.
        return Err(taken(&name));
    }
    let place = Place::group(&name);
    if caller.session.access(&place).await? < AccessLevel::Owner {
        return Err(ApiError::new(
            StatusCode::FORBIDDEN,
            "NO_AUTHORIZATION",
            format!("only an owner of the group {name} may have it taken over"),
        )
        .hint("ask an owner of the group to apply the manifest"));
    }
    if app.platform().host().platform().await?.access(&place).await? < AccessLevel::Owner {
        return Err(ApiError::new(
            StatusCode::CONFLICT,
            "GROUP_EXISTS",
            format!("the platform's account is no owner of the group {name}, and cannot look after it"),
        )
        .hint("make it an owner on the forge, then apply the manifest again"));
    }
    Ok(group)
}

/// Says that a group is in the way that the platform cannot see.
fn unseen(name: &str) -> ApiError {
    taken(name).hint("or make the platform's account an owner of the group, to have it taken over")
}

pub(crate) fn taken(name: &str) -> ApiError {
    ApiError::new(
        StatusCode::CONFLICT,
        "GROUP_EXISTS",
        format!("the group {name} exists already and was not made for this product"),
    )
    .hint("choose another name for the product")
}

fn group_spec(name: &str, product: &Product, marker: String) -> GroupSpec {
    let gitlab = product.spec.git.as_ref().and_then(|g| g.gitlab.as_ref());
    GroupSpec {
        name: name.to_owned(),
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
