//! The columns of the built-in kinds, as kube-apiserver 1.36 gives them.

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
        ("", plural) => core(plural)?,
        ("apps", plural) => apps(plural)?,
        ("batch", plural) => batch(plural)?,
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

fn core(plural: &str) -> Option<&'static [Row]> {
    Some(match plural {
        "namespaces" => &[
            (
                "Status",
                "string",
                0,
                "text:.status.phase",
                "The status of the namespace",
            ),
            AGE,
        ],
        "configmaps" => &[("Data", "string", 0, "data", "@core.v1.ConfigMap/data"), AGE],
        "secrets" => &[
            ("Type", "string", 0, "text:.type", "@core.v1.Secret/type"),
            ("Data", "string", 0, "data", "@core.v1.Secret/data"),
            AGE,
        ],
        "serviceaccounts" => &[AGE],
        "endpoints" => &[
            (
                "Endpoints",
                "string",
                0,
                "endpoints",
                "@core.v1.Endpoints/subsets",
            ),
            AGE,
        ],
        "resourcequotas" => &[
            (
                "Request",
                "string",
                0,
                "quota-requests",
                "Request represents a minimum amount of cpu/memory that a container may consume.",
            ),
            (
                "Limit",
                "string",
                0,
                "quota-limits",
                "Limits control the maximum amount of cpu/memory that a container may use independent of contention on the node.",
            ),
            AGE,
        ],
        "services" => &[
            (
                "Type",
                "string",
                0,
                "text:.spec.type",
                "@core.v1.ServiceSpec/type",
            ),
            (
                "Cluster-IP",
                "string",
                0,
                "or-none:.spec.clusterIP",
                "@core.v1.ServiceSpec/clusterIP",
            ),
            (
                "External-IP",
                "string",
                0,
                "external",
                "@core.v1.ServiceSpec/externalIPs",
            ),
            ("Port(s)", "string", 0, "ports", "@core.v1.ServiceSpec/ports"),
            AGE,
            (
                "Selector",
                "string",
                1,
                "labels:.spec.selector",
                "@core.v1.ServiceSpec/selector",
            ),
        ],
        "pods" => &[
            (
                "Ready",
                "string",
                0,
                "pod-ready",
                "The aggregate readiness state of this pod for accepting traffic.",
            ),
            (
                "Status",
                "string",
                0,
                "pod-status",
                "The aggregate status of the containers in this pod.",
            ),
            (
                "Restarts",
                "string",
                0,
                "restarts",
                "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.",
            ),
            AGE,
            (
                "IP",
                "string",
                1,
                "or-none:.status.podIP",
                "@core.v1.PodStatus/podIP",
            ),
            (
                "Node",
                "string",
                1,
                "or-none:.spec.nodeName",
                "@core.v1.PodSpec/nodeName",
            ),
            (
                "Nominated Node",
                "string",
                1,
                "or-none:.status.nominatedNodeName",
                "@core.v1.PodStatus/nominatedNodeName",
            ),
            (
                "Readiness Gates",
                "string",
                1,
                "gates",
                "@core.v1.PodSpec/readinessGates",
            ),
        ],
        "persistentvolumeclaims" => &[
            (
                "Status",
                "string",
                0,
                "text:.status.phase",
                "@core.v1.PersistentVolumeClaimStatus/phase",
            ),
            (
                "Volume",
                "string",
                0,
                "text:.spec.volumeName",
                "@core.v1.PersistentVolumeClaimSpec/volumeName",
            ),
            (
                "Capacity",
                "string",
                0,
                "text:.status.capacity.storage",
                "@core.v1.PersistentVolumeClaimStatus/capacity",
            ),
            (
                "Access Modes",
                "string",
                0,
                "modes",
                "@core.v1.PersistentVolumeClaimStatus/accessModes",
            ),
            (
                "StorageClass",
                "string",
                0,
                "text:.spec.storageClassName",
                "StorageClass of the pvc",
            ),
            (
                "VolumeAttributesClass",
                "string",
                0,
                "or-unset:.spec.volumeAttributesClassName",
                "VolumeAttributesClass of the pvc",
            ),
            AGE,
            (
                "VolumeMode",
                "string",
                1,
                "text:.spec.volumeMode",
                "@core.v1.PersistentVolumeClaimSpec/volumeMode",
            ),
        ],
        "events" => EVENTS,
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

fn apps(plural: &str) -> Option<&'static [Row]> {
    Some(match plural {
        "deployments" => &[
            (
                "Ready",
                "string",
                0,
                "ready",
                "Number of the pod with ready state",
            ),
            (
                "Up-to-date",
                "string",
                0,
                "int:.status.updatedReplicas",
                "@apps.v1.DeploymentStatus/updatedReplicas",
            ),
            (
                "Available",
                "string",
                0,
                "int:.status.availableReplicas",
                "@apps.v1.DeploymentStatus/availableReplicas",
            ),
            AGE,
            CONTAINERS,
            IMAGES,
            (
                "Selector",
                "string",
                1,
                "selector:.spec.selector",
                "@apps.v1.DeploymentSpec/selector",
            ),
        ],
        "statefulsets" => &[
            (
                "Ready",
                "string",
                0,
                "ready",
                "Number of the pod with ready state",
            ),
            AGE,
            CONTAINERS,
            IMAGES,
        ],
        "replicasets" => &[
            (
                "Desired",
                "integer",
                0,
                "int:.spec.replicas",
                "@apps.v1.ReplicaSetSpec/replicas",
            ),
            (
                "Current",
                "integer",
                0,
                "int:.status.replicas",
                "@apps.v1.ReplicaSetStatus/replicas",
            ),
            (
                "Ready",
                "integer",
                0,
                "int:.status.readyReplicas",
                "@apps.v1.ReplicaSetStatus/readyReplicas",
            ),
            AGE,
            CONTAINERS,
            IMAGES,
            (
                "Selector",
                "string",
                1,
                "selector:.spec.selector",
                "@apps.v1.ReplicaSetSpec/selector",
            ),
        ],
        "daemonsets" => &[
            (
                "Desired",
                "integer",
                0,
                "int:.status.desiredNumberScheduled",
                "@apps.v1.DaemonSetStatus/desiredNumberScheduled",
            ),
            (
                "Current",
                "integer",
                0,
                "int:.status.currentNumberScheduled",
                "@apps.v1.DaemonSetStatus/currentNumberScheduled",
            ),
            (
                "Ready",
                "integer",
                0,
                "int:.status.numberReady",
                "@apps.v1.DaemonSetStatus/numberReady",
            ),
            (
                "Up-to-date",
                "integer",
                0,
                "int:.status.updatedNumberScheduled",
                "@apps.v1.DaemonSetStatus/updatedNumberScheduled",
            ),
            (
                "Available",
                "integer",
                0,
                "int:.status.numberAvailable",
                "@apps.v1.DaemonSetStatus/numberAvailable",
            ),
            (
                "Node Selector",
                "string",
                0,
                "labels:.spec.template.spec.nodeSelector",
                "@core.v1.PodSpec/nodeSelector",
            ),
            AGE,
            CONTAINERS,
            IMAGES,
            (
                "Selector",
                "string",
                1,
                "selector:.spec.selector",
                "@apps.v1.DaemonSetSpec/selector",
            ),
        ],
        _ => return None,
    })
}

fn batch(plural: &str) -> Option<&'static [Row]> {
    Some(match plural {
        "cronjobs" => &[
            (
                "Schedule",
                "string",
                0,
                "text:.spec.schedule",
                "@batch.v1.CronJobSpec/schedule",
            ),
            (
                "Timezone",
                "string",
                0,
                "or-none:.spec.timeZone",
                "@batch.v1.CronJobSpec/timeZone",
            ),
            (
                "Suspend",
                "boolean",
                0,
                "suspend",
                "@batch.v1.CronJobSpec/suspend",
            ),
            (
                "Active",
                "integer",
                0,
                "count:.status.active",
                "@batch.v1.CronJobStatus/active",
            ),
            (
                "Last Schedule",
                "string",
                0,
                "since-or-none:.status.lastScheduleTime",
                "@batch.v1.CronJobStatus/lastScheduleTime",
            ),
            AGE,
            CONTAINERS,
            IMAGES,
            (
                "Selector",
                "string",
                1,
                "selector:.spec.jobTemplate.spec.selector",
                "@batch.v1.JobSpec/selector",
            ),
        ],
        "jobs" => &[
            ("Status", "string", 0, "job-status", "Status of the job."),
            (
                "Completions",
                "string",
                0,
                "completions",
                "@batch.v1.JobStatus/succeeded",
            ),
            (
                "Duration",
                "string",
                0,
                "job-duration",
                "Time required to complete the job.",
            ),
            AGE,
            CONTAINERS,
            IMAGES,
            (
                "Selector",
                "string",
                1,
                "selector:.spec.selector",
                "@batch.v1.JobSpec/selector",
            ),
        ],
        _ => return None,
    })
}

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
