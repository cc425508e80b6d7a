//! Custom resources of one namespace of the tenant cluster: reading, writing what differs, deleting, status.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams};
use nautes_model::kind::{API_VERSION, GROUP, KindScope, VERSION};
use nautes_model::kind::{KINDS, KindInfo};
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Identity, Kind, Resource, Sourced};
use serde_json::{Map, Value, json};

use super::{FIELD_MANAGER, PRODUCT, ProjectionError};
use crate::engine::label::{BELONGS_TO, MANAGED_BY, NAUTES};

/// The finalizer that keeps a Cluster until nothing is left in it.
pub const CLUSTER_FINALIZER: &str = "nautes.resource.nautes.io/in-use";

/// The annotation by which an operator gives up what is left in a cluster that will never answer again.
pub const ABANDON: &str = "nautes.resource.nautes.io/abandon";

/// An object of the projection as it is.
#[derive(Clone, Debug)]
pub struct LiveObject {
    /// Whether it carries our label.
    pub ours: bool,
    /// Whether it is being deleted.
    pub deleting: bool,
    /// Whether an operator has given up what is left in it (see [`ABANDON`]).
    pub abandoned: bool,
    /// Its generation, 0 if there is none.
    pub generation: i64,
    /// The resource, unless it cannot be read as one.
    pub resource: Option<Resource>,
    /// Its status, `null` if there is none.
    pub status: Value,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    finalizers: Vec<String>,
    version: Option<String>,
}

impl LiveObject {
    /// Reads an object of a kind.
    pub(crate) fn read(kind: Kind, object: &DynamicObject) -> Self {
        let labels = object.metadata.labels.clone().unwrap_or_default();
        Self {
            ours: labels.get(MANAGED_BY).is_some_and(|v| v == NAUTES),
            deleting: object.metadata.deletion_timestamp.is_some(),
            abandoned: object
                .metadata
                .annotations
                .as_ref()
                .is_some_and(|all| all.get(ABANDON).is_some_and(|v| v == "true")),
            generation: object.metadata.generation.unwrap_or_default(),
            status: object.data.get("status").cloned().unwrap_or(Value::Null),
            labels,
            annotations: object.metadata.annotations.clone().unwrap_or_default(),
            finalizers: object.metadata.finalizers.clone().unwrap_or_default(),
            version: object.metadata.resource_version.clone(),
            resource: as_resource(kind, object),
        }
    }
}

/// Returns how the tenant cluster serves a kind.
pub(crate) fn resource_of(kind: Kind) -> ApiResource {
    ApiResource {
        group: GROUP.to_owned(),
        version: VERSION.to_owned(),
        api_version: API_VERSION.to_owned(),
        kind: kind.name().to_owned(),
        plural: kind.info().plural.to_owned(),
    }
}

/// The objects of one namespace, by identity.
pub type Live = BTreeMap<Identity, Arc<LiveObject>>;

/// One namespace of the projection.
#[derive(Clone)]
pub struct Projection {
    client: kube::Client,
    namespace: String,
    product: Option<ProductName>,
    deadline: Duration,
}

impl std::fmt::Debug for Projection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Projection")
            .field("namespace", &self.namespace)
            .finish_non_exhaustive()
    }
}

impl Projection {
    /// The projection of what belongs to the tenant.
    #[must_use]
    pub fn tenant(client: kube::Client, namespace: impl Into<String>, deadline: Duration) -> Self {
        Self {
            client,
            namespace: namespace.into(),
            product: None,
            deadline,
        }
    }

    /// The projection of a product.
    #[must_use]
    pub fn product(client: kube::Client, product: ProductName, deadline: Duration) -> Self {
        Self {
            client,
            namespace: product.namespace(),
            product: Some(product),
            deadline,
        }
    }

    /// Returns the namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Reads every object of our kinds in the namespace.
    ///
    /// # Errors
    /// The tenant cluster does not answer completely; nothing is known then.
    pub async fn read(&self) -> Result<Live, ProjectionError> {
        let lists = self.kinds().map(|info| async move {
            let action = format!("listing {} in {}", info.plural, self.namespace);
            let api = self.api(info.kind);
            let list = self.timed(action, api.list(&ListParams::default())).await?;
            Ok::<_, ProjectionError>((info.kind, list.items))
        });
        let mut live = Live::new();
        for (kind, items) in futures::future::try_join_all(lists).await? {
            let items = items.into_iter().filter_map(|object| self.live(kind, &object));
            live.extend(items.map(|(identity, object)| (identity, Arc::new(object))));
        }
        Ok(live)
    }

