//! What is known of components and hooks: data for the rules.

use std::collections::BTreeMap;

use nautes_model::kinds::artifact::{ArtifactRepoType, PackageType};
use nautes_model::kinds::cluster::{ClusterSpec, ClusterType, ClusterUsage, Slot, WorkerType};

/// What the value of a component's setting must look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Anything.
    Any,
    /// A host name: labels of letters, digits and hyphens, separated by dots.
    Host,
    /// The number of a port.
    Port,
}

impl Shape {
    /// Whether a text has this shape.
    #[must_use]
    pub fn fits(self, text: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Host => {
                text.len() <= 253
                    && text.split('.').all(|label| {
                        !label.is_empty()
                            && label.len() <= 63
                            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                            && !label.starts_with('-')
                            && !label.ends_with('-')
                    })
            }
            Self::Port => port(text).is_some(),
        }
    }

    /// Says what is wanted.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Any => "any text",
            Self::Host => "a host name such as tekton.example.org",
            Self::Port => "the number of a port, 1 to 65535",
        }
    }
}

/// Reads the number of a port: digits only, 1 to 65535.
#[must_use]
pub fn port(text: &str) -> Option<u16> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().filter(|p| *p > 0)
}

/// A setting of a component (`additions` in a manifest).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: &'static str,
    /// What its value must look like.
    pub shape: Shape,
    /// Whether the component cannot work without; one that is not given is derived or has the default.
    pub required: bool,
    /// The value when it is not given.
    pub default: Option<&'static str>,
}

/// A component that clusters can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentInfo {
    /// Its name.
    pub name: &'static str,
    /// The slots that it can fill.
    pub slots: &'static [Slot],
    /// The namespace in which it usually runs.
    pub namespace: &'static str,
    /// Its settings; others are handed on unseen.
    pub properties: Vec<Property>,
}

/// A hook that pipelines can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookInfo {
    /// Its name.
    pub name: &'static str,
    /// Whether it may come before the pipeline.
    pub before: bool,
    /// Whether it may come after the pipeline.
    pub after: bool,
    /// The types of event source that it understands (`gitlab`, `calendar`); empty for all.
    pub event_sources: &'static [&'static str],
    /// The names of its parameters, and whether each must be given.
    pub vars: &'static [(&'static str, bool)],
}

/// The components and hooks that are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// Components, by name.
    pub components: BTreeMap<&'static str, ComponentInfo>,
    /// Hooks, by name.
    pub hooks: BTreeMap<&'static str, HookInfo>,
}

impl Default for Catalogue {
    fn default() -> Self {
        Self {
            components: components().into_iter().map(|c| (c.name, c)).collect(),
            hooks: [HookInfo {
                name: "log",
                before: true,
                after: true,
                event_sources: &[],
                vars: &[("printPath", false)],
            }]
            .into_iter()
            .map(|h| (h.name, h))
            .collect(),
        }
    }
}

fn components() -> Vec<ComponentInfo> {
    use Slot::{
        CertManagement, Deployment, EventListener, Gateway, MultiTenant, OauthProxy, Pipeline,
        ProgressiveDelivery, SecretManagement, SecretSync,
    };
    let plain = |name, slots, namespace| ComponentInfo {
        name,
        slots,
        namespace,
        properties: Vec::new(),
    };
    let host = || Property {
        name: "host",
        shape: Shape::Host,
        required: true,
        default: None,
    };
    let port = |name, default| Property {
        name,
        shape: Shape::Port,
        required: true,
        default: Some(default),
    };
    let free = |name| Property {
        name,
        shape: Shape::Any,
        required: false,
        default: None,
    };
    vec![
        plain("argo-events", &[EventListener], "argo-events"),
        plain("argo-rollouts", &[ProgressiveDelivery], "argo-rollouts"),
        ComponentInfo {
            properties: vec![host()],
            ..plain("argocd", &[Deployment], "argocd")
        },
        plain("cert-manager", &[CertManagement], "cert-manager"),
        plain("direct", &[Deployment, SecretSync], "nautes-direct"),
        plain("external-secrets", &[SecretSync], "external-secrets"),
        plain("flux", &[Deployment], "flux-system"),
        ComponentInfo {
            properties: vec![
                free("productResourceKustomizeFileFolder"),
                free("productResourceRevision"),
                free("syncResourceTypes"),
            ],
            ..plain("hnc", &[MultiTenant], "hnc-system")
        },
        plain("local", &[SecretManagement], "nautes-local"),
        plain("namespaces", &[MultiTenant], "nautes-namespaces"),
        plain("oauth2-proxy", &[OauthProxy], "oauth2-proxy"),
        ComponentInfo {
            properties: vec![host()],
            ..plain("tekton", &[Pipeline], "tekton-pipelines")
        },
        ComponentInfo {
            properties: vec![port("httpNodePort", "30080"), port("httpsNodePort", "30443")],
            ..plain("traefik", &[Gateway], "traefik")
        },
        plain("vault", &[SecretManagement], "vault"),
        plain("webhook", &[EventListener], "nautes-webhook"),
    ]
}

