//! Rights in the secret store: given before the objects that use them, taken after those are gone (invariant I12).
//! A right that was lost, while the account goes on, is taken at once.

use std::collections::BTreeSet;

use nautes_model::name::{ClusterName, ProductName};
use nautes_model::secret::{Grant, GrantScope, Principal};
use nautes_vault::{SecretStore, StoreError};

use super::state::{Shared, count};
use crate::plan::{ClusterPlan, Plan};

/// The grants of one product on one cluster, as they are and as they shall be.
#[derive(Debug)]
pub(super) struct Grants {
    scope: GrantScope,
    wanted: BTreeSet<Grant>,
    have: BTreeSet<Grant>,
}

impl Grants {
    /// Reads them.
    pub(super) async fn of(
        store: &dyn SecretStore,
        product: &ProductName,
        cluster: &ClusterName,
        plan: &Plan,
    ) -> Result<Self, StoreError> {
        let scope = GrantScope::Product {
            product: product.clone(),
            cluster: cluster.clone(),
        };
        let have = store.grants(&scope).await?;
        let wanted = plan.wanted_grants(cluster, &have);
        Ok(Self { scope, wanted, have })
    }

    /// Gives what is missing and takes what is lost, but leaves what goes with an account that goes.
    pub(super) async fn before(&self, shared: &Shared, plan: Option<&ClusterPlan>) -> Result<(), StoreError> {
        let goes = |grant: &Grant| match &grant.principal {
            Principal::Account { account, .. } => !plan.is_some_and(|p| has_account(p, account.as_str())),
            Principal::Component { .. } | Principal::Platform { .. } => false,
        };
        let later = self.have.difference(&self.wanted).filter(|grant| goes(grant));
        let now: BTreeSet<Grant> = self.wanted.iter().chain(later).cloned().collect();
        self.converge(shared, &now).await
    }

    /// Takes what nobody is to have any more.
    pub(super) async fn after(&self, shared: &Shared) -> Result<(), StoreError> {
        self.converge(shared, &self.wanted).await
    }

    async fn converge(&self, shared: &Shared, grants: &BTreeSet<Grant>) -> Result<(), StoreError> {
        if *grants == self.have && *grants == self.wanted {
            return Ok(());
        }
        let change = shared
            .platform
            .store()
            .converge_grants(&self.scope, grants)
            .await?;
        count(&shared.writes.grants, u64::from(!change.is_empty()));
        Ok(())
    }
}

fn has_account(plan: &ClusterPlan, account: &str) -> bool {
    plan.objects().any(|planned| {
        planned.object["kind"] == "ServiceAccount" && planned.object["metadata"]["name"] == account
    })
}
