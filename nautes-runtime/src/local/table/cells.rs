//! What stands in the cells of built-in kinds.

use serde_json::Value;

use super::{age, look};
use crate::local::json;

/// The cell that a word names, with a path behind a colon where it reads one.
pub(super) fn cell(object: &Value, word: &str) -> Value {
    let (word, path) = word.split_once(':').unwrap_or((word, ""));
    let text = || shown(look(object, path));
    let or = |other: &str| -> Value {
        let text = text();
        if text.is_empty() {
            other.into()
        } else {
            text.into()
        }
    };
    match word {
        "text" => text().into(),
        "or-none" => or("<none>"),
        "or-na" => or("N/A"),
        "or-unset" => or("<unset>"),
        "int" => look(object, path).and_then(|v| v.as_i64()).unwrap_or(0).into(),
        "flag" => look(object, path)
            .and_then(|v| v.as_bool())
            .unwrap_or(false)
            .into(),
        "count" => look(object, path)
            .and_then(|v| v.as_array().map(Vec::len))
            .unwrap_or(0)
            .into(),
        "since" => since(&text(), "<unknown>").into(),
        "since-or-none" => since(&text(), "<none>").into(),
        "labels" => labels(look(object, path).as_ref()).into(),
        "selector" => selector(look(object, path).as_ref()).into(),
        "object" => format!(
            "{}/{}",
            shown(look(object, &format!("{path}.kind"))).to_lowercase(),
            shown(look(object, &format!("{path}.name")))
        )
        .into(),
        "source" => joined(
            ["component", "host"]
                .map(|f| shown(look(object, &format!("{path}.{f}"))))
                .into_iter(),
            ", ",
        )
        .into(),
        "subjects" => subjects(object, path).into(),
        "modes" => modes(object, if path.is_empty() { "status" } else { path }).into(),
        other => own(object, other),
    }
}

fn own(object: &Value, word: &str) -> Value {
    let text = |path: &[&str]| json::text(object, path);
    match word {
        "name" => json::name(object).into(),
        "age" => since(text(&["metadata", "creationTimestamp"]), "<unknown>").into(),
        "data" => (fields(object, "data") + fields(object, "binaryData")).into(),
        "ready" => format!(
            "{}/{}",
            count(object, &["status", "readyReplicas"]),
            count(object, &["spec", "replicas"])
        )
        .into(),
        "containers" => each(template(object), "name").into(),
        "images" => each(template(object), "image").into(),
        "role" => format!("{}/{}", text(&["roleRef", "kind"]), text(&["roleRef", "name"])).into(),
        "suspend" => shown(json::at(object, &["spec", "suspend"]).cloned())
            .replace("true", "True")
            .replace("false", "False")
            .into(),
        "pod-ready" => {
            let all = json::list(object, &["spec", "containers"]).len();
            let ready = statuses(object)
                .filter(|s| s.get("ready") == Some(&Value::Bool(true)))
                .count();
            format!("{ready}/{all}").into()
        }
        "pod-status" => {
            let reason = text(&["status", "reason"]);
            if json::is_terminating(object) {
                "Terminating".into()
            } else if reason.is_empty() {
                text(&["status", "phase"]).into()
            } else {
                reason.into()
            }
        }
        "restarts" => statuses(object)
            .map(|s| count(s, &["restartCount"]))
            .sum::<i64>()
            .to_string()
            .into(),
        "gates" => none_if_empty(each(
            json::list(object, &["spec", "readinessGates"]),
            "conditionType",
        )),
        "external" => external(object),
        "ports" => none_if_empty(joined(
            json::list(object, &["spec", "ports"]).iter().map(port),
            ",",
        )),
        "endpoints" => none_if_empty(endpoints(object)),
        "slice-ports" => unset_if_empty(joined(
            json::list(object, &["ports"])
                .iter()
                .map(|p| count(p, &["port"]).to_string()),
            ",",
        )),
        "slice-endpoints" => unset_if_empty(joined(
            json::list(object, &["endpoints"])
                .iter()
                .flat_map(|e| json::texts(e, &["addresses"]))
                .map(str::to_owned),
            ",",
        )),
        "quota-requests" => quota(object, false).into(),
        "quota-limits" => quota(object, true).into(),
        "claim" => match json::at(object, &["spec", "claimRef"]) {
            Some(claim) => format!(
                "{}/{}",
                json::text(claim, &["namespace"]),
                json::text(claim, &["name"])
            )
            .into(),
            None => "".into(),
        },
        "scaled" => format!(
            "{}/{}",
            json::text(object, &["spec", "scaleTargetRef", "kind"]),
            json::text(object, &["spec", "scaleTargetRef", "name"])
        )
        .into(),
        "targets" => targets(object).into(),
        "hosts" => hosts(object),
        "balancer" => joined(
            json::list(object, &["status", "loadBalancer", "ingress"])
                .iter()
                .map(|i| [json::text(i, &["ip"]), json::text(i, &["hostname"])].concat()),
            ",",
        )
        .into(),
        "ingress-ports" if json::list(object, &["spec", "tls"]).is_empty() => "80".into(),
        "ingress-ports" => "80, 443".into(),
        "parameters" => match json::at(object, &["spec", "parameters"]) {
            Some(p) => {
                joined(
                    ["kind", "apiGroup"]
                        .map(|f| json::text(p, &[f]).to_owned())
                        .into_iter(),
                    ".",
                ) + "/"
                    + json::text(p, &["name"])
            }
            None => "<none>".to_owned(),
        }
        .into(),
        "job-status" => job_status(object).into(),
        "completions" => completions(object).into(),
        "job-duration" => duration(object).into(),
        _ => Value::Null,
    }
}

