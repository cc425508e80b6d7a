//! What is wrong with quotas, limit ranges, and what containers ask for.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::local::{json, names, quantity::Amount, status::Cause};

const COMPUTE: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// Names that quotas know, besides those of amounts that containers ask for.
const COUNTED: [&str; 10] = [
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
    "services.loadbalancers",
    "requests.storage",
];

const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];

/// Scopes that exclude each other.
const OPPOSITES: [[&str; 2]; 2] = [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]];

fn is_huge(name: &str) -> bool {
    name.starts_with("hugepages-") || name.starts_with("requests.hugepages-")
}

/// True for names that quotas know without a domain.
fn is_quota_name(name: &str) -> bool {
    let compute = name
        .strip_prefix("requests.")
        .or_else(|| name.strip_prefix("limits."))
        .unwrap_or(name);
    COUNTED.contains(&name) || COMPUTE.contains(&compute) || is_huge(name)
}

fn amounts<'a>(map: &'a Value, path: &[&str]) -> impl Iterator<Item = (&'a String, Amount)> + use<'a> {
    let map = json::at(map, path).and_then(Value::as_object);
    map.into_iter()
        .flat_map(Map::iter)
        .filter_map(|(name, amount)| Some((name, Amount::read(amount)?)))
}

fn text(amount: Amount) -> Value {
    amount.to_string().into()
}

/// What is wrong with the name of a resource: it is standard, or has a domain.
fn name_causes(name: &str, field: &str, causes: &mut Vec<Cause>) -> bool {
    let value = Value::from(name);
    if let Some(why) = names::qualified_name(name) {
        causes.push(Cause::invalid(field, &value, why));
        return false;
    }
    if !name.contains('/') && name != "storage" && !is_quota_name(name) {
        let detail = "must be a standard resource type or fully qualified";
        causes.push(Cause::invalid(field, &value, detail));
    }
    true
}

/// What is wrong with an amount: it is negative, or a part of what cannot be divided.
fn amount_causes(name: &str, amount: Amount, field: &str, causes: &mut Vec<Cause>) {
    if amount < Amount::ZERO {
        let detail = "must be greater than or equal to 0";
        causes.push(Cause::invalid(field, &text(amount), detail));
    }
    let native = !name.contains('/');
    let whole = native && COUNTED.contains(&name) && name != "requests.storage"
        || !native
            && !name
                .split('/')
                .next()
                .unwrap_or_default()
                .ends_with("kubernetes.io");
    if whole && !amount.is_whole() {
        causes.push(Cause::invalid(field, &text(amount), "must be an integer"));
    }
}

/// What is wrong with a quota.
pub(super) fn quota_causes(quota: &Value, old: Option<&Value>, causes: &mut Vec<Cause>) {
    for (name, amount) in amounts(quota, &["spec", "hard"]) {
        let field = format!("spec.hard[{name}]");
        if name_causes(name, &field, causes) && !name.contains('/') && !is_quota_name(name) {
            let detail = "must be a standard resource for quota";
            causes.push(Cause::invalid(&field, &Value::from(name.as_str()), detail));
        }
        amount_causes(name, amount, &field, causes);
    }
    let limited: Vec<&String> = amounts(quota, &["spec", "hard"]).map(|(name, _)| name).collect();
    let scopes = json::texts(quota, &["spec", "scopes"]);
    let value = json!(scopes);
    let invalid = |detail| Cause::invalid("spec.scopes", &value, detail);
    for scope in &scopes {
        if !SCOPES.contains(scope) {
            causes.push(invalid("unsupported scope"));
        }
        let unfit = limited.iter().filter(|l| is_quota_name(l) && !holds(scope, l));
        causes.extend(unfit.map(|_| invalid("unsupported scope applied to resource")));
    }
    if are_opposed(&scopes) {
        causes.push(invalid("conflicting scopes"));
    }
    selector_causes(quota, &limited, causes);
    let set = |quota| {
        json::texts(quota, &["spec", "scopes"])
            .into_iter()
            .collect::<BTreeSet<_>>()
    };
    if old.is_some_and(|old| set(old) != set(quota)) {
        causes.push(invalid("field is immutable"));
    }
}

/// Whether a scope can be said of what is limited.
fn holds(scope: &str, limited: &str) -> bool {
    let of_pods = |name: &str| {
        let compute = name
            .strip_prefix("requests.")
            .or_else(|| name.strip_prefix("limits."))
            .unwrap_or(name);
        ["pods", "cpu", "memory"].contains(&compute)
    };
    match scope {
        "BestEffort" => limited == "pods",
        "VolumeAttributesClass" => ["persistentvolumeclaims", "requests.storage"].contains(&limited),
        "Terminating"
        | "NotTerminating"
        | "NotBestEffort"
        | "PriorityClass"
        | "CrossNamespacePodAffinity" => of_pods(limited),
        _ => true,
    }
}

fn are_opposed(scopes: &[&str]) -> bool {
    OPPOSITES
        .iter()
        .any(|pair| pair.iter().all(|s| scopes.contains(s)))
}

fn selector_causes(quota: &Value, limited: &[&String], causes: &mut Vec<Cause>) {
    const AT: &str = "spec.scopeSelector.matchExpressions";
    let wanted = json::list(quota, &["spec", "scopeSelector", "matchExpressions"]);
    for requirement in wanted {
        let of = |field| json::text(requirement, &[field]);
        let (scope, operator) = (of("scopeName"), of("operator"));
        if !SCOPES.contains(&scope) {
            causes.push(Cause::invalid(
                format!("{AT}.scopeName"),
                &Value::from(scope),
                "unsupported scope",
            ));
        }
        let unfit = limited.iter().filter(|l| is_quota_name(l) && !holds(scope, l));
        let selector = json::at(quota, &["spec", "scopeSelector"])
            .cloned()
            .unwrap_or_default();
        causes.extend(unfit.map(|_| Cause::invalid(AT, &selector, "unsupported scope applied to resource")));
        let field = format!("{AT}.operator");
        if SCOPES.contains(&scope)
            && !["PriorityClass", "VolumeAttributesClass"].contains(&scope)
            && operator != "Exists"
        {
            let detail = "must be 'Exists' when scope is any of ResourceQuotaScopeTerminating, \
                          ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, \
                          ResourceQuotaScopeNotBestEffort or ResourceQuotaScopeCrossNamespacePodAffinity";
            causes.push(Cause::invalid(&field, &Value::from(operator), detail));
        }
        let values = json::list(requirement, &["values"]);
        match operator {
            "In" | "NotIn" if values.is_empty() => {
                let detail =
                    "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector";
                causes.push(Cause::required(format!("{AT}.values"), detail));
            }
            "In" | "NotIn" => {}
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let detail =
                    "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector";
                causes.push(Cause::invalid(format!("{AT}.values"), &json!(values), detail));
            }
            "Exists" | "DoesNotExist" => {}
            other => {
                let detail = "not a valid selector operator";
                causes.push(Cause::invalid(field, &Value::from(other), detail));
            }
        }
    }
    let scopes: Vec<&str> = wanted.iter().map(|r| json::text(r, &["scopeName"])).collect();
    if are_opposed(&scopes) {
        let named = json::at(quota, &["spec", "scopes"]).cloned().unwrap_or_default();
        causes.push(Cause::invalid(AT, &named, "conflicting scopes"));
    }
}

