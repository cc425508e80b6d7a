//! Statuses as they change: what the projection says, kept up to date by what is seen of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nautes_model::condition::{self, READY};
use nautes_model::kind::KINDS;
use nautes_model::name::{ProductName, ResourceName};
use nautes_model::{Identity, Kind};

use super::{StatusNode, blank, details, judge};
use crate::controller::conditions_of;
use crate::projection::follow::{At, Seen};
use crate::projection::objects::{Live, LiveObject};

/// A resource whose status is another than before.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusChange {
    /// The resource.
    pub resource: Identity,
    /// What it was; `None` for what was not there.
    pub before: Option<StatusNode>,
    /// What it is; `None` for what is gone.
    pub now: Option<StatusNode>,
}

/// The statuses of everything that is projected. It takes what is seen, and says what has changed by it.
///
/// A status is judged by its object alone: it is `Pending` while the conditions speak of an older generation. Whether
/// the object is what the repository declares by now is not looked at here; `observedRevision` says of which commit it is.
#[derive(Debug, Default)]
pub struct Statuses {
    tenant: String,
    objects: BTreeMap<Kind, BTreeMap<At, Kept>>,
    /// The products by their namespaces, as far as they are projected.
    products: BTreeMap<String, ProductName>,
    listed: BTreeSet<Kind>,
    interrupted: BTreeSet<Kind>,
    /// How often something was seen in a namespace.
    seen: BTreeMap<String, u64>,
}

#[derive(Clone, Debug)]
struct Kept {
    node: StatusNode,
    object: Arc<LiveObject>,
}

impl Statuses {
    /// Begins with nothing; the namespace is that of what belongs to the tenant.
    #[must_use]
    pub fn new(tenant_namespace: impl Into<String>) -> Self {
        Self {
            tenant: tenant_namespace.into(),
            ..Self::default()
        }
    }