fn shown(value: Option<Value>) -> String {
    match value {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text,
        Some(other) => other.to_string(),
    }
}

fn none_if_empty(text: String) -> Value {
    if text.is_empty() {
        "<none>".into()
    } else {
        text.into()
    }
}

fn unset_if_empty(text: String) -> Value {
    if text.is_empty() {
        "<unset>".into()
    } else {
        text.into()
    }
}

fn joined(parts: impl Iterator<Item = String>, with: &str) -> String {
    parts.filter(|p| !p.is_empty()).collect::<Vec<_>>().join(with)
}

fn since(time: &str, unknown: &str) -> String {
    if time.is_empty() {
        unknown.to_owned()
    } else {
        age(time)
    }
}

fn count(object: &Value, path: &[&str]) -> i64 {
    json::at(object, path).and_then(Value::as_i64).unwrap_or(0)
}

fn fields(object: &Value, key: &str) -> usize {
    object
        .get(key)
        .and_then(Value::as_object)
        .map_or(0, serde_json::Map::len)
}

fn each(list: &[Value], field: &str) -> String {
    joined(list.iter().map(|item| json::text(item, &[field]).to_owned()), ",")
}

/// The containers that a workload makes.
fn template(object: &Value) -> &[Value] {
    let plain = json::list(object, &["spec", "template", "spec", "containers"]);
    if plain.is_empty() {
        json::list(
            object,
            &["spec", "jobTemplate", "spec", "template", "spec", "containers"],
        )
    } else {
        plain
    }
}

fn statuses(object: &Value) -> impl Iterator<Item = &Value> {
    json::list(object, &["status", "containerStatuses"]).iter()
}

fn labels(labels: Option<&Value>) -> String {
    let all = labels.and_then(Value::as_object).into_iter().flatten();
    let text = joined(
        all.map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default())),
        ",",
    );
    if text.is_empty() {
        "<none>".to_owned()
    } else {
        text
    }
}