/// What is wrong with a limit range.
pub(super) fn range_causes(range: &Value, causes: &mut Vec<Cause>) {
    let mut seen = BTreeSet::new();
    for (index, limit) in json::list(range, &["spec", "limits"]).iter().enumerate() {
        let at = format!("spec.limits[{index}]");
        let ty = json::text(limit, &["type"]);
        let value = Value::from(ty);
        if let Some(why) = names::qualified_name(ty) {
            causes.push(Cause::invalid(format!("{at}.type"), &value, why));
        } else if !ty.contains('/') && !["Pod", "Container", "PersistentVolumeClaim"].contains(&ty) {
            let detail = "must be a standard limit type or fully qualified";
            causes.push(Cause::invalid(format!("{at}.type"), &value, detail));
        }
        if !seen.insert(ty) {
            causes.push(Cause::duplicate(format!("{at}.type"), &value));
        }
        for field in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
            if ty == "Pod" && field.starts_with("default") {
                if amounts(limit, &[field]).next().is_some() {
                    let detail = "may not be specified when `type` is 'Pod'";
                    causes.push(Cause::forbidden(format!("{at}.{field}"), detail));
                }
                continue;
            }
            for (name, _) in amounts(limit, &[field]) {
                let field = format!("{at}.{field}[{name}]");
                let named = name_causes(name, &field, causes);
                if named
                    && ["Pod", "Container"].contains(&ty)
                    && !name.contains('/')
                    && !COMPUTE.contains(&name.as_str())
                    && !name.starts_with("hugepages-")
                {
                    let detail = "must be a standard resource for containers";
                    causes.push(Cause::invalid(field, &Value::from(name.as_str()), detail));
                }
            }
        }
        let storage = |field| json::at(limit, &[field, "storage"]).is_some();
        if ty == "PersistentVolumeClaim" && !storage("min") && !storage("max") {
            let detail = "either minimum or maximum storage value is required, but neither was provided";
            causes.push(Cause::required(format!("{at}.limits"), detail));
        }
        order_causes(limit, ty, &at, causes);
    }
}

