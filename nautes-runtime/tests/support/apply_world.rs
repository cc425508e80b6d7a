//! A local cluster, a secret store, and short words for plans.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::client::Body;
use kube::core::ApiResource;
use nautes_model::name::{ClusterName, ProductName};
use nautes_model::secret::SecretRef;
use nautes_model::{Identity, Kind, Secret};
use nautes_runtime::apply::{
    Applied, ApplyError, Cache, Hold, RemovalPolicy, Strategy, Target, Unit, apply, remove_all,
};
use nautes_runtime::plan::{ClusterPlan, Planned, SecretMaterial};
use nautes_vault::{Expect, LocalStore, MasterKey, SecretStore};
use serde_json::{Value, json};

use crate::cluster::Cluster;

pub(crate) struct World {
    pub(crate) cluster: Cluster,
    pub(crate) store: Arc<LocalStore>,
    pub(crate) cache: Cache,
    pub(crate) name: ClusterName,
}

impl World {
    pub(crate) async fn new() -> Self {
        Self {
            cluster: Cluster::start("test").await,
            store: Arc::new(LocalStore::in_memory(&MasterKey::generate().unwrap()).unwrap()),
            cache: Cache::new(),
            name: "test".parse().unwrap(),
        }
    }

    pub(crate) fn target(&self) -> Target<'_> {
        self.target_with(self.cluster.client())
    }

    pub(crate) fn target_with(&self, client: kube::Client) -> Target<'_> {
        Target::new(&self.name, client, &*self.store, &self.cache)
    }

    pub(crate) async fn apply(&self, product: &str, plan: &ClusterPlan) -> Applied {
        self.apply_holding(product, plan, &Hold::default()).await
    }

    pub(crate) async fn apply_holding(&self, product: &str, plan: &ClusterPlan, hold: &Hold) -> Applied {
        let removal = RemovalPolicy::EXPLICIT;
        self.pass(product, plan, hold, Strategy::Apply, removal).await
    }

    pub(crate) async fn pass(
        &self,
        product: &str,
        plan: &ClusterPlan,
        hold: &Hold,
        how: Strategy,
        removal: RemovalPolicy,
    ) -> Applied {
        apply(&self.target(), &unit(product), plan, hold, how, removal)
            .await
            .unwrap()
    }

    pub(crate) async fn apply_with(
        &self,
        client: kube::Client,
        product: &str,
        plan: &ClusterPlan,
    ) -> Result<Applied, ApplyError> {
        let (hold, removal) = (Hold::default(), RemovalPolicy::EXPLICIT);
        let target = self.target_with(client);
        apply(&target, &unit(product), plan, &hold, Strategy::Apply, removal).await
    }

    pub(crate) async fn remove_all(&self, product: &str) -> Applied {
        let (hold, removal) = (Hold::default(), RemovalPolicy::EXPLICIT);
        remove_all(&self.target(), &unit(product), &hold, Strategy::Apply, removal)
            .await
            .unwrap()
    }

    /// Passes until nothing is pending, with a bound.
    pub(crate) async fn remove_all_until_gone(&self, product: &str) {
        let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
        let mut interval = tokio::time::interval(Duration::from_millis(10));
        while tokio::time::Instant::now() < deadline {
            let applied = self.remove_all(product).await;
            assert!(applied.failed.is_empty(), "{applied:?}");
            if applied.pending_deletion.is_empty() && applied.inventory == 0 {
                return;
            }
            interval.tick().await;
        }
        panic!("{product} is not gone");
    }

    pub(crate) fn api(&self, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
        api(&self.cluster.client(), kind, namespace)
    }

    pub(crate) async fn get(&self, kind: &str, namespace: Option<&str>, name: &str) -> Option<Value> {
        let found = self.api(kind, namespace).get_opt(name).await.unwrap();
        found.map(|object| serde_json::to_value(object).unwrap())
    }

    /// Makes or changes an object as somebody else.
    pub(crate) async fn by_hand(&self, object: Value) {
        let kind = object["kind"].as_str().unwrap().to_owned();
        let name = object["metadata"]["name"].as_str().unwrap().to_owned();
        let namespace = object["metadata"]["namespace"].as_str().map(str::to_owned);
        let params = PatchParams::apply("somebody").force();
        self.api(&kind, namespace.as_deref())
            .patch(&name, &params, &Patch::Apply(&object))
            .await
            .unwrap();
    }

    /// Edits an object as somebody else, with a merge patch.
    pub(crate) async fn edit(&self, kind: &str, namespace: Option<&str>, name: &str, patch: Value) {
        self.api(kind, namespace)
            .patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
    }

    pub(crate) async fn secret(&self, reference: &SecretRef, value: &str) {
        let values = BTreeMap::from([(reference.key.clone(), Secret::from(value))]);
        let _ = self
            .store
            .write(&reference.path, values, Expect::Any)
            .await
            .unwrap();
    }

    /// Every object in the cluster of the kinds that tests use, without what the server decides.
    pub(crate) async fn everything(&self) -> BTreeMap<String, Value> {
        let mut all = BTreeMap::new();
        for kind in [
            "Namespace",
            "ServiceAccount",
            "ConfigMap",
            "Secret",
            "RoleBinding",
            "Service",
        ] {
            for object in self.api(kind, None).list(&Default::default()).await.unwrap() {
                let mut value = serde_json::to_value(object).unwrap();
                let metadata = value["metadata"].as_object_mut().unwrap();
                for field in ["uid", "resourceVersion", "creationTimestamp", "managedFields"] {
                    metadata.remove(field);
                }
                let name = format!(
                    "{kind} {} {}",
                    value["metadata"]["namespace"], value["metadata"]["name"]
                );
                if value["metadata"]["namespace"] == "nautes-inventory" || !is_of_tests(&value) {
                    continue;
                }
                if let Some(spec) = value["spec"].as_object_mut() {
                    spec.retain(|field, _| !field.starts_with("clusterIP"));
                }
                all.insert(name, value);
            }
        }
        all
    }
}