    /// Reads one object of the namespace.
    ///
    /// # Errors
    /// The tenant cluster does not answer.
    pub async fn read_one(&self, identity: &Identity) -> Result<Option<LiveObject>, ProjectionError> {
        let api = self.api(identity.kind);
        let action = format!("reading {identity}");
        let found = self.timed(action, api.get_opt(identity.name.as_str())).await?;
        Ok(found
            .and_then(|object| self.live(identity.kind, &object))
            .map(|(_, live)| live))
    }

    /// Creates the namespace if it is not there. Returns how many writes it took.
    ///
    /// # Errors
    /// The tenant cluster refuses or does not answer.
    pub async fn ensure_namespace(&self) -> Result<u64, ProjectionError> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let action = || format!("creating namespace {}", self.namespace);
        if self
            .timed(action(), api.get_opt(&self.namespace))
            .await?
            .is_some()
        {
            return Ok(0);
        }
        let mut metadata = json!({ "name": self.namespace, "labels": { MANAGED_BY: NAUTES } });
        if let Some(product) = &self.product {
            metadata["labels"][BELONGS_TO] = json!(product.namespace());
            metadata["annotations"] = json!({ PRODUCT: product });
        }
        let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": metadata });
        let params = PatchParams::apply(FIELD_MANAGER);
        self.timed(
            action(),
            api.patch(&self.namespace, &params, &Patch::Apply(&object)),
        )
        .await?;
        Ok(1)
    }

    /// Deletes the namespace of a product if it is there and ours. Returns how many writes it took.
    ///
    /// # Errors
    /// The tenant cluster refuses or does not answer.
    pub async fn delete_namespace(&self) -> Result<u64, ProjectionError> {
        let api: Api<Namespace> = Api::all(self.client.clone());
        let action = || format!("deleting namespace {}", self.namespace);
        let Some(found) = self.timed(action(), api.get_opt(&self.namespace)).await? else {
            return Ok(0);
        };
        let ours = found
            .metadata
            .labels
            .iter()
            .flatten()
            .any(|(k, v)| k == MANAGED_BY && v == NAUTES);
        if !ours || found.metadata.deletion_timestamp.is_some() {
            return Ok(0);
        }
        let params = DeleteParams::default();
        self.unless_gone(action(), api.delete(&self.namespace, &params))
            .await
    }

    /// Writes what differs from `wanted`; deletes nothing. Returns how many writes it took.
    ///
    /// # Errors
    /// The tenant cluster refuses an object or does not answer; the others are written all the same.
    pub async fn write(&self, wanted: &[&Sourced], live: &Live) -> Result<u64, ProjectionError> {
        let mut writes = 0;
        let mut failed = None;
        for resource in wanted {
            match self
                .write_one(resource, live.get(&resource.identity).map(|live| &**live))
                .await
            {
                Ok(count) => writes += count,
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(writes), Err)
    }

    /// Deletes an object. Returns how many writes it took.
    ///
    /// # Errors
    /// The tenant cluster refuses or does not answer.
    pub async fn delete(&self, identity: &Identity) -> Result<u64, ProjectionError> {
        let api = self.api(identity.kind);
        let action = format!("deleting {identity}");
        let params = DeleteParams::default();
        self.unless_gone(action, api.delete(identity.name.as_str(), &params))
            .await
    }

    /// Takes our finalizer from an object that is being deleted. Returns how many writes it took.
    ///
    /// # Errors
    /// The tenant cluster refuses or does not answer.
    pub async fn release(&self, identity: &Identity, live: &LiveObject) -> Result<u64, ProjectionError> {
        if !live.finalizers.iter().any(|f| f == CLUSTER_FINALIZER) {
            return Ok(0);
        }
        let left: Vec<&String> = live
            .finalizers
            .iter()
            .filter(|f| *f != CLUSTER_FINALIZER)
            .collect();
        let patch = json!({ "metadata": { "finalizers": left, "resourceVersion": live.version } });
        let patch = Patch::Merge(&patch);
        let api = self.api(identity.kind);
        let params = as_ourselves();
        let action = format!("releasing {identity}");
        self.unless_gone(action, api.patch(identity.name.as_str(), &params, &patch))
            .await
    }

    /// Makes the status of an object `wanted`. Returns how many writes it took.
    ///
    /// # Errors
    /// The tenant cluster refuses or does not answer.
    pub async fn write_status(
        &self,
        identity: &Identity,
        live: &LiveObject,
        wanted: &Value,
    ) -> Result<u64, ProjectionError> {
        let Some(difference) = merge_difference(&live.status, wanted) else {
            return Ok(0);
        };
        let api = self.api(identity.kind);
        let patch = json!({ "status": difference });
        let patch = Patch::Merge(&patch);
        let params = as_ourselves();
        let action = format!("writing the status of {identity}");
        // An object that has gone in between has nothing left to be said about it.
        self.unless_gone(action, api.patch_status(identity.name.as_str(), &params, &patch))
            .await
    }

    fn kinds(&self) -> impl Iterator<Item = &'static KindInfo> + use<> {
        let scope = match self.product {
            Some(_) => KindScope::Product,
            None => KindScope::Tenant,
        };
        KINDS.iter().filter(move |info| info.scope == scope)
    }

    fn api(&self, kind: Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &resource_of(kind))
    }

    fn live(&self, kind: Kind, object: &DynamicObject) -> Option<(Identity, LiveObject)> {
        let identity = Identity {
            kind,
            product: self.product.clone(),
            name: ResourceName::new(object.metadata.name.as_deref()?).ok()?,
        };
        Some((identity, LiveObject::read(kind, object)))
    }

    async fn write_one(&self, wanted: &Sourced, live: Option<&LiveObject>) -> Result<u64, ProjectionError> {
        let identity = &wanted.identity;
        let object = self.object(wanted)?;
        if live.is_some_and(|live| live.deleting || agrees(live, &object)) {
            return Ok(0);
        }
        let api = self.api(identity.kind);
        let name = identity.name.as_str();
        let action = || format!("writing {identity}");
        let applied = self
            .timed(
                action(),
                api.patch(
                    name,
                    &PatchParams::apply(FIELD_MANAGER).force(),
                    &Patch::Apply(&object),
                ),
            )
            .await?;
        let Some((_, after)) = self.live(identity.kind, &applied) else {
            return Ok(1);
        };
        if agrees(&after, &object) {
            return Ok(1);
        }
        // A field that somebody else added stays when it is merely applied: the whole spec is put in its place.
        let mut whole = applied;
        whole.data["spec"] = object["spec"].clone();
        self.timed(action(), api.replace(name, &PostParams::default(), &whole))
            .await?;
        Ok(2)
    }

    fn object(&self, wanted: &Sourced) -> Result<Value, ProjectionError> {
        let mut value =
            wanted
                .resource
                .without_status()
                .to_json()
                .map_err(|source| ProjectionError::Json {
                    what: wanted.identity.to_string(),
                    source,
                })?;
        let from = wanted.resource.metadata();
        let mut labels: BTreeMap<String, String> = from.labels.clone().unwrap_or_default();
        labels.insert(MANAGED_BY.to_owned(), NAUTES.to_owned());
        if let Some(product) = &self.product {
            labels.insert(BELONGS_TO.to_owned(), product.namespace());
        }
        let mut metadata = json!({
            "name": wanted.identity.name, "namespace": self.namespace, "labels": labels,
        });
        if let Some(annotations) = from.annotations.as_ref().filter(|a| !a.is_empty()) {
            metadata["annotations"] = json!(annotations);
        }
        if wanted.identity.kind == Kind::Cluster {
            metadata["finalizers"] = json!([CLUSTER_FINALIZER]);
        }
        value["metadata"] = metadata;
        Ok(value)
    }

    async fn unless_gone<T>(
        &self,
        action: String,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<u64, ProjectionError> {
        match tokio::time::timeout(self.deadline, call).await {
            Err(_) => Err(ProjectionError::Late { action }),
            Ok(Ok(_)) => Ok(1),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => Ok(0),
            Ok(Err(error)) => Err(ProjectionError::cluster(action)(error)),
        }
    }

    async fn timed<T>(
        &self,
        action: String,
        call: impl Future<Output = kube::Result<T>>,
    ) -> Result<T, ProjectionError> {
        match tokio::time::timeout(self.deadline, call).await {
            Ok(result) => result.map_err(ProjectionError::cluster(action)),
            Err(_) => Err(ProjectionError::Late { action }),
        }
    }
}

