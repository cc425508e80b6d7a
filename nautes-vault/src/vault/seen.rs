//! What a login that may only read sees of rights that somebody else keeps.

use std::collections::BTreeSet;

use futures::FutureExt;
use nautes_model::name::ClusterName;
use nautes_model::secret::Principal;
use serde::Deserialize;
use std::collections::BTreeMap;
use vaultrs::api;
use vaultrs::auth::kubernetes;

use super::fault::Fault;
use super::link::{Ask, each};
use super::own::{Mounted, Own};
use super::{VaultStore, grants, names};
use crate::StoreError;

#[derive(Deserialize)]
struct Mounts(BTreeMap<String, Mounted>);

impl VaultStore {
    /// Returns the accounts of products that have a role on the auth mount of a cluster, with the policies of each. Roles
    /// that are called otherwise than those of accounts are left out.
    pub(crate) async fn accounts(
        &self,
        cluster: &ClusterName,
    ) -> Result<Vec<(Principal, BTreeSet<String>)>, StoreError> {
        let link = &self.0.link;
        let failed = |fault| link.error(format!("list the roles of cluster {cluster}"), fault);
        let mount = link.settings.mount(names::of_cluster(cluster));
        let listed = link.call(Ask::PLAIN, |client| {
            let mount = mount.clone();
            async move { kubernetes::role::list(&*client, &mount).await }
        });
        let roles = match listed.await {
            Ok(listed) => listed.keys,
            Err(Fault::Absent | Fault::NoRoute(_)) => Vec::new(),
            Err(fault) => return Err(failed(fault)),
        };
        let mount = mount.as_str();
        let read = each(roles, |role: String| {
            let read = async move {
                let live = grants::read_role(link, &format!("auth/{mount}/role/{role}")).await?;
                Ok::<_, Fault>(live.and_then(|live| {
                    let [account] = live.accounts() else { return None };
                    let principal = principal(cluster, &role, account)?;
                    Some((principal, live.policies()))
                }))
            };
            read.boxed()
        });
        Ok(read.await.map_err(failed)?.into_iter().flatten().collect())
    }

    /// Returns the clusters that have an auth mount.
    pub(crate) async fn clusters(&self) -> Result<Vec<ClusterName>, StoreError> {
        let link = &self.0.link;
        let mounts = link.call(Ask::PLAIN, |client| async move {
            api::exec_with_result(&*client, Own::<Mounts>::get("sys/auth")).await
        });
        let mounts = mounts
            .await
            .map_err(|fault| link.error("list the auth mounts", fault))?;
        let begin = link.settings.mount("");
        let names = mounts
            .0
            .iter()
            .filter(|(_, mounted)| mounted.kind == "kubernetes");
        Ok(names
            .filter_map(|(path, _)| path.strip_prefix(&begin)?.trim_end_matches('/').parse().ok())
            .filter(|name: &ClusterName| name.as_str() != link.settings.tenant_mount)
            .collect())
    }

    /// Returns the names of all policies.
    pub(crate) async fn policies(&self) -> Result<BTreeSet<String>, StoreError> {
        let link = &self.0.link;
        let listed = grants::list_policies(link).await;
        listed.map_err(|fault| link.error("list the policies", fault))
    }

    /// Returns the server, as in messages.
    pub(crate) fn label(&self) -> String {
        self.0.link.settings.label()
    }

    /// Whether policies and mounts have the names that everybody else expects.
    pub(crate) fn has_plain_names(&self) -> bool {
        self.0.link.settings.prefix.is_empty()
    }
}

/// Returns the account of a product whose role has this name.
fn principal(cluster: &ClusterName, role: &str, account: &str) -> Option<Principal> {
    let short = role.strip_suffix(&format!("-{account}"));
    let long = || role.rsplit_once('-')?.0.strip_suffix(&format!("-{account}"));
    let of = |product: &str| {
        let principal = Principal::Account {
            cluster: cluster.clone(),
            product: product.parse().ok()?,
            account: account.parse().ok()?,
        };
        (names::role(&principal) == role).then_some(principal)
    };
    short.and_then(of).or_else(|| of(long()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_of_accounts_are_told_from_others() {
        let cluster: ClusterName = "c".parse().unwrap();
        for (product, account) in [("shop", "ci"), ("a-b", "c"), ("a", "b-c"), ("a-ci", "ci")] {
            let wanted = Principal::Account {
                cluster: cluster.clone(),
                product: product.parse().unwrap(),
                account: account.parse().unwrap(),
            };
            assert_eq!(principal(&cluster, &names::role(&wanted), account), Some(wanted));
        }
        assert_eq!(principal(&cluster, "argo", "argo"), None);
        assert_eq!(principal(&cluster, "shop-ci", "cd"), None);
    }
}
