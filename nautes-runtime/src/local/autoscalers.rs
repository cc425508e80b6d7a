//! The two versions of horizontal autoscalers: one object, kept as `autoscaling/v2` and shown as `autoscaling/v1` too.

use serde_json::{Map, Value, json};

use super::{json, kinds::ResourceType};

/// Holds what version 1 has no fields for, so that nothing is lost on the way through it.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
const BEHAVIOR: &str = "autoscaling.alpha.kubernetes.io/behavior";
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";

const TARGET: &str = "targetCPUUtilizationPercentage";

/// True where this version of a kind is not the form that its objects are kept in.
pub(crate) fn is_old_face(kind: &ResourceType, version: &str) -> bool {
    kind.is("autoscaling", "horizontalpodautoscalers") && version == "v1"
}

/// The share of the processors that pods ask for which is aimed at, where this metric is about that.
fn share(metric: &Value) -> Option<&Value> {
    let of_processors = json::text(metric, &["type"]) == "Resource"
        && json::text(metric, &["resource", "name"]) == "cpu"
        && json::text(metric, &["resource", "target", "type"]) == "Utilization";
    json::at(metric, &["resource", "target", "averageUtilization"]).filter(|_| of_processors)
}

fn processors(share: &Value) -> Value {
    json!({"type": "Resource", "resource": {
        "name": "cpu", "target": {"type": "Utilization", "averageUtilization": share},
    }})
}

/// The stored object as version 1 shows it; none for everything else.
pub(crate) fn shown(object: &Value, kind: &ResourceType, version: &str) -> Option<Value> {
    if !is_old_face(kind, version) {
        return None;
    }
    let mut object = object.clone();
    let mut notes = Map::new();
    let spec = json::path_mut(&mut object, &["spec"]);
    let metrics = spec.remove("metrics").unwrap_or_else(|| json!([]));
    let mut others = json::list(&metrics, &[]).to_vec();
    if let Some(place) = others.iter().position(|m| share(m).is_some()) {
        let target = share(&others.remove(place)).cloned();
        spec.extend(target.map(|t| (TARGET.to_owned(), t)));
    }
    if !others.is_empty() {
        notes.insert(METRICS.to_owned(), Value::from(others).to_string().into());
    }
    if let Some(behavior) = spec.remove("behavior") {
        notes.insert(BEHAVIOR.to_owned(), behavior.to_string().into());
    }
    let status = json::path_mut(&mut object, &["status"]);
    if let Some(conditions) = status.remove("conditions") {
        notes.insert(CONDITIONS.to_owned(), conditions.to_string().into());
    }
    let now = status.remove("currentMetrics").unwrap_or_default();
    let now = json::list(&now, &[])
        .iter()
        .filter(|m| json::text(m, &["resource", "name"]) == "cpu")
        .find_map(|m| json::at(m, &["resource", "current", "averageUtilization"]).cloned());
    status.extend(now.map(|n| ("currentCPUUtilizationPercentage".to_owned(), n)));
    json::default_to(status, "currentReplicas", 0);
    json::default_to(status, "desiredReplicas", 0);
    if !notes.is_empty() {
        json::path_mut(&mut object, &["metadata", "annotations"]).extend(notes);
    }
    Some(object)
}

/// An object of version 1 as it is stored; none where it is in that form already.
pub(crate) fn stored(object: &Value, kind: &ResourceType, version: &str) -> Option<Value> {
    if !is_old_face(kind, version) {
        return None;
    }
    let mut object = object.clone();
    let mut notes = Map::new();
    let meta = json::meta_mut(&mut object);
    if let Some(annotations) = meta.get_mut("annotations").and_then(Value::as_object_mut) {
        for note in [METRICS, BEHAVIOR, CONDITIONS] {
            notes.extend(annotations.remove_entry(note));
        }
        if annotations.is_empty() {
            meta.remove("annotations");
        }
    }
    let read = |note: &str| -> Option<Value> { serde_json::from_str(notes.get(note)?.as_str()?).ok() };
    let spec = json::path_mut(&mut object, &["spec"]);
    let mut metrics = read(METRICS)
        .and_then(|m| m.as_array().cloned())
        .unwrap_or_default();
    if let Some(target) = spec.remove(TARGET) {
        metrics.insert(0, processors(&target));
    }
    if !metrics.is_empty() {
        spec.insert("metrics".to_owned(), metrics.into());
    }
    spec.extend(read(BEHAVIOR).map(|b| ("behavior".to_owned(), b)));
    if let Some(status) = object.get_mut("status").and_then(Value::as_object_mut) {
        if let Some(now) = status.remove("currentCPUUtilizationPercentage") {
            let now = json!([{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": now}}}]);
            status.insert("currentMetrics".to_owned(), now);
        }
        status.extend(read(CONDITIONS).map(|c| ("conditions".to_owned(), c)));
    }
    Some(object)
}

/// Fills in what an autoscaler does not say.
pub(crate) fn fill(object: &mut Value) {
    let spec = json::path_mut(object, &["spec"]);
    json::default_to(spec, "minReplicas", 1);
    json::child_mut(spec, "scaleTargetRef");
    if spec
        .get("metrics")
        .and_then(Value::as_array)
        .is_none_or(Vec::is_empty)
    {
        spec.insert("metrics".to_owned(), json!([processors(&80.into())]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::local::kinds::Registry;

    #[test]
    fn nothing_is_lost_on_the_way_through_version_1() {
        let registry = Registry::with_builtins();
        let kind = registry
            .get("autoscaling", "horizontalpodautoscalers")
            .expect("it is built in");
        let metric = json!({"type": "Pods", "pods": {"metric": {"name": "m"}}});
        let whole = json!({
            "metadata": {"name": "a"},
            "spec": {"maxReplicas": 3, "metrics": [processors(&50.into()), metric], "behavior": {"scaleUp": {}}},
            "status": {"desiredReplicas": 2, "currentReplicas": 1},
        });
        let old = shown(&whole, kind, "v1").unwrap_or_default();
        assert_eq!(old["spec"], json!({"maxReplicas": 3, TARGET: 50}));
        assert_eq!(stored(&old, kind, "v1"), Some(whole.clone()));
        assert_eq!(
            (shown(&whole, kind, "v2"), stored(&whole, kind, "v2")),
            (None, None)
        );
    }
}
