//! The columns of the built-in kinds, as kube-apiserver 1.36 gives them.

mod core;
mod workloads;

use crate::local::{kinds::ResourceType, schema};

/// Name, type, 1 for those of the wide form, the cell, and what describes it: a text, or the field
/// (`@type/field`) whose description it is.
pub(super) type Row = (&'static str, &'static str, i64, &'static str, &'static str);

const NAME: &str = "@meta.v1.ObjectMeta/name";
const CREATED: &str = "@meta.v1.ObjectMeta/creationTimestamp";
const AGE: Row = ("Age", "string", 0, "age", CREATED);
const CONTAINERS: Row = (
    "Containers",
    "string",
    1,
    "containers",
    "Names of each container in the template.",
);
const IMAGES: Row = (
    "Images",
    "string",
    1,
    "images",
    "Images referenced by each container in the template.",
);
/// The first column of every kind but events.
pub(super) const FIRST: Row = ("Name", "string", 0, "name", NAME);

/// The columns behind the name; none for kinds that have no table of their own.
pub(super) fn of(kind: &ResourceType) -> Option<&'static [Row]> {
    Some(match (kind.group.as_str(), kind.plural.as_str()) {
        ("", plural) => core::core(plural)?,
        ("apps", plural) => workloads::apps(plural)?,
        ("autoscaling", _) => workloads::AUTOSCALERS,
        ("batch", plural) => workloads::batch(plural)?,
        ("networking.k8s.io", plural) => networking(plural)?,
        ("rbac.authorization.k8s.io", plural) => bindings(plural)?,
        ("policy", "poddisruptionbudgets") => &[
            (
                "Min Available",
                "string",
                0,
                "or-na:.spec.minAvailable",
                "The minimum number of pods that must be available.",
            ),
            (
                "Max Unavailable",
                "string",
                0,
                "or-na:.spec.maxUnavailable",
                "The maximum number of pods that may be unavailable.",
            ),
            (
                "Allowed Disruptions",
                "integer",
                0,
                "int:.status.disruptionsAllowed",
                "Calculated number of pods that may be disrupted at this time.",
            ),
            AGE,
        ],
        ("scheduling.k8s.io", "priorityclasses") => &[
            (
                "Value",
                "integer",
                0,
                "int:.value",
                "@scheduling.v1.PriorityClass/value",
            ),
            (
                "Global-Default",
                "boolean",
                0,
                "flag:.globalDefault",
                "@scheduling.v1.PriorityClass/globalDefault",
            ),
            AGE,
            (
                "PreemptionPolicy",
                "string",
                0,
                "text:.preemptionPolicy",
                "@scheduling.v1.PriorityClass/preemptionPolicy",
            ),
        ],
        ("admissionregistration.k8s.io", _) => &[
            (
                "Webhooks",
                "integer",
                0,
                "count:.webhooks",
                "Webhooks indicates the number of webhooks registered in this configuration",
            ),
            AGE,
        ],
        ("coordination.k8s.io", "leases") => &[
            (
                "Holder",
                "string",
                0,
                "text:.spec.holderIdentity",
                "@coordination.v1.LeaseSpec/holderIdentity",
            ),
            AGE,
        ],
        ("discovery.k8s.io", "endpointslices") => &[
            (
                "AddressType",
                "string",
                0,
                "text:.addressType",
                "@discovery.v1.EndpointSlice/addressType",
            ),
            (
                "Ports",
                "string",
                0,
                "slice-ports",
                "@discovery.v1.EndpointSlice/ports",
            ),
            (
                "Endpoints",
                "string",
                0,
                "slice-endpoints",
                "@discovery.v1.EndpointSlice/endpoints",
            ),
            AGE,
        ],
        ("events.k8s.io", "events") => EVENTS_NEW,
        _ => return None,
    })
}

const EVENTS: &[Row] = &[
    (
        "Last Seen",
        "string",
        0,
        "since:.lastTimestamp",
        "@core.v1.Event/lastTimestamp",
    ),
    ("Type", "string", 0, "text:.type", "@core.v1.Event/type"),
    ("Reason", "string", 0, "text:.reason", "@core.v1.Event/reason"),
    (
        "Object",
        "string",
        0,
        "object:.involvedObject",
        "@core.v1.Event/involvedObject",
    ),
    (
        "Subobject",
        "string",
        1,
        "text:.involvedObject.fieldPath",
        "@core.v1.ObjectReference/fieldPath",
    ),
    ("Source", "string", 1, "source:.source", "@core.v1.Event/source"),
    ("Message", "string", 0, "text:.message", "@core.v1.Event/message"),
    (
        "First Seen",
        "string",
        1,
        "since:.firstTimestamp",
        "@core.v1.Event/firstTimestamp",
    ),
    ("Count", "string", 1, "int:.count", "@core.v1.Event/count"),
    ("Name", "string", 1, "name", NAME),
];