/// False of what Kubernetes makes of its own.
fn is_of_tests(object: &Value) -> bool {
    let own = |name: &str| name == "default" || name == "kube-root-ca.crt" || name.starts_with("kube-");
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    !own(&text("namespace")) && !own(&text("name"))
}

pub(crate) fn api(client: &kube::Client, kind: &str, namespace: Option<&str>) -> Api<DynamicObject> {
    let (group, plural) = match kind {
        "Role" => ("rbac.authorization.k8s.io", "roles"),
        "RoleBinding" => ("rbac.authorization.k8s.io", "rolebindings"),
        "ClusterRole" => ("rbac.authorization.k8s.io", "clusterroles"),
        "Deployment" => ("apps", "deployments"),
        "StatefulSet" => ("apps", "statefulsets"),
        "ConfigMap" => ("", "configmaps"),
        "Namespace" => ("", "namespaces"),
        "Secret" => ("", "secrets"),
        "Service" => ("", "services"),
        "ServiceAccount" => ("", "serviceaccounts"),
        other => panic!("{other}"),
    };
    let api_version = if group.is_empty() {
        "v1".to_owned()
    } else {
        format!("{group}/v1")
    };
    let resource = ApiResource {
        group: group.to_owned(),
        version: "v1".to_owned(),
        api_version,
        kind: kind.to_owned(),
        plural: plural.to_owned(),
    };
    match namespace {
        Some(namespace) => Api::namespaced_with(client.clone(), namespace, &resource),
        None => Api::all_with(client.clone(), &resource),
    }
}

pub(crate) fn unit(product: &str) -> Unit {
    Unit::product(product.parse().unwrap())
}

pub(crate) fn owner(name: &str) -> Identity {
    let product: ProductName = "demo".parse().unwrap();
    Identity::product(Kind::Environment, product, name.parse().unwrap())
}

pub(crate) fn planned(object: Value, owners: &[&str]) -> Planned {
    Planned {
        object,
        owners: owners.iter().map(|name| owner(name)).collect(),
        secrets: BTreeMap::new(),
    }
}

pub(crate) fn with_secret(mut planned: Planned, pointer: &str, reference: &SecretRef) -> Planned {
    let material = SecretMaterial {
        reference: reference.clone(),
        digest: None,
    };
    planned.secrets.insert(pointer.to_owned(), material);
    planned
}

pub(crate) fn plan(waves: Vec<Vec<Planned>>) -> ClusterPlan {
    ClusterPlan {
        waves,
        ..ClusterPlan::default()
    }
}

pub(crate) fn hold(owners: &[&str]) -> Hold {
    Hold {
        owners: owners.iter().map(|name| owner(name)).collect(),
        ..Hold::default()
    }
}

pub(crate) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

pub(crate) fn config(namespace: &str, name: &str, data: Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace}, "data": data,
    })
}

pub(crate) fn account(namespace: &str, name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": namespace}})
}

pub(crate) fn binding(namespace: &str, name: &str, account: &str, role: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
        "metadata": {"name": name, "namespace": namespace},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}],
    })
}

pub(crate) fn secret(namespace: &str, name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "type": "Opaque",
        "metadata": {"name": name, "namespace": namespace},
    })
}

/// A plan with one object of every kind that products usually have.
pub(crate) fn usual(space: &str) -> ClusterPlan {
    let service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "namespace": space},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]},
    });
    let deployment = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": space},
        "spec": {
            "replicas": 1, "selector": {"matchLabels": {"app": "web"}},
            "template": {
                "metadata": {"labels": {"app": "web"}},
                "spec": {"containers": [{
                    "name": "web", "image": "web:1", "env": [{"name": "A", "value": "b"}],
                    "ports": [{"containerPort": 8080}], "resources": {"limits": {"cpu": "1000m"}},
                }]},
            },
        },
    });
    plan(vec![
        vec![planned(namespace(space), &["dev", "test"])],
        vec![
            planned(account(space, "runner"), &["dev"]),
            planned(binding(space, "runner", "runner", "admin"), &["dev"]),
        ],
        vec![],
        vec![
            planned(config(space, "settings", json!({"a": "1", "b": "2"})), &["dev"]),
            planned(service, &["dev"]),
            planned(deployment, &["test"]),
        ],
    ])
}

pub(crate) fn names(keys: &[nautes_runtime::object::ObjectKey]) -> BTreeSet<String> {
    keys.iter().map(ToString::to_string).collect()
}

/// When a request that writes is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// It does not reach the server.
    Before,
    /// It reaches the server, and the answer is lost.
    After,
}

/// A client that lets `allowed` requests that write through, cuts the next one, and fails from then on.
pub(crate) fn failing(client: kube::Client, allowed: usize, cut: Cut) -> kube::Client {
    let count = Arc::new(AtomicUsize::new(0));
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (client, count) = (client.clone(), count.clone());
        async move {
            let is_write = request.method() != http::Method::GET;
            let before = if is_write {
                count.fetch_add(1, Ordering::SeqCst)
            } else {
                count.load(Ordering::SeqCst).saturating_sub(1)
            };
            if before > allowed || (is_write && before == allowed && cut == Cut::Before) {
                return Err(std::io::Error::other("cut"));
            }
            let answer = client.send(request).await.map_err(std::io::Error::other)?;
            if is_write && before == allowed {
                return Err(std::io::Error::other("cut"));
            }
            Ok(answer)
        }
    });
    kube::Client::new(service, "default")
}
