//! The roles and bindings that every cluster starts with.

use serde_json::{Value, json};

use super::{CLUSTER_BINDINGS, CLUSTER_ROLES, GROUP};
use crate::local::{authn, json, server::State};

/// The role that lets accounts know who issues tokens.
const ISSUER_READER: &str = "system:service-account-issuer-discovery";

const ADMIN_RESOURCES: &[(&str, &[&str])] = &[
    (
        "",
        &[
            "configmaps",
            "endpoints",
            "events",
            "persistentvolumeclaims",
            "pods",
            "pods/log",
            "services",
            "services/status",
            "resourcequotas",
            "limitranges",
            "bindings",
            "serviceaccounts",
        ],
    ),
    (
        "apps",
        &[
            "daemonsets",
            "deployments",
            "deployments/scale",
            "replicasets",
            "replicasets/scale",
            "statefulsets",
            "statefulsets/scale",
        ],
    ),
    ("autoscaling", &["horizontalpodautoscalers"]),
    ("batch", &["cronjobs", "jobs"]),
    ("discovery.k8s.io", &["endpointslices"]),
    ("networking.k8s.io", &["ingresses", "networkpolicies"]),
    ("policy", &["poddisruptionbudgets"]),
];

fn resource_rules(verbs: &[&str]) -> Vec<Value> {
    ADMIN_RESOURCES
        .iter()
        .map(|(group, resources)| json!({"apiGroups": [group], "resources": resources, "verbs": verbs}))
        .collect()
}

/// Makes the default roles and bindings where they are missing.
pub(crate) fn seed(state: &mut State) {
    let write = ["create", "delete", "deletecollection", "patch", "update"];
    let look = ["get", "list", "watch"];
    let mut edit = resource_rules(&write);
    edit.push(json!({"apiGroups": [""], "resources": ["secrets"], "verbs":
        ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]}));
    edit.push(json!({"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["impersonate"]}));
    edit.push(json!({"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}));
    let mut view = resource_rules(&look);
    view.push(json!({"apiGroups": [""], "resources": ["namespaces"], "verbs": look}));
    let own = [
        "create",
        "delete",
        "deletecollection",
        "get",
        "list",
        "patch",
        "update",
        "watch",
    ];
    let admin = vec![
        json!({"apiGroups": ["authorization.k8s.io"], "resources": ["localsubjectaccessreviews"], "verbs": ["create"]}),
        json!({"apiGroups": [GROUP], "resources": ["rolebindings", "roles"], "verbs": own}),
    ];
    let urls = [
        "/api",
        "/api/*",
        "/apis",
        "/apis/*",
        "/healthz",
        "/livez",
        "/openapi",
        "/openapi/*",
        "/readyz",
        "/version",
        "/version/",
    ];
    let reviews =
        |group: &str, what: &[&str]| json!({"apiGroups": [group], "resources": what, "verbs": ["create"]});
    let basic = vec![
        reviews(
            "authorization.k8s.io",
            &["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
        ),
        reviews("authentication.k8s.io", &["selfsubjectreviews"]),
    ];
    let delegator = vec![
        reviews("authentication.k8s.io", &["tokenreviews"]),
        reviews("authorization.k8s.io", &["subjectaccessreviews"]),
    ];
    let to = |role: &str| format!("rbac.authorization.k8s.io/aggregate-to-{role}");
    let all = vec![
        json!({"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}),
        json!({"nonResourceURLs": ["*"], "verbs": ["*"]}),
    ];
    cluster_role(state, "cluster-admin", None, &[], &all);
    cluster_role(state, "admin", Some(&to("admin")), &[], &[]);
    cluster_role(state, "edit", Some(&to("edit")), &[to("admin")], &[]);
    cluster_role(state, "view", Some(&to("view")), &[to("edit")], &[]);
    cluster_role(state, "system:aggregate-to-admin", None, &[to("admin")], &admin);
    cluster_role(state, "system:aggregate-to-edit", None, &[to("edit")], &edit);
    cluster_role(state, "system:aggregate-to-view", None, &[to("view")], &view);
    let discovery = vec![json!({"nonResourceURLs": urls, "verbs": ["get"]})];
    cluster_role(state, "system:discovery", None, &[], &discovery);
    let public = ["/healthz", "/livez", "/readyz", "/version", "/version/"];
    let public = vec![json!({"nonResourceURLs": public, "verbs": ["get"]})];
    cluster_role(state, "system:public-info-viewer", None, &[], &public);
    let issuer: Vec<String> = [authn::CONFIGURATION, authn::KEYS]
        .iter()
        .flat_map(|path| [(*path).to_owned(), format!("{path}/")])
        .collect();
    let issuer = vec![json!({"nonResourceURLs": issuer, "verbs": ["get"]})];
    cluster_role(state, ISSUER_READER, None, &[], &issuer);
    cluster_role(state, "system:basic-user", None, &[], &basic);
    cluster_role(state, "system:auth-delegator", None, &[], &delegator);
    let everybody = ["system:authenticated", "system:unauthenticated"];
    cluster_binding(state, "cluster-admin", &["system:masters"]);
    cluster_binding(state, "system:discovery", &everybody[..1]);
    cluster_binding(state, "system:basic-user", &everybody[..1]);
    cluster_binding(state, "system:public-info-viewer", &everybody);
    cluster_binding(state, ISSUER_READER, &["system:serviceaccounts"]);
}

fn meta(name: &str) -> Value {
    json!({
        "name": name, "uid": uuid::Uuid::new_v4().to_string(), "creationTimestamp": json::now(),
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
    })
}

fn cluster_role(state: &mut State, name: &str, sum_of: Option<&str>, part_of: &[String], rules: &[Value]) {
    if state.store.kept(CLUSTER_ROLES, "", name).is_some() {
        return;
    }
    let mut role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": meta(name), "rules": rules,
    });
    for label in part_of {
        role["metadata"]["labels"][label] = "true".into();
    }
    if let Some(label) = sum_of {
        role["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
    }
    state.store.put(&CLUSTER_ROLES.into(), role);
}

fn cluster_binding(state: &mut State, role: &str, groups: &[&str]) {
    if state.store.kept(CLUSTER_BINDINGS, "", role).is_some() {
        return;
    }
    let binding = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": meta(role),
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
        "subjects": groups
            .iter()
            .map(|group| json!({"apiGroup": GROUP, "kind": "Group", "name": group}))
            .collect::<Vec<_>>(),
    });
    state.store.put(&CLUSTER_BINDINGS.into(), binding);
}
