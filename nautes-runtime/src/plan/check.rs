//! A lint of finished plans: what must hold whatever the engines did.

use std::collections::BTreeSet;
use std::fmt;

use nautes_model::name::{ClusterName, ProductName, check_label};
use nautes_model::secret::GrantScope;
use nautes_vault::store::check_grants;

use super::model::{ClusterPlan, Plan, Planned};
use crate::engine::label;
use crate::object::ObjectKey;

/// Something about a plan that must not be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PlanFault {
    /// The cluster.
    pub cluster: ClusterName,
    /// The object or other part.
    pub what: String,
    /// What is wrong with it; shows no value.
    pub message: String,
}

impl fmt::Display for PlanFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.cluster, self.what, self.message)
    }
}

/// Checks the plan of a product and returns everything that must not be, in order. A plan with a fault comes
/// from a broken engine and must not be applied.
///
/// # Rules
/// * Every object has a key, our label, the label of the product, and an owner of the product.
/// * It lies in a namespace that the plan itself makes; only namespaces themselves lie in none.
/// * No object stands twice, and no Secret holds a value: values come from the store.
/// * Deployments and pipelines act in namespaces of the plan; grants stay within the product and the cluster.
#[must_use]
pub fn check_plan(product: &ProductName, plan: &Plan) -> Vec<PlanFault> {
    let mut faults = Vec::new();
    for (cluster, planned) in &plan.clusters {
        let mut check = Check {
            product,
            cluster,
            spaces: spaces(planned),
            faults: &mut faults,
        };
        check.objects(planned);
        check.units(planned);
        let scope = GrantScope::Product {
            product: product.clone(),
            cluster: cluster.clone(),
        };
        if let Err(error) = check_grants(&scope, &planned.grants) {
            check.say("grants", &error.to_string());
        }
    }
    faults.sort();
    faults
}

fn spaces(plan: &ClusterPlan) -> BTreeSet<String> {
    let keys = plan.objects().filter_map(|p| ObjectKey::of(&p.object).ok());
    keys.filter(|k| k.group.is_empty() && k.kind == "Namespace")
        .map(|k| k.name)
        .collect()
}

struct Check<'a> {
    product: &'a ProductName,
    cluster: &'a ClusterName,
    spaces: BTreeSet<String>,
    faults: &'a mut Vec<PlanFault>,
}

impl Check<'_> {
    fn say(&mut self, what: &str, message: &str) {
        self.faults.push(PlanFault {
            cluster: self.cluster.clone(),
            what: what.to_owned(),
            message: message.to_owned(),
        });
    }

    fn objects(&mut self, plan: &ClusterPlan) {
        let mut seen: Vec<ObjectKey> = Vec::new();
        for planned in plan.objects() {
            match ObjectKey::of(&planned.object) {
                Err(error) => self.say("object", &error.to_string()),
                Ok(key) => {
                    self.object(&key, planned);
                    seen.push(key);
                }
            }
        }
        seen.sort();
        for pair in seen.windows(2) {
            if pair[0].is_same_object(&pair[1]) {
                self.say(&pair[0].to_string(), "stands twice");
            }
        }
    }

    fn object(&mut self, key: &ObjectKey, planned: &Planned) {
        let what = key.to_string();
        let object = &planned.object;
        if label::of(object, label::MANAGED_BY) != Some(label::NAUTES) {
            self.say(&what, "has not our label");
        }
        if label::of(object, label::BELONGS_TO) != Some(self.product.namespace().as_str()) {
            self.say(&what, "has not the label of the product");
        }
        if planned.owners.is_empty() {
            self.say(&what, "has no owner");
        }
        if planned
            .owners
            .iter()
            .any(|o| o.product.as_ref() != Some(self.product))
        {
            self.say(&what, "has an owner of another product");
        }
        let is_name = !key.name.is_empty() && key.name.len() <= 253 && !key.name.contains('/');
        if !is_name {
            self.say(&what, "has no legal name");
        }
        match &key.namespace {
            Some(namespace) if !self.spaces.contains(namespace) => {
                self.say(&what, "lies outside the namespaces of the plan");
            }
            None if key.kind != "Namespace" => self.say(&what, "is cluster-scoped"),
            None if check_label("namespace", &key.name, 63).is_err() => {
                self.say(&what, "has no legal name");
            }
            Some(_) | None => {}
        }
        let has_values = |field: &str| object.get(field).is_some_and(|v| v != &serde_json::json!({}));
        if key.kind == "Secret" && (has_values("data") || has_values("stringData")) {
            self.say(&what, "holds values of a secret");
        }
        if planned.secrets.keys().any(|pointer| !pointer.starts_with('/')) {
            self.say(&what, "has a secret at no place");
        }
    }

    fn units(&mut self, plan: &ClusterPlan) {
        let deploys = plan
            .deploys
            .iter()
            .flat_map(|unit| unit.namespaces.iter().map(|n| (&unit.runtime, n.clone())));
        let pipelines = plan
            .pipelines
            .iter()
            .map(|space| (&space.runtime, space.namespace.to_string()));
        let outside: Vec<String> = deploys
            .chain(pipelines)
            .filter(|(_, namespace)| !self.spaces.contains(namespace))
            .map(|(runtime, _)| runtime.to_string())
            .collect();
        for runtime in outside {
            self.say(&runtime, "acts outside the namespaces of the plan");
        }
    }
}