/// Returns the products that have a namespace in the tenant cluster.
///
/// # Errors
/// The tenant cluster does not answer.
pub async fn product_namespaces(
    client: &kube::Client,
    deadline: Duration,
) -> Result<BTreeSet<ProductName>, ProjectionError> {
    let api: Api<Namespace> = Api::all(client.clone());
    let params = ListParams::default().labels(&format!("{MANAGED_BY}={NAUTES},{BELONGS_TO}"));
    let action = || "listing the namespaces of products".to_owned();
    let list = tokio::time::timeout(deadline, api.list(&params))
        .await
        .map_err(|_| ProjectionError::Late { action: action() })?
        .map_err(ProjectionError::cluster(action()))?;
    Ok(list
        .items
        .into_iter()
        .filter(|namespace| namespace.metadata.deletion_timestamp.is_none())
        .filter_map(|namespace| {
            let product = ProductName::new(namespace.metadata.annotations?.get(PRODUCT)?).ok()?;
            (namespace.metadata.name? == product.namespace()).then_some(product)
        })
        .collect())
}

/// Returns the products that have an object of ours in the namespace of the tenant: it is the last that goes.
///
/// # Errors
/// The tenant cluster does not answer.
pub async fn projected_products(
    client: &kube::Client,
    namespace: &str,
    deadline: Duration,
) -> Result<BTreeSet<ProductName>, ProjectionError> {
    let api: Api<DynamicObject> =
        Api::namespaced_with(client.clone(), namespace, &resource_of(Kind::Product));
    let params = ListParams::default().labels(&format!("{MANAGED_BY}={NAUTES}"));
    let action = || format!("listing products in {namespace}");
    let list = tokio::time::timeout(deadline, api.list(&params))
        .await
        .map_err(|_| ProjectionError::Late { action: action() })?
        .map_err(ProjectionError::cluster(action()))?;
    let names = list.items.into_iter().filter_map(|product| product.metadata.name);
    Ok(names.filter_map(|name| ProductName::new(name).ok()).collect())
}

