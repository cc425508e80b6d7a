//! What is known of kinds without asking a cluster.

/// Cluster-scoped kinds of Kubernetes itself, as (group, kind). Others are found out from the cluster.
const CLUSTER_SCOPED: [(&str, &str); 20] = [
    ("", "Namespace"),
    ("", "Node"),
    ("", "PersistentVolume"),
    ("admissionregistration.k8s.io", "MutatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy"),
    ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
    ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ("apiregistration.k8s.io", "APIService"),
    ("certificates.k8s.io", "CertificateSigningRequest"),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema"),
    ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration"),
    ("networking.k8s.io", "IngressClass"),
    ("node.k8s.io", "RuntimeClass"),
    ("rbac.authorization.k8s.io", "ClusterRole"),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"),
    ("scheduling.k8s.io", "PriorityClass"),
    ("storage.k8s.io", "CSIDriver"),
    ("storage.k8s.io", "StorageClass"),
];

/// Whether a kind is known to be cluster-scoped.
pub(crate) fn is_cluster_scoped(group: &str, kind: &str) -> bool {
    CLUSTER_SCOPED.contains(&(group, kind))
}

/// Returns the wave of a kind: what others need comes first.
pub(crate) fn wave(group: &str, kind: &str) -> usize {
    match (group, kind) {
        ("", "Namespace") => 0,
        ("apiextensions.k8s.io", "CustomResourceDefinition") => 1,
        ("", "ServiceAccount" | "LimitRange" | "ResourceQuota") | ("rbac.authorization.k8s.io", _) => 2,
        ("", "Secret" | "ConfigMap" | "PersistentVolume" | "PersistentVolumeClaim" | "Service")
        | ("storage.k8s.io" | "scheduling.k8s.io", _) => 3,
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_need_comes_first() {
        let order = [
            wave("", "Namespace"),
            wave("apiextensions.k8s.io", "CustomResourceDefinition"),
            wave("rbac.authorization.k8s.io", "RoleBinding"),
            wave("", "ConfigMap"),
            wave("apps", "Deployment"),
        ];
        assert!(order.is_sorted_by(|a, b| a < b));
    }
}