/// Returns the slots that a cluster of this shape is expected to fill; `None` for a shape that there is not.
#[must_use]
pub fn expected_slots(cluster: &ClusterSpec) -> Option<&'static [Slot]> {
    use Slot::{
        Deployment, EventListener, Gateway, MultiTenant, OauthProxy, Pipeline, ProgressiveDelivery,
        SecretManagement, SecretSync,
    };
    match (cluster.usage, cluster.cluster_type, cluster.worker_type) {
        (ClusterUsage::Host, ClusterType::Physical, None) => Some(&[Gateway, OauthProxy, SecretManagement]),
        (ClusterUsage::Worker, ClusterType::Virtual, Some(WorkerType::Deployment)) => Some(&[
            Deployment,
            MultiTenant,
            ProgressiveDelivery,
            SecretManagement,
            SecretSync,
        ]),
        (ClusterUsage::Worker, ClusterType::Virtual, Some(WorkerType::Pipeline)) => Some(&[
            Deployment,
            EventListener,
            Gateway,
            MultiTenant,
            Pipeline,
            SecretManagement,
            SecretSync,
        ]),
        (ClusterUsage::Worker, ClusterType::Physical, Some(WorkerType::Deployment)) => Some(&[
            Deployment,
            Gateway,
            MultiTenant,
            ProgressiveDelivery,
            SecretManagement,
            SecretSync,
        ]),
        (ClusterUsage::Worker, ClusterType::Physical, Some(WorkerType::Pipeline)) => Some(&[
            Deployment,
            EventListener,
            Gateway,
            MultiTenant,
            OauthProxy,
            Pipeline,
            SecretManagement,
            SecretSync,
        ]),
        _ => None,
    }
}

/// Events of a repository that pipelines can be started by, as GitLab spells them.
pub const PIPELINE_EVENTS: &[&str] = &[
    "deployment_events",
    "issues_events",
    "job_events",
    "merge_requests_events",
    "note_events",
    "pipeline_events",
    "push_events",
    "releases_events",
    "tag_push_events",
];

/// Events that a repository can report and that start no pipeline.
pub const OTHER_EVENTS: &[&str] = &["confidential_issues_events", "confidential_note_events"];

/// Types of Git platform that are known; others need a plug-in.
pub const FORGES: &[&str] = &["gitlab", "github", "local"];

/// What an artifact platform can hold: packages, and the types of repository that it has for them.
pub type Holds = &'static [(PackageType, &'static [ArtifactRepoType])];

/// Types of artifact platform that are known, and what each can hold.
pub const ARTIFACT_PLATFORMS: &[(&str, Holds)] = {
    use ArtifactRepoType::{Local, Remote, Virtual};
    use PackageType::{Go, Maven, Python};
    const ALL: &[ArtifactRepoType] = &[Local, Remote, Virtual];
    &[
        ("artifactory", &[(Maven, ALL), (Python, ALL), (Go, ALL)]),
        ("gitlab", &[(Maven, &[Local]), (Python, &[Local])]),
        ("nexus", &[(Maven, ALL), (Python, ALL), (Go, &[Remote, Virtual])]),
    ]
};

/// Returns what a type of artifact platform can hold, if it is known.
#[must_use]
pub fn artifact_platform(type_: &str) -> Option<Holds> {
    let (_, holds) = ARTIFACT_PLATFORMS.iter().find(|(name, _)| *name == type_)?;
    Some(holds)
}

/// The built-in variables that inputs of pipelines can name.
pub const BUILT_IN_VARS: &[&str] = &[
    "CodeRepoProviderURL",
    "EventSourceCodeRepoName",
    "EventSourceCodeRepoURL",
    "Namespace",
    "PipelineCodeRepoName",
    "PipelineCodeRepoURL",
    "PipelineDashBoardURL",
    "PipelineFilePath",
    "PipelineLabel",
    "PipelineRevision",
    "ProviderType",
    "ServiceAccount",
];