fn as_ourselves() -> PatchParams {
    PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    }
}

/// Reads a live object as a resource. Lists leave out `apiVersion` and `kind`.
fn as_resource(kind: Kind, object: &DynamicObject) -> Option<Resource> {
    let mut value = serde_json::to_value(object).ok()?;
    value["apiVersion"] = json!(API_VERSION);
    value["kind"] = json!(kind.name());
    Resource::from_json(value).ok()
}

/// Whether a live object says what `wanted` says. The specs are compared as the kind reads them, so that
/// defaults filled in by the cluster are no difference.
fn agrees(live: &LiveObject, wanted: &Value) -> bool {
    let has = |have: &BTreeMap<String, String>, want: &Value| {
        want.as_object()
            .into_iter()
            .flatten()
            .all(|(key, value)| have.get(key).map(String::as_str) == value.as_str())
    };
    let metadata = &wanted["metadata"];
    let finalizers = metadata["finalizers"].as_array().into_iter().flatten();
    let same_spec = || {
        let live = live.resource.as_ref().and_then(|r| r.to_json().ok());
        let wanted = Resource::from_json(wanted.clone())
            .ok()
            .and_then(|r| r.to_json().ok());
        matches!((live, wanted), (Some(live), Some(wanted)) if live["spec"] == wanted["spec"])
    };
    has(&live.labels, &metadata["labels"])
        && has(&live.annotations, &metadata["annotations"])
        && finalizers
            .filter_map(Value::as_str)
            .all(|wanted| live.finalizers.iter().any(|f| f == wanted))
        && same_spec()
}

/// Returns the JSON merge patch that leads from `have` to `want`, `None` if they are the same.
pub fn merge_difference(have: &Value, want: &Value) -> Option<Value> {
    if have == want {
        return None;
    }
    let (Some(have), Some(want)) = (have.as_object(), want.as_object()) else {
        return Some(want.clone());
    };
    let mut patch = Map::new();
    for key in have.keys().filter(|key| !want.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in want {
        let before = have.get(key).unwrap_or(&Value::Null);
        if let Some(difference) = merge_difference(before, value) {
            patch.insert(key.clone(), difference);
        }
    }
    Some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_merge_difference_names_only_what_differs() {
        let have = json!({ "a": 1, "b": { "c": 1, "d": 2 }, "gone": 1, "list": [1, 2] });
        let want = json!({ "a": 1, "b": { "c": 1, "d": 3 }, "new": 1, "list": [1] });
        assert_eq!(
            merge_difference(&have, &want),
            Some(json!({ "b": { "d": 3 }, "gone": null, "new": 1, "list": [1] }))
        );
        assert_eq!(merge_difference(&have, &have), None);
        assert_eq!(merge_difference(&Value::Null, &want), Some(want));
    }
}