fn selector(selector: Option<&Value>) -> String {
    let Some(selector) = selector else {
        return "<none>".to_owned();
    };
    let exact = selector
        .get("matchLabels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    let exact = exact.map(|(k, v)| format!("{k}={}", v.as_str().unwrap_or_default()));
    let terms = json::list(selector, &["matchExpressions"]).iter().map(|e| {
        let (key, values) = (json::text(e, &["key"]), json::texts(e, &["values"]).join(","));
        match json::text(e, &["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "DoesNotExist" => format!("!{key}"),
            _ => key.to_owned(),
        }
    });
    let text = joined(exact.chain(terms), ",");
    if text.is_empty() {
        "<none>".to_owned()
    } else {
        text
    }
}

fn subjects(object: &Value, kind: &str) -> String {
    let all = json::list(object, &["subjects"]).iter();
    let named = all.filter(|s| json::text(s, &["kind"]) == kind).map(|s| {
        let name = json::text(s, &["name"]);
        if kind == "ServiceAccount" {
            format!("{}/{name}", json::text(s, &["namespace"]))
        } else {
            name.to_owned()
        }
    });
    joined(named, ", ")
}

fn port(port: &Value) -> String {
    let (number, protocol) = (count(port, &["port"]), json::text(port, &["protocol"]));
    match count(port, &["nodePort"]) {
        0 => format!("{number}/{protocol}"),
        node => format!("{number}:{node}/{protocol}"),
    }
}

fn external(object: &Value) -> Value {
    let ips = json::texts(object, &["spec", "externalIPs"]).join(",");
    match json::text(object, &["spec", "type"]) {
        "ExternalName" => json::text(object, &["spec", "externalName"]).into(),
        "LoadBalancer" => {
            let given = json::list(object, &["status", "loadBalancer", "ingress"]).iter();
            let given = given.map(|i| [json::text(i, &["ip"]), json::text(i, &["hostname"])].concat());
            let all = joined(given.chain([ips]), ",");
            if all.is_empty() {
                "<pending>".into()
            } else {
                all.into()
            }
        }
        _ => none_if_empty(ips),
    }
}

fn endpoints(object: &Value) -> String {
    let sets = json::list(object, &["subsets"]).iter();
    let all = sets.flat_map(|set| {
        let ports = json::list(set, &["ports"]);
        json::list(set, &["addresses"]).iter().flat_map(move |a| {
            let ip = json::text(a, &["ip"]);
            ports.iter().map(move |p| format!("{ip}:{}", count(p, &["port"])))
        })
    });
    joined(all, ",")
}

fn quota(object: &Value, limits: bool) -> String {
    let hard = json::at(object, &["status", "hard"]).and_then(Value::as_object);
    let hard = hard
        .into_iter()
        .flatten()
        .filter(|(k, _)| k.starts_with("limits.") == limits);
    let line = |(name, most): (&String, &Value)| {
        let used = json::at(object, &["status", "used", name])
            .and_then(Value::as_str)
            .unwrap_or("0");
        format!("{name}: {used}/{}", most.as_str().unwrap_or_default())
    };
    joined(hard.map(line), ", ")
}

/// What an autoscaler aims at, and where it is.
fn targets(object: &Value) -> String {
    let current = json::list(object, &["status", "currentMetrics"]);
    let all = json::list(object, &["spec", "metrics"]).iter().enumerate();
    let told: Vec<String> = all
        .map(|(index, metric)| {
            let source = json::text(metric, &["type"]);
            let key = match source.get(..1) {
                Some(first) => format!("{}{}", first.to_lowercase(), &source[1..]),
                None => String::new(),
            };
            let name = match json::text(metric, &[&key, "name"]) {
                "" => json::text(metric, &[&key, "metric", "name"]),
                name => name,
            };
            let amount = |of: Option<&Value>| -> Option<String> {
                let share = of?.get("averageUtilization").filter(|v| !v.is_null());
                if let Some(share) = share {
                    return Some(format!("{share}%"));
                }
                let value = |field| of.map(|o| json::text(o, &[field])).filter(|t| !t.is_empty());
                value("averageValue")
                    .or_else(|| value("value"))
                    .map(str::to_owned)
            };
            let now = current
                .get(index)
                .and_then(|m| amount(json::at(m, &[&key, "current"])));
            let wanted = amount(json::at(metric, &[&key, "target"]));
            let unknown = || "<unknown>".to_owned();
            format!(
                "{name}: {}/{}",
                now.unwrap_or_else(unknown),
                wanted.unwrap_or_else(unknown)
            )
        })
        .collect();
    match told.len() {
        0 => "<none>".to_owned(),
        1 | 2 => told.join(", "),
        more => format!("{} + {} more...", told[..2].join(", "), more - 2),
    }
}

fn modes(object: &Value, part: &str) -> String {
    let short = |mode: &str| match mode {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    let all = json::texts(object, &[part, "accessModes"]);
    joined(all.into_iter().map(|m| short(m).to_owned()), ",")
}

fn hosts(object: &Value) -> Value {
    let hosts = each(json::list(object, &["spec", "rules"]), "host");
    if hosts.is_empty() {
        "*".into()
    } else {
        hosts.into()
    }
}

fn job_status(object: &Value) -> &'static str {
    let has = |ty: &str| {
        json::list(object, &["status", "conditions"])
            .iter()
            .any(|c| json::text(c, &["type"]) == ty && json::text(c, &["status"]) == "True")
    };
    if has("Complete") {
        "Complete"
    } else if has("Failed") {
        "Failed"
    } else if json::is_terminating(object) {
        "Terminating"
    } else if has("Suspended") {
        "Suspended"
    } else if has("FailureTarget") {
        "FailureTarget"
    } else if has("SuccessCriteriaMet") {
        "SuccessCriteriaMet"
    } else {
        "Running"
    }
}

fn completions(object: &Value) -> String {
    let done = count(object, &["status", "succeeded"]);
    match json::at(object, &["spec", "completions"]).and_then(Value::as_i64) {
        Some(wanted) => format!("{done}/{wanted}"),
        None => match count(object, &["spec", "parallelism"]) {
            many if many > 1 => format!("{done}/1 of {many}"),
            _ => format!("{done}/1"),
        },
    }
}

fn duration(object: &Value) -> String {
    let at = |field: &str| {
        json::text(object, &["status", field])
            .parse::<jiff::Timestamp>()
            .ok()
    };
    let Some(start) = at("startTime") else {
        return String::new();
    };
    let end = at("completionTime").unwrap_or_else(jiff::Timestamp::now);
    super::human(end.as_second() - start.as_second())
}
