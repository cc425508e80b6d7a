//! What a caller may do: one gate for every route.
//!
//! | action | needs |
//! |---|---|
//! | read a cluster | read on the tenant repository |
//! | save or remove a cluster or provider | push on the tenant repository |
//! | create a product | any user of the forge |
//! | read a product and what is in it | read on the product's group |
//! | save a project, environment or runtime | push on the product's group |
//! | save or remove a repository or binding; change a product | maintainer of the product's group |
//! | remove a product | owner of the product's group |

use nautes_gitops::host::{AccessLevel, Place};
use nautes_model::name::ProductName;
use nautes_model::{Identity, Kind};

use crate::app::App;
use crate::auth::Caller;
use crate::error::{ApiError, outside};

/// What somebody wants to do with a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Looking at it.
    Read,
    /// Creating it; for a product, where there is none of the name.
    Create,
    /// Changing it.
    Change,
    /// Removing it.
    Remove,
}

impl Action {
    /// Returns the verb for people.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Change => "change",
            Self::Remove => "remove",
        }
    }
}

/// Returns the level that an action on a resource of a kind takes; `None` where any user may.
#[must_use]
pub const fn level(kind: Kind, action: Action) -> Option<AccessLevel> {
    Some(match (action, kind) {
        (Action::Create, Kind::Product) => return None,
        (Action::Remove, Kind::Product) => AccessLevel::Owner,
        (Action::Read, _) => AccessLevel::Reporter,
        (_, Kind::Product | Kind::CodeRepo | Kind::CodeRepoBinding) => AccessLevel::Maintainer,
        _ => AccessLevel::Developer,
    })
}

/// Returns the level that an action takes, and on what; `None` where any user may. Rights on a product are those on
/// its group, which may be called otherwise.
///
/// # Errors
/// What is declared cannot be read, so that nobody can tell which group it is.
pub async fn needed(
    app: &App,
    action: Action,
    identity: &Identity,
) -> Result<Option<(Place, AccessLevel)>, ApiError> {
    let product = match (&identity.product, identity.kind) {
        (Some(product), _) => Some(product.clone()),
        (None, Kind::Product) => ProductName::new(identity.name.as_str()).ok(),
        (None, _) => return Ok(Some(needed_on_tenant(app, action))),
    };
    let Some(level) = level(identity.kind, action) else {
        return Ok(None);
    };
    let group = match product {
        Some(product) => app
            .platform()
            .group_of(&product)
            .await
            .map_err(|error| outside(error.class(), "the group of the product is not known", &error))?,
        None => identity.name.to_string(),
    };
    Ok(Some((Place::group(group), level)))
}

/// Returns the level that an action on what belongs to the tenant takes, and on what.
#[must_use]
pub fn needed_on_tenant(app: &App, action: Action) -> (Place, AccessLevel) {
    let level = level(Kind::Cluster, action).unwrap_or(AccessLevel::Owner);
    (Place::from(&app.platform().tenant().repo), level)
}

/// Lets a caller through to what belongs to the tenant, or says what he lacks.
///
/// # Errors
/// He lacks the level, or the forge does not answer.
pub async fn gate_tenant(app: &App, caller: &Caller, action: Action) -> Result<(), ApiError> {
    let (place, level) = needed_on_tenant(app, action);
    let has = app.forge("access", caller.session.access(&place)).await?;
    if has >= level {
        return Ok(());
    }
    Err(lacking(
        caller,
        action,
        "what belongs to the tenant",
        &place,
        level,
        has,
    ))
}

/// Lets a caller through, or says what he lacks.
///
/// # Errors
/// He lacks the level, or the forge does not answer. What he may not even see is "not found" to him.
pub async fn gate(app: &App, caller: &Caller, action: Action, identity: &Identity) -> Result<(), ApiError> {
    let asked = identity
        .product
        .as_ref()
        .map_or(identity.name.as_str(), |p| p.as_str());
    gate_asked(app, caller, action, identity, asked).await
}

/// Lets a caller through who has called a product as he did, or says what he lacks.
///
/// # Errors
/// See [`gate`]. He is told no other name than that by which he asked.
pub async fn gate_asked(
    app: &App,
    caller: &Caller,
    action: Action,
    identity: &Identity,
    asked: &str,
) -> Result<(), ApiError> {
    match needed(app, action, identity).await? {
        Some(needed) => admit(app, caller, action, (identity, asked), needed).await,
        None => Ok(()),
    }
}

/// Lets a caller through who may see a group, or says that there is none.
///
/// # Errors
/// See [`gate`].
pub async fn gate_group(app: &App, caller: &Caller, group: &str) -> Result<(), ApiError> {
    let place = Place::group(group);
    match app.forge("access", caller.session.access(&place)).await? {
        has if has < AccessLevel::Reporter => Err(hidden(&place.to_string())),
        _ => Ok(()),
    }
}

/// Lets a caller through who has a level on a place, or says what he lacks. Of a product that he may not see he is told
/// the name by which he asked.
///
/// # Errors
/// See [`gate`].
pub async fn admit(
    app: &App,
    caller: &Caller,
    action: Action,
    (identity, asked): (&Identity, &str),
    (place, level): (Place, AccessLevel),
) -> Result<(), ApiError> {
    let has = app.forge("access", caller.session.access(&place)).await?;
    if has >= level {
        return Ok(());
    }
    if has == AccessLevel::None && identity.kind != Kind::Cluster {
        // The group may be called otherwise, which is not for him to know.
        return Err(hidden(&match &place {
            Place::Group(_) => Place::group(asked).to_string(),
            Place::Repository(_) => place.to_string(),
        }));
    }
    Err(lacking(caller, action, &identity.to_string(), &place, level, has))
}

fn hidden(what: &str) -> ApiError {
    ApiError::not_found(format!("{what} not found"))
        .hint("check the name; what you may not see does not show either")
}

fn lacking(
    caller: &Caller,
    action: Action,
    what: &str,
    place: &Place,
    level: AccessLevel,
    has: AccessLevel,
) -> ApiError {
    ApiError::forbidden(format!(
        "{} may not {} {what}: it takes {level} on {place}, and the level is {has}",
        caller.user.name,
        action.verb(),
    ))
    .hint(format!("ask an owner of {place}"))
}
