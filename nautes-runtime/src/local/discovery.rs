//! What a server serves, for clients that ask: `/version`, `/api`, `/apis` and below.

use base64::Engine as _;
use http::Response;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    authn,
    builtin::Sort,
    call::Call,
    kinds::{Registry, ResourceType, Version},
    server::{Body, Server, plain, respond},
    status::Status,
};

/// The version of Kubernetes that the kinds follow.
pub(crate) const VERSION: (&str, &str) = ("1", "36");
/// The minor version before it, whose clients are still understood.
const BEFORE: &str = "35";

const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

pub(crate) fn serve(server: &Server, call: &Call) -> Result<Response<Body>, Status> {
    let state = server.state();
    let registry = &state.registry;
    let path = call.path.trim_end_matches('/');
    let parts: Vec<&str> = path.split('/').skip(1).collect();
    let aggregated = call.accept.contains("as=APIGroupDiscoveryList") && call.accept.contains("v=v2");
    let body = match parts.as_slice() {
        [] | [""] => {
            json!({"paths": [authn::CONFIGURATION, "/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2",
            "/openapi/v3", authn::KEYS, "/readyz", "/version"]})
        }
        ["version"] => version(&server.name),
        ["api"] if aggregated => return Ok(discovered(registry, true)),
        ["apis"] if aggregated => return Ok(discovered(registry, false)),
        ["api"] => json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": []}),
        ["apis"] => {
            let groups: Vec<Value> = registry.groups().iter().map(|g| group(registry, g)).collect();
            json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
        }
        ["api", "v1"] => resources(registry, "", "v1").ok_or_else(Status::no_such_path)?,
        ["apis", name] if registry.groups().iter().any(|g| g == name) => {
            let mut group = group(registry, name);
            group["kind"] = "APIGroup".into();
            group["apiVersion"] = "v1".into();
            group
        }
        ["apis", group, version] => {
            resources(registry, group, version).ok_or_else(|| none(registry, &parts))?
        }
        _ => return Err(none(registry, &parts)),
    };
    Ok(respond(200, &body, &[]))
}

/// Why there is nothing at a path: the server knows something of its own groups only.
fn none(registry: &Registry, parts: &[&str]) -> Status {
    match parts {
        ["api", ..] => Status::no_such_path(),
        ["apis", group, ..] if registry.is_built_in(group) => Status::no_such_path(),
        _ => Status::no_such_group(),
    }
}

fn version(name: &str) -> Value {
    let (major, minor) = VERSION;
    json!({
        "major": major, "minor": minor, "gitVersion": format!("v{major}.{minor}.0+nautes"),
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none",
        "compiler": "rustc", "platform": format!("local/{name}"),
        "emulationMajor": major, "emulationMinor": minor,
        "minCompatibilityMajor": major, "minCompatibilityMinor": BEFORE,
    })
}

fn group(registry: &Registry, name: &str) -> Value {
    let versions: Vec<Value> = registry
        .versions(name)
        .iter()
        .map(|v| json!({"groupVersion": format!("{name}/{v}"), "version": v}))
        .collect();
    json!({"name": name, "versions": versions, "preferredVersion": versions.first()})
}

fn verbs(kind: &ResourceType) -> Vec<&'static str> {
    match kind.sort {
        Sort::Review => vec!["create"],
        // In the orders in which the two servers of kube-apiserver tell them.
        _ if kind.custom => vec![
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "create",
            "update",
            "watch",
        ],
        _ if kind.is("", "namespaces") => vec!["create", "delete", "get", "list", "patch", "update", "watch"],
        _ => vec![
            "create",
            "delete",
            "deletecollection",
            "get",
            "list",
            "patch",
            "update",
            "watch",
        ],
    }
}

/// A subresource: its name, the kind it speaks (group, version, kind), its verbs.
type Sub = (&'static str, (String, String, String), Vec<&'static str>);

