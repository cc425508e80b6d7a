//! Which clusters get which secret, and whether they have its newest value.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::Timestamp;
use nautes_model::name::{ClusterName, ProductName};
use nautes_model::secret::SecretPath;
use nautes_model::{ProductScope, Resource};

use super::state::{Shared, lock};
use crate::plan::{ClusterPlan, Plan};

/// When the last pass began that put every object with a secret into a cluster, by product and cluster.
pub(crate) type Since = BTreeMap<(ProductName, ClusterName), Timestamp>;

/// Since when clusters are in line, and who waits for it.
#[derive(Debug, Default)]
pub(crate) struct InLine {
    pub(crate) since: Since,
    /// Products with a credential that ends when clusters have the one after it.
    waiting: BTreeSet<ProductName>,
}

impl InLine {
    /// Takes note that a cluster is in line, and returns who waited for such news.
    pub(crate) fn came(
        &mut self,
        product: &ProductName,
        cluster: &ClusterName,
        began: Timestamp,
    ) -> BTreeSet<ProductName> {
        self.since.insert((product.clone(), cluster.clone()), began);
        std::mem::take(&mut self.waiting)
    }

    /// Lets a product wait for news, unless there is some that it has not `seen`. Returns whether it waits.
    pub(crate) fn wait(&mut self, product: &ProductName, seen: &Since) -> bool {
        let nothing_new = self.since == *seen;
        if nothing_new {
            self.waiting.insert(product.clone());
        }
        nothing_new
    }
}

/// Who reads what.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    pub(crate) plans: BTreeMap<ProductName, Arc<Plan>>,
    pub(crate) in_line: Since,
    /// Clusters of each product's environments that do not answer. What is planned for them is not known, so they count
    /// as getting every secret that the product may have.
    pub(crate) silent: BTreeMap<ProductName, BTreeSet<ClusterName>>,
}

impl Readers {
    /// Reads what is known now.
    pub(crate) fn of(shared: &Shared) -> Self {
        let world = shared.world();
        let silent = |scope: &ProductScope| -> BTreeSet<ClusterName> {
            let environments = scope.resources.iter().filter_map(|s| match &s.resource {
                Resource::Environment(environment) => environment.spec.cluster.parse().ok(),
                _ => None,
            });
            environments
                .filter(|cluster| shared.cluster(cluster).answers != Some(true))
                .collect()
        };
        let products = &world.scopes().products;
        Self {
            plans: shared.plans(),
            in_line: lock(&shared.in_line).since.clone(),
            silent: products
                .iter()
                .map(|(name, scope)| (name.clone(), silent(scope)))
                .collect(),
        }
    }

    /// Names a cluster that gets a secret and was not brought in line since an instant; `None` if there is none.
    /// `products` are those that may have the secret.
    pub(crate) fn behind(
        &self,
        secret: &SecretPath,
        products: &BTreeSet<ProductName>,
        since: Timestamp,
    ) -> Option<&ClusterName> {
        let reads = |planned: &ClusterPlan| {
            let mut materials = planned.objects().flat_map(|object| object.secrets.values());
            materials.any(|material| material.reference.path == *secret)
        };
        let planned = self.plans.iter().flat_map(|(product, plan)| {
            let clusters = plan.clusters.iter().filter(|(_, planned)| reads(planned));
            clusters.map(move |(cluster, _)| (product, cluster))
        });
        let silent = self
            .silent
            .iter()
            .filter(|(product, _)| products.contains(*product));
        let silent = silent.flat_map(|(product, clusters)| clusters.iter().map(move |c| (product, c)));
        let is_behind = |product: &ProductName, cluster: &ClusterName| {
            let at = self.in_line.get(&(product.clone(), cluster.clone()));
            at.is_none_or(|at| *at < since)
        };
        let mut all = planned.chain(silent);
        all.find(|(product, cluster)| is_behind(product, cluster))
            .map(|(_, cluster)| cluster)
    }
}

#[cfg(test)]
mod tests {
    use nautes_model::secret::SecretRef;
    use serde_json::json;

    use super::*;
    use crate::plan::{Planned, SecretMaterial};

    #[test]
    fn a_cluster_that_gets_a_secret_is_behind_until_it_was_brought_in_line() {
        let secret = SecretPath::new("git/gitlab/shop-web/default/readonly").unwrap();
        let material = SecretMaterial {
            reference: SecretRef {
                path: secret.clone(),
                key: "deploykey".to_owned(),
            },
            digest: None,
        };
        let mut object = Planned::plain(json!({}), &BTreeSet::new());
        object.secrets.insert("/data/key".to_owned(), material);
        let planned = ClusterPlan {
            waves: vec![vec![object]],
            ..ClusterPlan::default()
        };
        let (product, cluster): (ProductName, ClusterName) =
            ("shop".parse().unwrap(), "live".parse().unwrap());
        let mut plan = Plan::default();
        plan.clusters.insert(cluster.clone(), planned);
        plan.clusters
            .insert("other".parse().unwrap(), ClusterPlan::default());
        let at = |second| Timestamp::from_second(second).unwrap();
        let mut readers = Readers {
            plans: BTreeMap::from([(product.clone(), Arc::new(plan))]),
            ..Readers::default()
        };
        let behind = |readers: &Readers, secret: &SecretPath, of: &[&ProductName], second| {
            let products = of.iter().map(|p| (*p).clone()).collect();
            readers
                .behind(secret, &products, at(second))
                .map(ToString::to_string)
        };
        let live = Some("live".to_owned());
        assert_eq!(behind(&readers, &secret, &[], 5), live);
        readers.in_line.insert((product.clone(), cluster.clone()), at(4));
        assert_eq!(behind(&readers, &secret, &[], 5), live);
        readers.in_line.insert((product.clone(), cluster), at(5));
        assert_eq!(behind(&readers, &secret, &[], 5), None);
        assert_eq!(
            behind(&readers, &SecretPath::new("git/other").unwrap(), &[], 9),
            None
        );
        // Nobody knows what one that is silent has.
        let silent = BTreeSet::from(["far".parse().unwrap()]);
        readers.silent.insert(product.clone(), silent);
        assert_eq!(behind(&readers, &secret, &[], 5), None);
        assert_eq!(behind(&readers, &secret, &[&product], 5), Some("far".to_owned()));
    }

    #[test]
    fn whoever_waits_is_told_of_what_he_has_not_seen() {
        let (product, cluster): (ProductName, ClusterName) =
            ("shop".parse().unwrap(), "live".parse().unwrap());
        let at = Timestamp::from_second(5).unwrap();
        let mut line = InLine::default();
        let seen = line.since.clone();
        assert!(line.came(&product, &cluster, at).is_empty());
        assert!(!line.wait(&product, &seen), "something came meanwhile");
        let seen = line.since.clone();
        assert!(line.wait(&product, &seen));
        assert_eq!(
            line.came(&product, &cluster, at),
            BTreeSet::from([product.clone()])
        );
        assert!(line.came(&product, &cluster, at).is_empty(), "once");
    }
}
