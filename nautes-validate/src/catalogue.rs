//! What is known of components and hooks: data for the rules.

mod extend;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use nautes_model::kinds::artifact::{ArtifactRepoType, PackageType};
use nautes_model::kinds::cluster::{ClusterSpec, ClusterType, ClusterUsage, Slot, WorkerType};
use regex::{Regex, RegexBuilder};

pub use extend::Problem;

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

/// A regular expression that a whole value must match.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
}

impl Pattern {
    /// Reads one.
    ///
    /// # Errors
    /// It is not a regular expression, or one that takes too much memory.
    pub fn new(text: &str) -> Result<Self, regex::Error> {
        // By itself first: what closes the group around it is no expression.
        RegexBuilder::new(text).size_limit(1 << 20).build()?;
        let regex = RegexBuilder::new(&format!("^(?:{text})$"))
            .size_limit(1 << 20)
            .build()?;
        let text = text.to_owned();
        Ok(Self { text, regex })
    }

    /// Whether the whole text matches.
    #[must_use]
    pub fn fits(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// Returns it as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// A setting of a component (`additions` in a manifest).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// Its name.
    pub name: Cow<'static, str>,
    /// What its value must look like.
    pub shape: Shape,
    /// What its value must match as well.
    pub pattern: Option<Pattern>,
    /// Whether the component cannot work without.
    pub required: bool,
    /// Whether one that is required and not given is derived from the domain of the cluster.
    pub derived: bool,
    /// The value when it is not given.
    pub default: Option<Cow<'static, str>>,
}

/// A component that clusters can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ComponentInfo {
    /// Its name.
    pub name: Cow<'static, str>,
    /// The slots that it can fill.
    pub slots: Cow<'static, [Slot]>,
    /// The namespace in which it usually runs.
    pub namespace: Cow<'static, str>,
    /// Its settings; others are handed on unseen.
    pub properties: Vec<Property>,
}

/// A hook that pipelines can have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HookInfo {
    /// Its name.
    pub name: Cow<'static, str>,
    /// Whether it may come before the pipeline.
    pub before: bool,
    /// Whether it may come after the pipeline.
    pub after: bool,
    /// The types of event source that it understands (`gitlab`, `calendar`); empty for all.
    pub event_sources: Vec<Cow<'static, str>>,
    /// The names of its parameters, and whether each must be given.
    pub vars: Vec<(Cow<'static, str>, bool)>,
}

/// What clusters of a shape are expected to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShapeInfo {
    /// The slots that they fill.
    pub slots: BTreeSet<Slot>,
    /// Those of them that must be filled: an empty one is an error.
    pub required: BTreeSet<Slot>,
}

/// What makes the shape of a cluster: usage, type and worker type.
pub type ShapeKey = (ClusterUsage, ClusterType, Option<WorkerType>);

/// The components, hooks and shapes that are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalogue {
    /// Components, by name.
    pub components: BTreeMap<Cow<'static, str>, ComponentInfo>,
    /// Hooks, by name.
    pub hooks: BTreeMap<Cow<'static, str>, HookInfo>,
    /// Shapes of clusters.
    pub shapes: BTreeMap<ShapeKey, ShapeInfo>,
    /// Whether there is more that cannot be read now: what is not known may well be there.
    pub incomplete: bool,
}

impl Default for Catalogue {
    fn default() -> Self {
        let log = HookInfo {
            name: "log".into(),
            before: true,
            after: true,
            event_sources: Vec::new(),
            vars: vec![("printPath".into(), false)],
        };
        Self {
            components: components().into_iter().map(|c| (c.name.clone(), c)).collect(),
            hooks: BTreeMap::from([(log.name.clone(), log)]),
            shapes: shapes(),
            incomplete: false,
        }
    }
}

impl Catalogue {
    /// Returns what a cluster of this shape is expected to have; `None` for a shape that there is not.
    #[must_use]
    pub fn shape_of(&self, cluster: &ClusterSpec) -> Option<&ShapeInfo> {
        let key = (cluster.usage, cluster.cluster_type, cluster.worker_type);
        self.shapes.get(&key)
    }
}

fn components() -> Vec<ComponentInfo> {
    use Slot::{
        CertManagement, Deployment, EventListener, Gateway, MultiTenant, OauthProxy, Pipeline,
        ProgressiveDelivery, SecretManagement, SecretSync,
    };
    let plain = |name: &'static str, slots: &'static [Slot], namespace: &'static str| ComponentInfo {
        name: name.into(),
        slots: slots.into(),
        namespace: namespace.into(),
        properties: Vec::new(),
    };
    let free = |name: &'static str| Property {
        name: name.into(),
        shape: Shape::Any,
        pattern: None,
        required: false,
        derived: false,
        default: None,
    };
    let host = || Property {
        shape: Shape::Host,
        required: true,
        derived: true,
        ..free("host")
    };
    let port = |name: &'static str, default: &'static str| Property {
        shape: Shape::Port,
        required: true,
        default: Some(default.into()),
        ..free(name)
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

/// The five shapes that a cluster can have.
fn shapes() -> BTreeMap<ShapeKey, ShapeInfo> {
    use Slot::{
        Deployment, EventListener, Gateway, MultiTenant, OauthProxy, Pipeline, ProgressiveDelivery,
        SecretManagement, SecretSync,
    };
    let worker = |type_, for_| (ClusterUsage::Worker, type_, Some(for_));
    let deployment = [
        Deployment,
        MultiTenant,
        ProgressiveDelivery,
        SecretManagement,
        SecretSync,
    ];
    let pipeline = [
        Deployment,
        EventListener,
        Gateway,
        MultiTenant,
        Pipeline,
        SecretManagement,
        SecretSync,
    ];
    let all: [(ShapeKey, &[Slot], &[Slot]); 5] = [
        (
            (ClusterUsage::Host, ClusterType::Physical, None),
            &[Gateway, OauthProxy, SecretManagement],
            &[],
        ),
        (
            worker(ClusterType::Virtual, WorkerType::Deployment),
            &deployment,
            &[],
        ),
        (worker(ClusterType::Virtual, WorkerType::Pipeline), &pipeline, &[]),
        (
            worker(ClusterType::Physical, WorkerType::Deployment),
            &deployment,
            &[Gateway],
        ),
        (
            worker(ClusterType::Physical, WorkerType::Pipeline),
            &pipeline,
            &[OauthProxy],
        ),
    ];
    all.into_iter()
        .map(|(key, slots, more)| {
            let info = ShapeInfo {
                slots: slots.iter().chain(more).copied().collect(),
                required: BTreeSet::new(),
            };
            (key, info)
        })
        .collect()
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