fn subresources(kind: &ResourceType, version: &Version) -> Vec<Sub> {
    let own = || (kind.group.clone(), version.name.clone(), kind.kind.clone());
    let of = |g: &str, v: &str, k: &str| (g.to_owned(), v.to_owned(), k.to_owned());
    let change = || vec!["get", "patch", "update"];
    let mut subs = Vec::new();
    if version.status {
        subs.push(("status", own(), change()));
    }
    if version.scale.is_some() {
        subs.push(("scale", of("autoscaling", "v1", "Scale"), change()));
    }
    if kind.is("", "pods") {
        subs.push(("ephemeralcontainers", own(), change()));
        subs.push(("eviction", of("policy", "v1", "Eviction"), vec!["create"]));
        subs.push(("log", own(), vec!["get"]));
        subs.push(("resize", own(), change()));
    }
    if kind.is("", "namespaces") {
        subs.push(("finalize", own(), vec!["update"]));
    }
    if kind.is("", "serviceaccounts") {
        subs.push((
            "token",
            of("authentication.k8s.io", "v1", "TokenRequest"),
            vec!["create"],
        ));
    }
    if !kind.custom {
        subs.sort_by_key(|(name, ..)| *name);
    }
    subs
}

/// Tells clients whether objects are kept in another form than before.
fn kept_as(kind: &ResourceType) -> String {
    let hash = Sha256::digest(kind.kept_as.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(&hash[..8])
}

fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let mut list = Vec::new();
    let served = registry
        .all()
        .filter(|t| t.group == group)
        .filter_map(|t| Some((t, t.version(version)?)));
    for (kind, of) in served {
        let mut entry = json!({
            "name": kind.plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
            "verbs": verbs(kind),
        });
        if !kind.short_names.is_empty() {
            entry["shortNames"] = json!(kind.short_names);
        }
        if !kind.categories.is_empty() {
            entry["categories"] = json!(kind.categories);
        }
        if kind.is_stored() {
            entry["storageVersionHash"] = kept_as(kind).into();
        }
        list.push(entry);
        for (name, (g, v, k), verbs) in subresources(kind, of) {
            let mut entry = json!({
                "name": format!("{}/{name}", kind.plural), "singularName": "", "namespaced": kind.namespaced,
                "kind": k, "verbs": verbs,
            });
            if (g.as_str(), v.as_str()) != (group, version) {
                entry["group"] = g.into();
                entry["version"] = v.into();
            }
            list.push(entry);
        }
    }
    let group_version = if group.is_empty() {
        version.to_owned()
    } else {
        format!("{group}/{version}")
    };
    (!list.is_empty()).then(|| {
        json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": list})
    })
}

/// Everything in one document, of the core group or of all others.
fn discovered(registry: &Registry, core: bool) -> Response<Body> {
    let groups = if core {
        vec![String::new()]
    } else {
        registry.groups()
    };
    let items: Vec<Value> = groups
        .iter()
        .map(|group| {
            let versions: Vec<Value> = registry
                .versions(group)
                .iter()
                .map(|v| json!({"version": v, "freshness": "Current", "resources": entries(registry, group, v)}))
                .collect();
            json!({"metadata": {"name": group}, "versions": versions})
        })
        .collect();
    let body = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items,
    });
    plain(200, AGGREGATED, body.to_string())
}

fn entries(registry: &Registry, group: &str, version: &str) -> Vec<Value> {
    // Of the kinds that Kubernetes brings, the group and the version are only told where they are others.
    let kind_of = |custom: bool, g: &str, v: &str, k: &str| {
        let (g, v) = if custom || (g, v) != (group, version) {
            (g, v)
        } else {
            ("", "")
        };
        json!({"group": g, "version": v, "kind": k})
    };
    registry
        .all()
        .filter(|t| t.group == group)
        .filter_map(|t| Some((t, t.version(version)?)))
        .map(|(kind, of)| {
            let mut entry = json!({
                "resource": kind.plural, "responseKind": kind_of(kind.custom, group, version, &kind.kind),
                "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
                "singularResource": kind.singular, "verbs": verbs(kind),
            });
            if !kind.short_names.is_empty() {
                entry["shortNames"] = json!(kind.short_names);
            }
            if !kind.categories.is_empty() {
                entry["categories"] = json!(kind.categories);
            }
            let subs: Vec<Value> = subresources(kind, of)
                .into_iter()
                .map(|(name, (g, v, k), verbs)| {
                    json!({"subresource": name, "responseKind": kind_of(kind.custom, &g, &v, &k), "verbs": verbs})
                })
                .collect();
            if !subs.is_empty() {
                entry["subresources"] = subs.into();
            }
            entry
        })
        .collect()
}
