//! Writing what differs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::FutureExt;
use vaultrs::{api, sys};

use super::Stop;
use crate::vault::fault::Fault;
use crate::vault::link::{Ask, Link, each};
use crate::vault::own::{Mounted, Own};
use crate::vault::policy::Policy;
use crate::vault::role::{Method, Role};

/// One thing to write.
pub(super) enum Write {
    PutPolicy(Policy),
    DropPolicy(String),
    PutRole(Role),
    DropRole(Role),
}

/// Writes policies before the roles that give them, and removes roles before policies that nobody has any more.
pub(super) async fn write(link: &Arc<Link>, writes: Vec<Write>) -> Result<(), Stop> {
    let mounts: BTreeSet<(String, Method)> = writes
        .iter()
        .filter_map(|write| match write {
            Write::PutRole(role) => Some((role.mount.clone(), role.method())),
            Write::PutPolicy(_) | Write::DropPolicy(_) | Write::DropRole(_) => None,
        })
        .collect();
    if !mounts.is_empty() {
        mount(link, &mounts).await?;
    }
    let rank = |write: &Write| match write {
        Write::PutPolicy(_) => 0,
        Write::PutRole(_) => 1,
        Write::DropRole(_) => 2,
        Write::DropPolicy(_) => 3,
    };
    let mut by_rank: [Vec<Write>; 4] = Default::default();
    for write in writes {
        by_rank[rank(&write)].push(write);
    }
    for writes in by_rank {
        each(writes, |write| write_one(link, write).boxed()).await?;
    }
    Ok(())
}

async fn write_one(link: &Arc<Link>, write: Write) -> Result<(), Fault> {
    let done = match write {
        Write::PutPolicy(policy) => {
            link.right.forget(&policy.name);
            link.call(Ask::PLAIN, |client| {
                let policy = policy.clone();
                async move { sys::policy::set(&*client, &policy.name, &policy.text).await }
            })
            .await
        }
        Write::DropPolicy(name) => {
            link.right.forget(&name);
            link.call(Ask::PLAIN, |client| {
                let name = name.clone();
                async move { sys::policy::delete(&*client, &name).await }
            })
            .await
        }
        Write::PutRole(role) => {
            link.call(Ask::PLAIN, |client| {
                let request = Own::<()>::post(role.path(), role.body());
                async move { api::exec_with_empty(&*client, request).await }
            })
            .await
        }
        Write::DropRole(role) => {
            link.call(Ask::PLAIN, |client| {
                let request = Own::<()>::delete(role.path());
                async move { api::exec_with_empty(&*client, request).await }
            })
            .await
        }
    };
    match done {
        Err(Fault::Absent) => Ok(()),
        outcome => outcome,
    }
}

/// Enables the method on each mount that is not there. What is there and is another method belongs to somebody else: some
/// have roles of the same path, which would let in who knows whom.
pub(in crate::vault) async fn mount(
    link: &Arc<Link>,
    mounts: &BTreeSet<(String, Method)>,
) -> Result<(), Stop> {
    let known = link
        .call(Ask::PLAIN, |client| async move {
            let request = Own::<BTreeMap<String, Mounted>>::get("sys/auth");
            api::exec_with_result(&*client, request).await
        })
        .await?;
    for (mount, method) in mounts {
        match known.get(&format!("{mount}/")) {
            Some(mounted) if mounted.kind == method.name() => {}
            Some(mounted) => {
                return Err(match Method::named(&mounted.kind) {
                    Some(found) => Stop::Method(mount.clone(), found),
                    None => Stop::Foreign("auth mount", mount.clone()),
                });
            }
            None => enable(link, mount, *method).await?,
        }
    }
    Ok(())
}

async fn enable(link: &Arc<Link>, mount: &str, method: Method) -> Result<(), Fault> {
    let body =
        serde_json::json!({"type": method.name(), "description": "Logins of one cluster, made by Nautes"});
    let enabled = link.call(Ask::PLAIN, |client| {
        let request = Own::<()>::post(format!("sys/auth/{mount}"), body.clone());
        async move { api::exec_with_empty(&*client, request).await }
    });
    match enabled.await {
        // Another process was faster.
        Err(Fault::Refused(400, text)) if text.contains("already in use") => Ok(()),
        outcome => outcome,
    }
}