/// What a limit says contradicts itself.
fn order_causes(limit: &Value, ty: &str, at: &str, causes: &mut Vec<Cause>) {
    const FIELDS: [&str; 5] = ["min", "max", "default", "defaultRequest", "maxLimitRequestRatio"];
    let names: BTreeSet<&String> = FIELDS
        .iter()
        .flat_map(|field| amounts(limit, &[field]))
        .map(|(name, _)| name)
        .collect();
    for name in names {
        let of = |field: &str| {
            let counts = ty != "Pod" || !field.starts_with("default");
            json::at(limit, &[field, name])
                .and_then(Amount::read)
                .filter(|_| counts)
        };
        let [least, most, default, request, ratio] = FIELDS.map(of);
        let mut above = |field: &str, shown, lower: (&str, Option<Amount>), upper: (&str, Option<Amount>)| {
            if let ((low, Some(a)), (high, Some(b))) = (lower, upper)
                && a > b
            {
                let detail = format!("{low} {a} is greater than {high} {b}");
                let value = if shown == 0 { text(a) } else { text(b) };
                causes.push(Cause::invalid(format!("{at}.{field}[{name}]"), &value, detail));
            }
        };
        above("min", 0, ("min value", least), ("max value", most));
        above(
            "defaultRequest",
            1,
            ("min value", least),
            ("default request value", request),
        );
        above(
            "defaultRequest",
            0,
            ("default request value", request),
            ("max value", most),
        );
        above(
            "defaultRequest",
            0,
            ("default request value", request),
            ("default limit value", default),
        );
        above("default", 0, ("min value", least), ("default value", default));
        above("default", 1, ("default value", default), ("max value", most));
        let Some(ratio) = ratio else {
            continue;
        };
        let field = format!("{at}.maxLimitRequestRatio[{name}]");
        if ratio < Amount::count(1) {
            let detail = format!("ratio {ratio} is less than 1");
            causes.push(Cause::invalid(&field, &text(ratio), detail));
        }
        if let (Some(least), Some(most)) = (least.filter(|l| !l.is_zero()), most) {
            let widest = most.ratio(least);
            if ratio.ratio(Amount::count(1)) > widest {
                let detail = format!("ratio {ratio} is greater than max/min = {widest:.6}");
                causes.push(Cause::invalid(&field, &text(ratio), detail));
            }
        }
    }
}

/// What is wrong with what a container asks for.
pub(super) fn container_causes(container: &Value, at: &str, causes: &mut Vec<Cause>) {
    for which in ["limits", "requests"] {
        for (name, amount) in amounts(container, &["resources", which]) {
            let field = format!("{at}.resources.{which}[{name}]");
            if name_causes(name, &field, causes)
                && !name.contains('/')
                && !COMPUTE.contains(&name.as_str())
                && !name.starts_with("hugepages-")
            {
                let detail = "must be a standard resource for containers";
                causes.push(Cause::invalid(&field, &Value::from(name.as_str()), detail));
            }
            amount_causes(name, amount, &field, causes);
        }
    }
    for (name, request) in amounts(container, &["resources", "requests"]) {
        let limit = json::at(container, &["resources", "limits", name]).and_then(Amount::read);
        let divisible = !name.contains('/') && !name.starts_with("hugepages-");
        let field = format!("{at}.resources.requests");
        match limit {
            Some(limit) if !divisible && request != limit => {
                let detail = format!("must be equal to {name} limit of {limit}");
                causes.push(Cause::invalid(field, &text(request), detail));
            }
            Some(limit) if request > limit => {
                let detail = format!("must be less than or equal to {name} limit of {limit}");
                causes.push(Cause::invalid(field, &text(request), detail));
            }
            None if !divisible => {
                let detail = "Limit must be set for non overcommitable resources";
                causes.push(Cause::required(format!("{at}.resources.limits"), detail));
            }
            _ => {}
        }
    }
}