    /// Whether every kind has been listed once.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.listed.len() == KINDS.len()
    }

    /// Whether every kind has been listed and is followed now, so that what is kept is what there is.
    #[must_use]
    pub fn is_current(&self) -> bool {
        self.is_complete() && self.interrupted.is_empty()
    }

    /// Returns the objects of a product, or of the tenant, with a number that is another after each change of them.
    #[must_use]
    pub fn live(&self, product: Option<&ProductName>) -> (u64, Live) {
        let namespace = product.map_or_else(|| self.tenant.clone(), ProductName::namespace);
        let mut live = Live::new();
        for (kind, all) in &self.objects {
            if kind.is_of_product() != product.is_some() {
                continue;
            }
            let from = (namespace.clone(), String::new());
            for ((_, name), kept) in all.range(from..).take_while(|((of, _), _)| *of == namespace) {
                let Ok(name) = ResourceName::new(name) else {
                    continue;
                };
                let identity = match product {
                    Some(product) => Identity::product(*kind, product.clone(), name),
                    None => Identity::tenant(*kind, name),
                };
                live.insert(identity, Arc::clone(&kept.object));
            }
        }
        (self.changes(product), live)
    }

    /// Returns a number that is another after each change of the objects of a product, or of the tenant.
    #[must_use]
    pub fn changes(&self, product: Option<&ProductName>) -> u64 {
        let namespace = product.map_or_else(|| self.tenant.clone(), ProductName::namespace);
        self.seen.get(&namespace).copied().unwrap_or_default()
    }

    /// Goes through the statuses, in order of identity.
    pub fn iter(&self) -> impl Iterator<Item = StatusNode> + '_ {
        self.objects.iter().flat_map(move |(kind, all)| {
            all.iter().filter_map(move |(at, kept)| {
                let mut node = kept.node.clone();
                node.resource = self.identity(*kind, at)?;
                Some(node)
            })
        })
    }

    /// Takes what was seen, and returns what has changed by it.
    pub fn take(&mut self, seen: Seen) -> Vec<StatusChange> {
        let mut changes = Vec::new();
        match seen {
            Seen::Interrupted(kind, _) => {
                self.interrupted.insert(kind);
            }
            Seen::Put(kind, at, live) => self.put(kind, &at, &live, &mut changes),
            Seen::Gone(kind, at) => self.gone(kind, &at, &mut changes),
            Seen::All(kind, mut all) => {
                self.listed.insert(kind);
                self.interrupted.remove(&kind);
                let old = self.objects.get(&kind).into_iter().flat_map(BTreeMap::keys);
                let gone: Vec<At> = old.filter(|at| !all.contains_key(*at)).cloned().collect();
                gone.iter().for_each(|at| self.gone(kind, at, &mut changes));
                while let Some((at, live)) = all.pop_first() {
                    self.put(kind, &at, &live, &mut changes);
                }
            }
        }
        changes
    }

    fn put(&mut self, kind: Kind, at: &At, live: &Arc<LiveObject>, changes: &mut Vec<StatusChange>) {
        let Some(node) = status(kind, at, live) else {
            return;
        };
        *self.seen.entry(at.0.clone()).or_default() += 1;
        if kind == Kind::Product && at.0 == self.tenant {
            self.learn(&at.1, changes);
        }
        let kept = Kept {
            node: node.clone(),
            object: Arc::clone(live),
        };
        let before = self.objects.entry(kind).or_default().insert(at.clone(), kept);
        let before = before.map(|kept| kept.node);
        if before.as_ref() == Some(&node) {
            return;
        }
        if let Some(resource) = self.identity(kind, at) {
            let named = |mut node: StatusNode| {
                node.resource = resource.clone();
                node
            };
            changes.push(StatusChange {
                before: before.map(named),
                now: Some(named(node)),
                resource: resource.clone(),
            });
        }
    }

    fn gone(&mut self, kind: Kind, at: &At, changes: &mut Vec<StatusChange>) {
        let Some(Kept { node: before, .. }) = self.objects.get_mut(&kind).and_then(|all| all.remove(at))
        else {
            return;
        };
        *self.seen.entry(at.0.clone()).or_default() += 1;
        if let Some(resource) = self.identity(kind, at) {
            changes.push(StatusChange {
                before: Some(StatusNode {
                    resource: resource.clone(),
                    ..before
                }),
                now: None,
                resource,
            });
        }
    }

    /// Takes note of a product: what was seen in its namespace before has a name now.
    fn learn(&mut self, name: &str, changes: &mut Vec<StatusChange>) {
        let Ok(product) = ProductName::new(name) else {
            return;
        };
        let namespace = product.namespace();
        if self.products.contains_key(&namespace) {
            return;
        }
        self.products.insert(namespace.clone(), product);
        for (kind, all) in self.objects.iter().filter(|(kind, _)| kind.is_of_product()) {
            for (at, kept) in all.iter().filter(|(at, _)| at.0 == namespace) {
                if let Some(resource) = self.identity(*kind, at) {
                    let mut node = kept.node.clone();
                    node.resource = resource.clone();
                    changes.push(StatusChange {
                        resource,
                        before: None,
                        now: Some(node),
                    });
                }
            }
        }
    }

    fn identity(&self, kind: Kind, (namespace, name): &At) -> Option<Identity> {
        let name = ResourceName::new(name).ok()?;
        if kind.is_of_product() {
            return Some(Identity::product(
                kind,
                self.products.get(namespace)?.clone(),
                name,
            ));
        }
        (*namespace == self.tenant).then(|| Identity::tenant(kind, name))
    }
}

/// What an object says by itself. Its identity is put in where it is known.
fn status(kind: Kind, at: &At, live: &LiveObject) -> Option<StatusNode> {
    let mut node = blank(&Identity::tenant(kind, ResourceName::new(&at.1).ok()?));
    details(&mut node, live);
    if live.deleting {
        "Removing".clone_into(&mut node.reason);
        "it is being removed".clone_into(&mut node.message);
        return Some(node);
    }
    let conditions = conditions_of(&live.status);
    let observed = live
        .status
        .get("observedGeneration")
        .and_then(serde_json::Value::as_i64);
    let speaks_of_it = observed.is_none_or(|seen| seen >= live.generation);
    match condition::find(&conditions, READY).filter(|_| speaks_of_it) {
        Some(ready) => judge(&mut node, ready, &conditions),
        None => "what is declared has not been worked on yet".clone_into(&mut node.message),
    }
    Some(node)
}

#[cfg(test)]
mod tests {
    use kube::api::DynamicObject;
    use serde_json::json;

    use super::*;

    fn object(namespace: &str, name: &str, generation: i64, ready: &str) -> (At, Arc<LiveObject>) {
        let object: DynamicObject = serde_json::from_value(json!({
            "metadata": { "namespace": namespace, "name": name, "generation": generation },
            "status": {
                "observedGeneration": 1, "revision": "abc",
                "conditions": [{
                    "type": "Ready", "status": ready, "reason": "R", "message": "m",
                    "lastTransitionTime": "2024-01-01T00:00:00Z",
                }],
            },
        }))
        .unwrap();
        let at = (namespace.to_owned(), name.to_owned());
        (at, Arc::new(LiveObject::read(Kind::Project, &object)))
    }

