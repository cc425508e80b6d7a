//! Role-based access control, evaluated on the role and binding objects of the cluster.

mod defaults;
mod grants;

use std::sync::Arc;

use serde_json::Value;

pub(crate) use self::defaults::seed;
use super::{
    call::{Call, User},
    json,
    server::{Scope, State},
    status::Status,
};

const GROUP: &str = "rbac.authorization.k8s.io";
const ROLES: &str = "roles.rbac.authorization.k8s.io";
const CLUSTER_ROLES: &str = "clusterroles.rbac.authorization.k8s.io";
const BINDINGS: &str = "rolebindings.rbac.authorization.k8s.io";
const CLUSTER_BINDINGS: &str = "clusterrolebindings.rbac.authorization.k8s.io";

/// One access, as rules judge it. `path` is set for what is no resource.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attributes<'a> {
    pub(crate) verb: &'a str,
    pub(crate) group: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) subresource: &'a str,
    pub(crate) namespace: &'a str,
    pub(crate) name: &'a str,
    pub(crate) path: &'a str,
}

impl Attributes<'_> {
    fn what(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.to_owned()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }

    fn message(&self, user: &User) -> String {
        if !self.path.is_empty() {
            return format!(
                "forbidden: User {:?} cannot {} path {:?}",
                user.name, self.verb, self.path
            );
        }
        let qualified = if self.group.is_empty() {
            self.resource.to_owned()
        } else {
            format!("{}.{}", self.resource, self.group)
        };
        let name = if self.name.is_empty() {
            String::new()
        } else {
            format!("{:?} ", self.name)
        };
        let place = if self.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace {:?}", self.namespace)
        };
        format!(
            "{qualified} {name}is forbidden: User {:?} cannot {} resource {:?} in API group {:?} {place}",
            user.name,
            self.verb,
            self.what(),
            self.group
        )
    }
}

/// Refuses a request that its user may not make.
pub(crate) fn check(state: &State, user: &User, call: &Call) -> Result<(), Status> {
    let Some(target) = &call.target else {
        let attributes = Attributes {
            verb: call.verb,
            group: "",
            resource: "",
            subresource: "",
            namespace: "",
            name: "",
            path: &call.path,
        };
        return require(state, user, &attributes);
    };
    let own = target.plural == "namespaces" && target.group.is_empty();
    let namespace = match (own, &target.name, &target.namespace) {
        (true, Some(name), None) => name.as_str(),
        (_, _, Some(namespace)) => namespace.as_str(),
        _ => "",
    };
    let attributes = Attributes {
        verb: call.verb,
        group: &target.group,
        resource: &target.plural,
        subresource: target.subresource.as_deref().unwrap_or_default(),
        namespace,
        name: target
            .name
            .as_deref()
            .or_else(|| named_by_field(call))
            .unwrap_or_default(),
        path: "",
    };
    require(state, user, &attributes)
}

/// The name that a list, a watch or the deletion of a collection is narrowed to: it is a request for that name.
fn named_by_field(call: &Call) -> Option<&str> {
    let name = call.param("fieldSelector").strip_prefix("metadata.name=")?;
    let name = name.trim_start_matches('=');
    (!name.is_empty() && !name.contains([',', '!', '='])).then_some(name)
}

/// An apply that creates needs the right to create as well.
pub(crate) fn check_create(state: &State, scope: &Scope<'_>) -> Result<(), Status> {
    let attributes = Attributes {
        verb: "create",
        group: &scope.kind.group,
        resource: &scope.kind.plural,
        subresource: "",
        namespace: scope.namespace(),
        name: scope.name(),
        path: "",
    };
    require(state, scope.user, &attributes)
}

pub(crate) fn require(state: &State, user: &User, attributes: &Attributes<'_>) -> Result<(), Status> {
    if allows(state, user, attributes) {
        return Ok(());
    }
    let status = Status::new(403, "Forbidden", attributes.message(user));
    Err(status.detail(attributes.name, attributes.group, attributes.resource))
}

/// True where some role of the user allows the access.
pub(crate) fn allows(state: &State, user: &User, attributes: &Attributes<'_>) -> bool {
    reason(state, user, attributes).is_some()
}

