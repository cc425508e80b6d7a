//! Which webhooks a write concerns.

use std::sync::Arc;

use kube_cel::{AdmissionRequest, GroupVersionKind, GroupVersionResource, VapEvaluator, VapExpression};
use serde_json::Value;

use super::{Attempt, Question, review};
use crate::local::{
    Operation,
    authz::label_selector_matches,
    json,
    server::{Scope, State},
};

/// One webhook of a configuration, and the version of the kind that it is shown.
#[derive(Clone, Debug)]
pub(super) struct Hook {
    pub(super) spec: Value,
    pub(super) version: String,
    /// Where a webhook that is named by its service is, or why that is not known.
    pub(super) service: Option<Result<String, String>>,
}

impl Hook {
    pub(super) fn name(&self) -> &str {
        json::text(&self.spec, &["name"])
    }

    /// True where a webhook that does not answer is passed over.
    pub(super) fn ignores_failure(&self) -> bool {
        json::text(&self.spec, &["failurePolicy"]) == "Ignore"
    }
}

/// The webhooks whose rules name the resource and the operation, in their order.
pub(super) fn hooks(scope: &Scope<'_>, state: &State, storage: &str, operation: Operation) -> Vec<Hook> {
    state
        .store
        .all_opened(storage, None)
        .flat_map(|configuration| json::list(configuration, &["webhooks"]))
        .filter_map(|spec| {
            Some(Hook {
                version: version(scope, spec, operation)?,
                service: service(state, spec),
                spec: spec.clone(),
            })
        })
        .collect()
}

/// The version to show the object in: that of the request, or an equivalent one that the rules name.
fn version(scope: &Scope<'_>, spec: &Value, operation: Operation) -> Option<String> {
    let rules = json::list(spec, &["rules"]);
    let concerns =
        |version: &str| -> bool { rules.iter().any(|rule| concerns(scope, rule, operation, version)) };
    let asked = &scope.version.name;
    if concerns(asked) {
        return Some(asked.clone());
    }
    if json::text(spec, &["matchPolicy"]) == "Exact" {
        return None;
    }
    let mut others = scope.kind.versions.iter().filter(|v| v.name != *asked);
    others.find(|v| concerns(&v.name)).map(|v| v.name.clone())
}

fn concerns(scope: &Scope<'_>, rule: &Value, operation: Operation, version: &str) -> bool {
    let has = |field: &str, wanted: &str| {
        json::texts(rule, &[field])
            .iter()
            .any(|v| *v == "*" || *v == wanted)
    };
    let in_scope = match json::text(rule, &["scope"]) {
        "Namespaced" => scope.kind.namespaced,
        "Cluster" => !scope.kind.namespaced,
        _ => true,
    };
    let resource = json::texts(rule, &["resources"]).into_iter().any(|r| {
        let (resource, subresource) = r.split_once('/').unwrap_or((r, ""));
        (resource == "*" || resource == scope.kind.plural)
            && (subresource == "*" || subresource == scope.subresource())
    });
    in_scope
        && resource
        && has("operations", word(operation))
        && has("apiGroups", &scope.kind.group)
        && has("apiVersions", version)
}

/// An operation as reviews and rules name it.
pub(super) fn word(operation: Operation) -> &'static str {
    match operation {
        Operation::Create => "CREATE",
        Operation::Update => "UPDATE",
        Operation::Delete => "DELETE",
    }
}

/// Where a service is: no pods run here, so that only names of other hosts lead anywhere.
fn service(state: &State, spec: &Value) -> Option<Result<String, String>> {
    let reference = json::at(spec, &["clientConfig", "service"])?;
    let (namespace, name) = (
        json::text(reference, &["namespace"]),
        json::text(reference, &["name"]),
    );
    let port = reference.get("port").and_then(Value::as_u64).unwrap_or(443);
    let Some(found) = state.store.get("services", namespace, name) else {
        return Some(Err(format!("service {name:?} not found")));
    };
    Some(match json::text(&found, &["spec", "externalName"]) {
        "" => Err(format!("no endpoints available for service {name:?}")),
        host => Ok(format!("{host}:{port}")),
    })
}

/// The namespace whose labels selectors see.
pub(super) fn namespace(scope: &Scope<'_>, state: &State, attempt: &Attempt<'_>) -> Option<Arc<Value>> {
    if scope.kind.is("", "namespaces") {
        return attempt.object.or(attempt.old).map(|o| Arc::new(o.clone()));
    }
    if !scope.kind.namespaced {
        return None;
    }
    let found = state.store.opened("namespaces", "", scope.namespace());
    Some(found.cloned().unwrap_or_default())
}

/// Whether the selectors and conditions of a webhook let it see this object.
///
/// # Errors
/// A condition that cannot be evaluated.
pub(super) fn selects(
    scope: &Scope<'_>,
    question: &Question,
    hook: &Hook,
    object: Option<&Value>,
) -> Result<bool, String> {
    let matches = |field: &str, object: &Value| {
        hook.spec
            .get(field)
            .is_none_or(|s| label_selector_matches(s, object))
    };
    let in_namespace = question
        .namespace
        .as_ref()
        .is_none_or(|n| matches("namespaceSelector", n));
    let old = question.old.as_ref();
    let labelled = [object, old]
        .into_iter()
        .flatten()
        .any(|o| matches("objectSelector", o));
    let conditions = json::list(&hook.spec, &["matchConditions"]);
    if !in_namespace || !labelled || conditions.is_empty() {
        return Ok(in_namespace && labelled);
    }
    let expressions: Vec<VapExpression> = conditions
        .iter()
        .map(|c| VapExpression {
            expression: json::text(c, &["expression"]).to_owned(),
            message: Some(String::new()),
            message_expression: None,
        })
        .collect();
    let results = evaluator(scope, question, hook, object).evaluate(&expressions);
    let failed = |m: &Option<String>| m.clone().filter(|m| !m.is_empty());
    // One that says no counts more than one that cannot be evaluated.
    if results.iter().any(|r| !r.passed && failed(&r.message).is_none()) {
        return Ok(false);
    }
    match results.into_iter().find_map(|r| failed(&r.message)) {
        Some(why) => Err(why),
        None => Ok(true),
    }
}

fn evaluator(scope: &Scope<'_>, question: &Question, hook: &Hook, object: Option<&Value>) -> VapEvaluator {
    let group = &scope.kind.group;
    let (kind_group, kind_version, kind) = review::kind_of(scope, &hook.version);
    let face = |object: Option<&Value>| object.map(|o| review::face(scope, hook, o)).unwrap_or_default();
    let request = AdmissionRequest {
        operation: word(question.operation).to_owned(),
        username: scope.user.name.clone(),
        uid: scope.user.uid.clone(),
        groups: scope.user.groups.clone(),
        name: question.subject.name.clone(),
        namespace: scope.namespace().to_owned(),
        dry_run: question.dry_run,
        kind: GroupVersionKind {
            group: kind_group.to_owned(),
            version: kind_version.to_owned(),
            kind: kind.to_owned(),
        },
        resource: GroupVersionResource {
            group: group.clone(),
            version: hook.version.clone(),
            resource: scope.kind.plural.clone(),
        },
    };
    let mut builder = VapEvaluator::builder().request(request);
    builder = builder.object(face(object));
    builder = builder.old_object(face(question.old.as_ref()));
    builder.build()
}