    fn put(statuses: &mut Statuses, kind: Kind, (at, live): (At, Arc<LiveObject>)) -> Vec<StatusChange> {
        statuses.take(Seen::Put(kind, at, live))
    }

    #[test]
    fn what_is_seen_before_its_product_is_told_with_it() {
        let mut all = Statuses::new("nautes");
        let project = object("product-shop", "web", 1, "True");
        assert!(put(&mut all, Kind::Project, project.clone()).is_empty());
        let told = put(&mut all, Kind::Product, object("nautes", "shop", 1, "True"));
        let names: Vec<String> = told.iter().map(|c| c.resource.to_string()).collect();
        assert_eq!(names, ["Project/shop/web", "Product/shop"]);
        assert!(put(&mut all, Kind::Project, project).is_empty(), "it is the same");
        let elsewhere = object("product-shop", "other", 1, "True");
        assert!(
            put(&mut all, Kind::Product, elsewhere).is_empty(),
            "only the tenant has products"
        );
    }

    #[test]
    fn an_old_observation_is_not_ready() {
        let mut all = Statuses::new("nautes");
        put(&mut all, Kind::Product, object("nautes", "shop", 1, "True"));
        let state = |changes: Vec<StatusChange>| changes[0].now.clone().unwrap().state;
        let new = put(&mut all, Kind::Project, object("product-shop", "web", 1, "True"));
        assert_eq!(state(new), super::super::State::Ready);
        let new = put(&mut all, Kind::Project, object("product-shop", "web", 2, "True"));
        assert_eq!(state(new), super::super::State::Pending);
    }

    #[test]
    fn a_listing_takes_away_what_it_lacks() {
        let mut all = Statuses::new("nautes");
        put(&mut all, Kind::Product, object("nautes", "shop", 1, "True"));
        put(&mut all, Kind::Project, object("product-shop", "web", 1, "True"));
        let (at, live) = object("product-shop", "api", 1, "True");
        let told = all.take(Seen::All(Kind::Project, BTreeMap::from([(at, live)])));
        let told: Vec<(String, bool)> = told
            .iter()
            .map(|c| (c.resource.to_string(), c.now.is_some()))
            .collect();
        assert_eq!(
            told,
            [
                ("Project/shop/web".to_owned(), false),
                ("Project/shop/api".to_owned(), true)
            ]
        );
        assert!(!all.is_complete());
        assert_eq!(all.iter().count(), 2);
    }

    #[test]
    fn the_objects_of_a_product_are_kept_with_a_number_that_moves_with_them() {
        let (shop, books) = ("shop".parse().unwrap(), "books".parse().unwrap());
        let mut all = Statuses::new("nautes");
        put(&mut all, Kind::Product, object("nautes", "shop", 1, "True"));
        put(&mut all, Kind::Project, object("product-shop", "web", 1, "True"));
        put(&mut all, Kind::Project, object("product-books", "web", 1, "True"));
        let (number, live) = all.live(Some(&shop));
        let names: Vec<String> = live.keys().map(ToString::to_string).collect();
        assert_eq!(names, ["Project/shop/web"]);
        let (_, live) = all.live(None);
        assert_eq!(live.len(), 1, "the tenant has its product");
        let other = all.changes(Some(&books));
        // The status is the same, and the object is not: it may be another that is declared.
        put(&mut all, Kind::Project, object("product-shop", "web", 1, "True"));
        assert_ne!(all.changes(Some(&shop)), number);
        assert_eq!(all.changes(Some(&books)), other);
        let (at, _) = object("product-shop", "web", 1, "True");
        all.take(Seen::Gone(Kind::Project, at));
        assert!(all.live(Some(&shop)).1.is_empty());
    }

    #[test]
    fn an_interruption_makes_it_not_current_until_everything_is_listed_again() {
        let mut all = Statuses::new("nautes");
        for info in KINDS {
            assert!(!all.is_current());
            all.take(Seen::All(info.kind, BTreeMap::new()));
        }
        assert!(all.is_current());
        all.take(Seen::Interrupted(Kind::Project, "gone".to_owned()));
        assert!(all.is_complete() && !all.is_current());
        all.take(Seen::All(Kind::Project, BTreeMap::new()));
        assert!(all.is_current());
    }
}
