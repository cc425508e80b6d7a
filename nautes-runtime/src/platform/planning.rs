//! Planning with what the platform knows: declarations, and who holds what in the clusters.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};
use nautes_model::name::{ClusterName, ProductName};
use nautes_model::{Class, Identity, Known, Resource, Scopes};

use super::{Platform, ReadError};
use crate::engine::label::BELONGS_TO;
use crate::plan::{Claims, Inputs, Judged, Plan, plan_product};
use crate::projection::{Projection, ProjectionError};

/// How many clusters are asked at once.
const AT_ONCE: usize = 16;

/// Why no plan could be made.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The declarations could not be read.
    #[error("cannot read what is declared")]
    Read(#[source] ReadError),
    /// The tenant cluster did not answer.
    #[error("cannot read what is known of product {product}")]
    Known {
        /// The product.
        product: ProductName,
        /// Why.
        #[source]
        source: ProjectionError,
    },
    /// Planning did not come to its end.
    #[error("planning was stopped")]
    Stopped,
}

impl PlanError {
    /// Returns the class.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Read(source) => source.class(),
            Self::Known { source, .. } => source.class(),
            Self::Stopped => Class::Bug,
        }
    }
}

impl Platform {
    /// Plans a product as it is declared now. Touches nothing.
    ///
    /// # Errors
    /// What is declared cannot be read. A cluster that does not answer holds what is planned for it, and is no
    /// error.
    pub async fn plan(&self, product: &ProductName) -> Result<Plan, PlanError> {
        let scopes = self.scopes().await.map_err(PlanError::Read)?;
        self.plan_of(&scopes, product).await
    }

    /// Plans a product of scopes that are given, for example as they would be after a change. Touches nothing.
    ///
    /// # Errors
    /// See [`Platform::plan`].
    pub async fn plan_of(&self, scopes: &Arc<Scopes>, product: &ProductName) -> Result<Plan, PlanError> {
        let inputs = self.inputs(scopes, product).await?;
        let mut plans = self
            .plan_all(Arc::clone(scopes), inputs, BTreeSet::from([product.clone()]))
            .await?;
        plans.remove(product).ok_or(PlanError::Stopped)
    }

    /// Reads what is known beside the declarations.
    async fn inputs(&self, scopes: &Scopes, product: &ProductName) -> Result<Inputs, PlanError> {
        let projection =
            Projection::product(self.tenant_cluster().clone(), product.clone(), self.timing().call);
        let live = projection.read().await.map_err(|source| PlanError::Known {
            product: product.clone(),
            source,
        })?;
        let used: BTreeSet<ClusterName> = scopes
            .products
            .get(product)
            .into_iter()
            .flat_map(|scope| scope.environments().map(|(_, e)| e.spec.cluster.clone()))
            .filter_map(|name| ClusterName::new(name).ok())
            .collect();
        let claims = futures::stream::iter(used)
            .map(|cluster| async {
                let claims = self.claims(&cluster, scopes).await;
                (cluster, claims)
            })
            .buffer_unordered(AT_ONCE)
            .collect()
            .await;
        Ok(Inputs {
            claims,
            forge_ids: forge_ids(&live),
            ..Inputs::unknown()
        })
    }

    /// Reads who holds the namespaces of a cluster.
    async fn claims(&self, cluster: &ClusterName, scopes: &Scopes) -> Known<Claims> {
        let limit = self.timing().call;
        match tokio::time::timeout(limit, self.clusters().client(cluster)).await {
            Ok(Ok(client)) => read_claims(&client, scopes, limit).await,
            Ok(Err(error)) => Known::Unknown(error.to_string()),
            Err(_) => Known::Unknown(format!("cluster {cluster} did not answer in time")),
        }
    }

    /// Plans products of one state, off the threads that do I/O.
    pub(crate) async fn plan_all(
        &self,
        scopes: Arc<Scopes>,
        inputs: Inputs,
        products: BTreeSet<ProductName>,
    ) -> Result<BTreeMap<ProductName, Plan>, PlanError> {
        let platform = self.clone();
        let work = move || {
            let judged = Judged::new(&scopes, platform.rules());
            let plan = |name: &ProductName| plan_product(name, &judged, &inputs, platform.engines());
            products.iter().map(|name| (name.clone(), plan(name))).collect()
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|_| PlanError::Stopped)
    }
}

/// Reads who holds the namespaces of a cluster.
pub(crate) async fn read_claims(client: &kube::Client, scopes: &Scopes, limit: Duration) -> Known<Claims> {
    let api: Api<Namespace> = Api::all(client.clone());
    let params = ListParams::default();
    let list = match tokio::time::timeout(limit, api.list_metadata(&params)).await {
        Ok(Ok(list)) => list,
        Ok(Err(error)) => return Known::Unknown(format!("its namespaces cannot be listed: {error}")),
        Err(_) => return Known::Unknown("its namespaces cannot be listed in time".to_owned()),
    };
    let products: Vec<ProductName> = registered(scopes).collect();
    let namespaces = list
        .items
        .into_iter()
        .filter_map(|item| {
            let belongs_to = item.metadata.labels.as_ref().and_then(|l| l.get(BELONGS_TO));
            let holder = Claims::holder(belongs_to.map(String::as_str), products.iter());
            Some((item.metadata.name?, holder))
        })
        .collect();
    Known::Known(Claims { namespaces })
}

/// Goes through the products that the tenant registers.
pub(crate) fn registered(scopes: &Scopes) -> impl Iterator<Item = ProductName> {
    scopes
        .tenant
        .products()
        .filter_map(|(sourced, _)| ProductName::new(sourced.identity.name.as_str()).ok())
}

/// Reads the ids on the forge from the statuses of repositories.
pub(crate) fn forge_ids(live: &crate::projection::Live) -> BTreeMap<Identity, u64> {
    live.iter()
        .filter_map(|(identity, object)| match object.resource.as_ref()? {
            Resource::CodeRepo(repo) => {
                let id = repo.status.as_ref()?.repository_id.as_ref()?;
                Some((identity.clone(), id.parse().ok()?))
            }
            _ => None,
        })
        .collect()
}
