//! What rules give beyond others, in single accesses, and as Kubernetes tells it.

use std::collections::BTreeSet;

use serde_json::Value;

use super::has;
use crate::local::json;

/// One access: what one verb may be done to. Without a resource it is one to a path.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Access<'a> {
    group: &'a str,
    resource: &'a str,
    /// None where it is for all names.
    name: Option<&'a str>,
    path: Option<&'a str>,
    verb: &'a str,
}

/// The accesses that rules give and others do not, a line for each resource or path; none where there are none.
pub(super) fn missing(own: &[Value], rules: &[Value]) -> Option<String> {
    let missing: Vec<Access<'_>> = rules
        .iter()
        .flat_map(accesses)
        .filter(|access| !own.iter().any(|rule| covers(rule, access)))
        .collect();
    // The verbs of one resource are told together.
    let mut told: Vec<(Access<'_>, Vec<&str>)> = Vec::new();
    for access in missing {
        let same = told.iter_mut().find(|(of, _)| {
            of.path.is_none()
                && access.path.is_none()
                && (of.group, of.resource, of.name) == (access.group, access.resource, access.name)
        });
        match same {
            Some((_, verbs)) => verbs.push(access.verb),
            None => {
                let verbs = vec![access.verb];
                told.push((access, verbs));
            }
        }
    }
    let lines: BTreeSet<String> = told.iter().map(|(of, verbs)| line(of, verbs)).collect();
    (!lines.is_empty()).then(|| lines.into_iter().collect::<Vec<_>>().join("\n"))
}

fn accesses(rule: &Value) -> Vec<Access<'_>> {
    let list = |field: &str| json::texts(rule, &[field]);
    let names: Vec<Option<&str>> = match list("resourceNames") {
        names if names.is_empty() => vec![None],
        names => names.into_iter().map(Some).collect(),
    };
    let mut all = Vec::new();
    for group in list("apiGroups") {
        for resource in list("resources") {
            for verb in list("verbs") {
                all.extend(names.iter().map(|name| Access {
                    group,
                    resource,
                    name: *name,
                    path: None,
                    verb,
                }));
            }
        }
    }
    for path in list("nonResourceURLs") {
        all.extend(list("verbs").into_iter().map(|verb| Access {
            group: "",
            resource: "",
            name: None,
            path: Some(path),
            verb,
        }));
    }
    all
}

/// True where a rule gives an access.
fn covers(rule: &Value, access: &Access<'_>) -> bool {
    if !has(rule, "verbs", access.verb) {
        return false;
    }
    if let Some(path) = access.path {
        return json::texts(rule, &["nonResourceURLs"])
            .iter()
            .any(|u| *u == path || u.strip_suffix('*').is_some_and(|p| path.starts_with(p)));
    }
    let names = json::texts(rule, &["resourceNames"]);
    let of_all = access
        .resource
        .split_once('/')
        .map(|(_, subresource)| format!("*/{subresource}"));
    has(rule, "apiGroups", access.group)
        && (has(rule, "resources", access.resource)
            || of_all.is_some_and(|of_all| json::texts(rule, &["resources"]).contains(&of_all.as_str())))
        && (names.is_empty() || access.name.is_some_and(|name| names.contains(&name)))
}

fn line(access: &Access<'_>, verbs: &[&str]) -> String {
    let mut parts = match access.path {
        Some(path) => vec![format!("NonResourceURLs:[{path:?}]")],
        None => vec![
            format!("APIGroups:[{:?}]", access.group),
            format!("Resources:[{:?}]", access.resource),
        ],
    };
    parts.extend(access.name.map(|name| format!("ResourceNames:[{name:?}]")));
    let verbs: Vec<String> = verbs.iter().map(|v| format!("{v:?}")).collect();
    parts.push(format!("Verbs:[{}]", verbs.join(" ")));
    format!("{{{}}}", parts.join(", "))
}
