//! The admission plug-ins that Kubernetes has switched on: what they set in new objects, and what they refuse.
//!
//! Pods get the limits of their namespace, a service account with its token, a priority and tolerations; limit
//! ranges and quotas are kept to.

mod accounts;
mod limits;
mod pods;
mod priorities;
mod quota;
mod usage;

use serde_json::Value;

pub(crate) use self::{pods::quality, priorities::seed, quota::recount};
use super::{
    Operation,
    server::{Scope, State},
    status::Status,
};

/// What plug-ins set, before webhooks see the object.
///
/// # Errors
/// What a pod names and is not there.
pub(crate) fn change(
    scope: &Scope<'_>,
    state: &State,
    operation: Operation,
    object: &mut Value,
    old: Option<&Value>,
) -> Result<(), Status> {
    if !scope.kind.is("", "pods") || !scope.subresource().is_empty() {
        return Ok(());
    }
    match (operation, old) {
        (Operation::Create, _) => {
            limits::fill(state, object);
            accounts::fill(scope, state, object)?;
            priorities::fill(scope, state, object)?;
        }
        (Operation::Update, Some(old)) => priorities::keep(object, old),
        _ => {}
    }
    pods::tolerate(object);
    Ok(())
}

/// What plug-ins refuse before webhooks judge the object.
///
/// # Errors
/// The refusal.
pub(crate) fn judge(
    scope: &Scope<'_>,
    state: &State,
    operation: Operation,
    object: &Value,
) -> Result<(), Status> {
    if !scope.subresource().is_empty() {
        return Ok(());
    }
    limits::judge(scope, state, operation, object)?;
    if operation == Operation::Create && scope.kind.is("", "pods") {
        accounts::judge(scope, state, object)?;
    }
    if scope.kind.is("scheduling.k8s.io", "priorityclasses") {
        priorities::judge(scope, state, operation, object)?;
    }
    Ok(())
}

/// What is refused last of all: what goes beyond a quota.
///
/// # Errors
/// The refusal.
pub(crate) fn judge_last(
    scope: &Scope<'_>,
    state: &State,
    operation: Operation,
    object: &Value,
    old: Option<&Value>,
) -> Result<(), Status> {
    if !scope.subresource().is_empty() {
        return Ok(());
    }
    quota::judge(scope, state, operation, object, old)
}
