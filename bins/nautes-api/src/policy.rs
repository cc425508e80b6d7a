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
use crate::error::ApiError;

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

/// Returns the level that an action takes, and on what; `None` where any user may.
#[must_use]
pub fn needed(app: &App, action: Action, identity: &Identity) -> Option<(Place, AccessLevel)> {
    let group = |product: &ProductName| Place::group(product.as_str());
    if let Some(product) = &identity.product {
        let level = match (action, identity.kind) {
            (Action::Read, _) => AccessLevel::Reporter,
            (_, Kind::CodeRepo | Kind::CodeRepoBinding) => AccessLevel::Maintainer,
            _ => AccessLevel::Developer,
        };
        return Some((group(product), level));
    }
    if identity.kind == Kind::Product {
        let level = match action {
            Action::Create => return None,
            Action::Read => AccessLevel::Reporter,
            Action::Change => AccessLevel::Maintainer,
            Action::Remove => AccessLevel::Owner,
        };
        return Some((Place::group(identity.name.as_str()), level));
    }
    let level = if action == Action::Read {
        AccessLevel::Reporter
    } else {
        AccessLevel::Developer
    };
    Some((Place::from(&app.platform().tenant().repo), level))
}

/// Lets a caller through, or says what he lacks.
///
/// # Errors
/// He lacks the level, or the forge does not answer. What he may not even see is "not found" to him.
pub async fn gate(app: &App, caller: &Caller, action: Action, identity: &Identity) -> Result<(), ApiError> {
    let Some((place, level)) = needed(app, action, identity) else {
        return Ok(());
    };
    let has = caller.session.access(&place).await?;
    if has >= level {
        return Ok(());
    }
    if has == AccessLevel::None && identity.kind != Kind::Cluster {
        return Err(ApiError::not_found(format!("{place} not found"))
            .hint("check the name; what you may not see does not show either"));
    }
    Err(ApiError::forbidden(format!(
        "{} may not {} {identity}: it takes {level} on {place}, and the level is {has}",
        caller.user.name,
        match action {
            Action::Read => "read",
            Action::Create => "create",
            Action::Change => "change",
            Action::Remove => "remove",
        }
    ))
    .hint(format!("ask an owner of {place}")))
}