/// Why an access is allowed, none where it is not; empty for those who may do everything.
pub(crate) fn reason(state: &State, user: &User, attributes: &Attributes<'_>) -> Option<String> {
    if user.groups.iter().any(|g| g == "system:masters") {
        return Some(String::new());
    }
    let (binding, subject) = bindings(state, user, attributes.namespace).find(|(binding, _)| {
        role_rules(state, binding, json::namespace(binding))
            .iter()
            .any(|rule| rule_allows(rule, attributes))
    })?;
    let (name, namespace) = (json::name(binding), json::namespace(binding));
    let (kind, place) = if namespace.is_empty() {
        ("ClusterRoleBinding", String::new())
    } else {
        ("RoleBinding", format!("/{namespace}"))
    };
    let role = |field| json::text(binding, &["roleRef", field]);
    let account = json::text(subject, &["namespace"]);
    let who = match json::text(subject, &["kind"]) {
        "ServiceAccount" => format!(
            "{}/{}",
            json::text(subject, &["name"]),
            if account.is_empty() { namespace } else { account }
        ),
        _ => json::text(subject, &["name"]).to_owned(),
    };
    Some(format!(
        "RBAC: allowed by {kind} {:?} of {} {:?} to {} {who:?}",
        format!("{name}{place}"),
        role("kind"),
        role("name"),
        json::text(subject, &["kind"])
    ))
}

/// The bindings that name a user, those of the cluster first, each with the subject that does.
fn bindings<'a>(
    state: &'a State,
    user: &'a User,
    namespace: &'a str,
) -> impl Iterator<Item = (&'a Value, &'a Value)> {
    let everywhere = state.store.all_opened(CLUSTER_BINDINGS, None).map(|b| (b, ""));
    let here = (!namespace.is_empty())
        .then(|| state.store.all_opened(BINDINGS, Some(namespace)))
        .into_iter()
        .flatten()
        .map(move |b| (b, namespace));
    everywhere
        .chain(here)
        .filter_map(|(binding, place)| Some((binding.as_ref(), subject_of(binding, user, place)?)))
}

/// The rules that hold for a user in a namespace (cluster-wide ones included).
pub(crate) fn rules_of(state: &State, user: &User, namespace: &str) -> Vec<Value> {
    bindings(state, user, namespace)
        .flat_map(|(binding, _)| role_rules(state, binding, json::namespace(binding)))
        .collect()
}

/// The subject of a binding that is this user.
fn subject_of<'a>(binding: &'a Value, user: &User, namespace: &str) -> Option<&'a Value> {
    json::list(binding, &["subjects"]).iter().find(|subject| {
        let name = json::text(subject, &["name"]);
        match json::text(subject, &["kind"]) {
            "User" => name == user.name,
            "Group" => user.groups.iter().any(|g| g == name),
            "ServiceAccount" => {
                let own = json::text(subject, &["namespace"]);
                let at = if own.is_empty() { namespace } else { own };
                user.name == format!("system:serviceaccount:{at}:{name}")
            }
            _ => false,
        }
    })
}

fn role_rules(state: &State, binding: &Value, namespace: &str) -> Vec<Value> {
    let name = json::text(binding, &["roleRef", "name"]);
    let role = match json::text(binding, &["roleRef", "kind"]) {
        "ClusterRole" => state.store.opened(CLUSTER_ROLES, "", name),
        "Role" if !namespace.is_empty() => state.store.opened(ROLES, namespace, name),
        _ => None,
    };
    role.map(|r| json::list(r, &["rules"]).to_vec())
        .unwrap_or_default()
}

fn has(rule: &Value, field: &str, wanted: &str) -> bool {
    json::texts(rule, &[field])
        .iter()
        .any(|v| *v == "*" || *v == wanted)
}

fn rule_allows(rule: &Value, attributes: &Attributes<'_>) -> bool {
    if !has(rule, "verbs", attributes.verb) {
        return false;
    }
    if !attributes.path.is_empty() {
        return json::texts(rule, &["nonResourceURLs"]).iter().any(|url| {
            *url == attributes.path
                || url
                    .strip_suffix('*')
                    .is_some_and(|prefix| attributes.path.starts_with(prefix))
        });
    }
    let what = attributes.what();
    let any_of = format!("*/{}", attributes.subresource);
    let resource = json::texts(rule, &["resources"])
        .iter()
        .any(|r| *r == "*" || *r == what || !attributes.subresource.is_empty() && *r == any_of);
    let names = json::texts(rule, &["resourceNames"]);
    resource
        && has(rule, "apiGroups", attributes.group)
        && (names.is_empty() || names.contains(&attributes.name))
}

