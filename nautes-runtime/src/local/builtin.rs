//! The table of built-in kinds.

use std::sync::LazyLock;

use k8s_openapi::{
    Resource,
    api::{
        admissionregistration::v1 as admission,
        apps::v1 as apps,
        authentication::v1 as authentication,
        authorization::v1 as authorization,
        autoscaling::{v1 as autoscaling, v2 as autoscaling_v2},
        batch::v1 as batch,
        coordination::v1 as coordination,
        core::v1 as core,
        discovery::v1 as discovery,
        events::v1 as events,
        networking::v1 as networking,
        policy::v1 as policy,
        rbac::v1 as rbac,
        scheduling::v1 as scheduling,
    },
    apiextensions_apiserver::pkg::apis::apiextensions::v1 as apiextensions,
    schemars::{JsonSchema, SchemaGenerator},
};

/// What can be done with a built-in kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Stored.
    Plain,
    /// Stored, with a status of its own.
    Status,
    /// Stored, with a status of its own and a scale.
    Scale,
    /// Answered, never stored.
    Review,
    /// Only described (the type of a subresource).
    Hidden,
}

/// One built-in kind.
#[derive(Clone, Debug)]
pub(crate) struct Builtin {
    pub(crate) group: &'static str,
    pub(crate) version: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) namespaced: bool,
    pub(crate) short: &'static [&'static str],
    pub(crate) categories: &'static [&'static str],
    pub(crate) sort: Sort,
    pub(crate) definition: String,
    pub(crate) register: fn(&mut SchemaGenerator),
}

fn kind<T: Resource + JsonSchema>(
    namespaced: bool,
    sort: Sort,
    short: &'static [&'static str],
    categories: &'static [&'static str],
) -> Builtin {
    Builtin {
        group: T::GROUP,
        version: T::VERSION,
        kind: T::KIND,
        plural: T::URL_PATH_SEGMENT,
        namespaced,
        short,
        categories,
        sort,
        definition: T::schema_name().into_owned(),
        register: |generator| {
            generator.subschema_for::<T>();
        },
    }
}

const ALL: &[&str] = &["all"];
const API: &[&str] = &["api-extensions"];

/// Every built-in kind, in the order of discovery.
pub(crate) static TYPES: LazyLock<Vec<Builtin>> = LazyLock::new(|| {
    use Sort::{Hidden, Plain, Review, Scale, Status};
    vec![
        kind::<core::ConfigMap>(true, Plain, &["cm"], &[]),
        kind::<core::Endpoints>(true, Plain, &["ep"], &[]),
        kind::<core::Event>(true, Plain, &["ev"], &[]),
        kind::<core::LimitRange>(true, Plain, &["limits"], &[]),
        kind::<core::Namespace>(false, Status, &["ns"], &[]),
        kind::<core::PersistentVolume>(false, Status, &["pv"], &[]),
        kind::<core::PersistentVolumeClaim>(true, Status, &["pvc"], &[]),
        kind::<core::Pod>(true, Status, &["po"], ALL),
        kind::<core::ReplicationController>(true, Scale, &["rc"], ALL),
        kind::<core::ResourceQuota>(true, Status, &["quota"], &[]),
        kind::<core::Secret>(true, Plain, &[], &[]),
        kind::<core::ServiceAccount>(true, Plain, &["sa"], &[]),
        kind::<core::Service>(true, Status, &["svc"], ALL),
        kind::<apps::DaemonSet>(true, Status, &["ds"], ALL),
        kind::<apps::Deployment>(true, Scale, &["deploy"], ALL),
        kind::<apps::ReplicaSet>(true, Scale, &["rs"], ALL),
        kind::<apps::StatefulSet>(true, Scale, &["sts"], ALL),
        kind::<events::Event>(true, Plain, &["ev"], &[]),
        kind::<authentication::SelfSubjectReview>(false, Review, &[], &[]),
        kind::<authentication::TokenReview>(false, Review, &[], &[]),
        kind::<authorization::LocalSubjectAccessReview>(true, Review, &[], &[]),
        kind::<authorization::SelfSubjectAccessReview>(false, Review, &[], &[]),
        kind::<authorization::SelfSubjectRulesReview>(false, Review, &[], &[]),
        kind::<authorization::SubjectAccessReview>(false, Review, &[], &[]),
        // Kept in the form of the first.
        kind::<autoscaling_v2::HorizontalPodAutoscaler>(true, Status, &["hpa"], ALL),
        kind::<autoscaling::HorizontalPodAutoscaler>(true, Status, &["hpa"], ALL),
        kind::<batch::CronJob>(true, Status, &["cj"], ALL),
        kind::<batch::Job>(true, Status, &[], ALL),
        kind::<networking::Ingress>(true, Status, &["ing"], &[]),
        kind::<networking::IngressClass>(false, Plain, &[], &[]),
        kind::<networking::NetworkPolicy>(true, Plain, &["netpol"], &[]),
        kind::<policy::PodDisruptionBudget>(true, Status, &["pdb"], &[]),
        kind::<rbac::ClusterRoleBinding>(false, Plain, &[], &[]),
        kind::<rbac::ClusterRole>(false, Plain, &[], &[]),
        kind::<rbac::RoleBinding>(true, Plain, &[], &[]),
        kind::<rbac::Role>(true, Plain, &[], &[]),
        kind::<apiextensions::CustomResourceDefinition>(false, Status, &["crd", "crds"], API),
        kind::<scheduling::PriorityClass>(false, Plain, &["pc"], &[]),
        kind::<admission::MutatingWebhookConfiguration>(false, Plain, &[], API),
        kind::<admission::ValidatingWebhookConfiguration>(false, Plain, &[], API),
        kind::<coordination::Lease>(true, Plain, &[], &[]),
        kind::<discovery::EndpointSlice>(true, Plain, &[], &[]),
        kind::<autoscaling::Scale>(true, Hidden, &[], &[]),
        kind::<authentication::TokenRequest>(true, Hidden, &[], &[]),
        kind::<policy::Eviction>(true, Hidden, &[], &[]),
    ]
});