/// The same columns, of the other face of events.
const EVENTS_NEW: &[Row] = &[
    (
        "Last Seen",
        "string",
        0,
        "since:.deprecatedLastTimestamp",
        "@core.v1.Event/lastTimestamp",
    ),
    ("Type", "string", 0, "text:.type", "@core.v1.Event/type"),
    ("Reason", "string", 0, "text:.reason", "@core.v1.Event/reason"),
    (
        "Object",
        "string",
        0,
        "object:.regarding",
        "@core.v1.Event/involvedObject",
    ),
    (
        "Subobject",
        "string",
        1,
        "text:.regarding.fieldPath",
        "@core.v1.ObjectReference/fieldPath",
    ),
    (
        "Source",
        "string",
        1,
        "source:.deprecatedSource",
        "@core.v1.Event/source",
    ),
    ("Message", "string", 0, "text:.note", "@core.v1.Event/message"),
    (
        "First Seen",
        "string",
        1,
        "since:.deprecatedFirstTimestamp",
        "@core.v1.Event/firstTimestamp",
    ),
    (
        "Count",
        "string",
        1,
        "int:.deprecatedCount",
        "@core.v1.Event/count",
    ),
    ("Name", "string", 1, "name", NAME),
];

fn networking(plural: &str) -> Option<&'static [Row]> {
    Some(match plural {
        "ingresses" => &[
            (
                "Class",
                "string",
                0,
                "or-none:.spec.ingressClassName",
                "The name of the IngressClass resource that should be used for additional configuration",
            ),
            (
                "Hosts",
                "string",
                0,
                "hosts",
                "Hosts that incoming requests are matched against before the ingress rule",
            ),
            (
                "Address",
                "string",
                0,
                "balancer",
                "Address is a list containing ingress points for the load-balancer",
            ),
            (
                "Ports",
                "string",
                0,
                "ingress-ports",
                "Ports of TLS configurations that open",
            ),
            AGE,
        ],
        "ingressclasses" => &[
            (
                "Controller",
                "string",
                0,
                "text:.spec.controller",
                "Controller that is responsible for handling this class",
            ),
            (
                "Parameters",
                "string",
                0,
                "parameters",
                "A reference to a resource with additional parameters",
            ),
            AGE,
        ],
        "networkpolicies" => &[
            (
                "Pod-Selector",
                "string",
                0,
                "selector:.spec.podSelector",
                "@networking.v1.NetworkPolicySpec/podSelector",
            ),
            AGE,
        ],
        _ => return None,
    })
}

fn bindings(plural: &str) -> Option<&'static [Row]> {
    Some(match plural {
        "rolebindings" => &[
            (
                "Role",
                "string",
                0,
                "role",
                "RoleRef can reference a Role in the current namespace or a ClusterRole in the global namespace. If the RoleRef cannot be resolved, the Authorizer must return an error.",
            ),
            AGE,
            ("Users", "string", 1, "subjects:User", "Users in the roleBinding"),
            (
                "Groups",
                "string",
                1,
                "subjects:Group",
                "Groups in the roleBinding",
            ),
            (
                "ServiceAccounts",
                "string",
                1,
                "subjects:ServiceAccount",
                "ServiceAccounts in the roleBinding",
            ),
        ],
        "clusterrolebindings" => &[
            (
                "Role",
                "string",
                0,
                "role",
                "RoleRef can only reference a ClusterRole in the global namespace. If the RoleRef cannot be resolved, the Authorizer must return an error.",
            ),
            AGE,
            (
                "Users",
                "string",
                1,
                "subjects:User",
                "Users in the clusterRoleBinding",
            ),
            (
                "Groups",
                "string",
                1,
                "subjects:Group",
                "Groups in the clusterRoleBinding",
            ),
            (
                "ServiceAccounts",
                "string",
                1,
                "subjects:ServiceAccount",
                "ServiceAccounts in the clusterRoleBinding",
            ),
        ],
        _ => return None,
    })
}

/// The column of kinds that have no table of their own.
pub(super) const CREATED_AT: Row = (
    "Created At",
    "date",
    0,
    "text:.metadata.creationTimestamp",
    CREATED,
);
/// The age of custom resources.
pub(super) const CUSTOM_AGE: Row = ("Age", "date", 0, "age", CREATED);

/// The text that a row names.
pub(super) fn described(by: &str) -> String {
    let field = by.strip_prefix('@').and_then(|place| place.split_once('/'));
    let Some((name, field)) = field else {
        return by.to_owned();
    };
    let text = schema::definitions()
        .iter()
        .find(|(known, _)| known.ends_with(name))
        .and_then(|(_, definition)| {
            definition
                .pointer(&format!("/properties/{field}/description"))?
                .as_str()
        });
    text.unwrap_or_default().to_owned()
}