/// True where a change is one of owners and finalizers alone, as the collector of garbage makes it.
fn same_but_for_collection(old: &Value, new: &Value) -> bool {
    let rest = |object: &Value| {
        let mut rest = object.clone();
        for field in [
            "ownerReferences",
            "finalizers",
            "managedFields",
            "resourceVersion",
        ] {
            json::meta_mut(&mut rest).remove(field);
        }
        rest
    };
    rest(old) == rest(new)
}

/// Refuses roles and bindings that would give more than their author has.
pub(crate) fn check_escalation(
    state: &State,
    user: &User,
    scope: &Scope<'_>,
    object: &Value,
    old: Option<&Value>,
) -> Result<(), Status> {
    if scope.kind.group != GROUP || user.groups.iter().any(|g| g == "system:masters") {
        return Ok(());
    }
    let namespace = json::namespace(object);
    let (rules, pass, role) = match scope.kind.plural.as_str() {
        "roles" | "clusterroles" => {
            if old.is_some_and(|o| same_but_for_collection(o, object)) {
                return Ok(());
            }
            (
                json::list(object, &["rules"]).to_vec(),
                "escalate",
                json::name(object).to_owned(),
            )
        }
        _ => {
            if old.is_some_and(|o| same_but_for_collection(o, object)) {
                return Ok(());
            }
            let role = json::text(object, &["roleRef", "name"]).to_owned();
            (role_rules(state, object, namespace), "bind", role)
        }
    };
    let resource = match (pass, json::text(object, &["roleRef", "kind"])) {
        ("bind", "ClusterRole") => "clusterroles",
        ("bind", _) => "roles",
        _ => scope.kind.plural.as_str(),
    };
    let door = Attributes {
        verb: pass,
        group: GROUP,
        resource,
        subresource: "",
        namespace,
        name: &role,
        path: "",
    };
    if allows(state, user, &door) {
        return Ok(());
    }
    if pass == "bind" && !role_exists(state, object, namespace) {
        return Err(Status::not_found(&scope.kind, &role));
    }
    let own = rules_of(state, user, namespace);
    let Some(missing) = grants::missing(&own, &rules) else {
        return Ok(());
    };
    let groups: Vec<String> = user.groups.iter().map(|g| format!("{g:?}")).collect();
    let detail = format!(
        "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{missing}",
        user.name,
        groups.join(" "),
    );
    Err(Status::forbidden(&scope.kind, json::name(object), &detail))
}

fn role_exists(state: &State, binding: &Value, namespace: &str) -> bool {
    let name = json::text(binding, &["roleRef", "name"]);
    if json::text(binding, &["roleRef", "kind"]) == "ClusterRole" {
        state.store.opened(CLUSTER_ROLES, "", name).is_some()
    } else {
        state.store.opened(ROLES, namespace, name).is_some()
    }
}

/// Sums aggregated roles up; true where one changed.
pub(crate) fn aggregate(state: &mut State) -> bool {
    let roles: Vec<Arc<Value>> = state.store.all_opened(CLUSTER_ROLES, None).cloned().collect();
    let mut wrote = false;
    for role in roles.iter().filter(|r| r.get("aggregationRule").is_some()) {
        let selectors = json::list(role, &["aggregationRule", "clusterRoleSelectors"]);
        let mut rules: Vec<Value> = Vec::new();
        for part in &roles {
            let chosen = json::name(part) != json::name(role)
                && selectors.iter().any(|s| label_selector_matches(s, part));
            for rule in json::list(part, &["rules"]).iter().filter(|_| chosen) {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
        if json::list(role, &["rules"]) != rules {
            let mut new = role.as_ref().clone();
            new["rules"] = rules.into();
            state.store.put(&CLUSTER_ROLES.into(), new);
            wrote = true;
        }
    }
    wrote
}

/// Whether the labels of an object are those that a selector asks for.
pub(crate) fn label_selector_matches(selector: &Value, object: &Value) -> bool {
    let labels = json::at(object, &["metadata", "labels"]);
    let value = |key: &str| labels.and_then(|l| l.get(key)).and_then(Value::as_str);
    let exact = selector
        .get("matchLabels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    exact.into_iter().all(|(k, v)| value(k) == v.as_str())
        && json::list(selector, &["matchExpressions"]).iter().all(|e| {
            let found = value(json::text(e, &["key"]));
            let values = json::texts(e, &["values"]);
            match json::text(e, &["operator"]) {
                "In" => found.is_some_and(|f| values.contains(&f)),
                "NotIn" => !found.is_some_and(|f| values.contains(&f)),
                "Exists" => found.is_some(),
                "DoesNotExist" => found.is_none(),
                _ => false,
            }
        })
}
