//! The rules that one object alone decides, as an API server evaluates them.
//!
//! Each row carries the id of the rule of `nautes-validate` that says the same offline, so that a refusal by an
//! API server and a verdict before the commit speak of one thing. What depends on other resources, on the
//! state before, or on what an installation is told to know is not here: an object that is removed and added
//! again in one commit must pass.

use serde_json::{Value, json};

use crate::kind::Kind;

/// How much of the rule of the same id the row, with the others of that id, says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it: both refuse the same objects.
    Whole,
    /// What is refused here is refused offline; offline more is.
    Part,
}

/// A rule of a custom resource definition (`x-kubernetes-validations`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectRule {
    /// The id of the rule that says the same offline.
    pub id: &'static str,
    /// The kind.
    pub kind: Kind,
    /// The place in the schema that is `self`: `[]` stands for the items of a list, `{}` for the values
    /// of a mapping, `*` for every field.
    pub at: &'static str,
    /// The field that a refusal names, below the place; the place itself when empty.
    pub field: &'static str,
    /// The expression that must be true, in CEL.
    pub rule: &'static str,
    /// What a refusal says, after the id.
    pub message: &'static str,
    /// How much of the offline rule it says.
    pub extent: Extent,
}

/// Returns every rule of an object, in the order of the kinds.
#[must_use]
pub const fn rules() -> &'static [ObjectRule] {
    RULES
}

/// Whether an API server enforces a rule, or a part of it, so that nothing may be committed that breaks it.
#[must_use]
pub fn enforces(id: &str) -> bool {
    RULES.iter().any(|rule| rule.id == id)
}

impl ObjectRule {
    /// Returns the entry of the schema.
    pub(super) fn entry(&self) -> Value {
        let mut entry = json!({
            "rule": self.rule,
            "message": format!("{}: {}", self.id, self.message),
        });
        if !self.field.is_empty() {
            entry["fieldPath"] = json!(self.field);
        }
        entry
    }
}

use Extent::{Part, Whole};

macro_rules! rules {
    ($($kind:ident { $($extent:ident $id:ident at $at:literal $(-> $field:literal)?: $rule:expr, $message:expr;)* })*) => {
        const RULES: &[ObjectRule] = &[$($(ObjectRule {
            id: stringify!($id),
            kind: Kind::$kind,
            at: $at,
            field: concat!("" $(, $field)?),
            rule: $rule,
            message: $message,
            extent: $extent,
        }),*),*];
    };
}

const HTTP: &str = r"self.matches('^[Hh][Tt][Tt][Pp][Ss]?:') && !self.matches(r'[\x00-\x20\x7f-\x{9f}?#]')";
const FORGE: &str = "write a URL without a user name or password, for example https://forge.example.org";
const NOT_EMPTY: &str = "self != ''";
const NOT_NONE: &str = "size(self) > 0";
const LABEL: &str = "self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')";
const LABEL_OR_NONE: &str = "self == '' || self.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')";
const DOTTED: &str = r"self.matches(r'^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$')";
const TASK: &str = "(has(self.alias) ? self.alias : self.name).matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')";
const SHORT: &str = "size(self) <= 63";
const INSIDE: &str =
    r"!self.startsWith('/') && !self.matches(r'(^|[/\\])\.\.([/\\]|$)|[\x00-\x1f\x7f-\x{9f}]')";
const HOOK_ONCE: &str = "self.all(h, self.exists_one(o, o.name == h.name))";
const PATH: &str =
    "write a path from the root of the repository: no '/' at its beginning, no '..', no control characters";
const NAME: &str = "use lower-case letters, digits and '-', beginning and ending with a letter or digit";

/// Says of each pair of slots that two components in one namespace that is opened to products are the same. The
/// pairs are written out: texts inside of lists have no known length, so that an API server would refuse what
/// goes through a list of them for its cost.
macro_rules! apart {
    ($($a:ident: $($b:ident)*;)*) => {
        concat!("!has(self.reservedNamespacesAllowedProducts) || (true", $($(
            " && (!has(self.componentsList.", stringify!($a), ") || !has(self.componentsList.", stringify!($b), ")",
            " || self.componentsList.", stringify!($a), ".name == self.componentsList.", stringify!($b), ".name",
            " || self.componentsList.", stringify!($a), ".__namespace__ != self.componentsList.", stringify!($b), ".__namespace__",
            " || !(self.componentsList.", stringify!($a), ".__namespace__ in self.reservedNamespacesAllowedProducts))",
        )*)* ")")
    };
}

rules! {
    CodeRepoProvider {
        Part ProviderUrl at "spec.httpAddress": HTTP, FORGE;
        Part ProviderUrl at "spec.apiServer": HTTP, FORGE;
        Part ProviderUrl at "spec.sshAddress":
            r"self == '' || !self.matches(r'[\x00-\x20\x7f-\x{9f}]')",
            "write for example ssh://git@forge.example.org or git@forge.example.org";
    }
    ArtifactRepoProvider {
        Part ProviderUrl at "spec.url": HTTP, FORGE;
        Part ProviderUrl at "spec.apiServer": HTTP, FORGE;
    }
    ProductProvider {
        Whole ProviderType at "spec.type":
            "self == 'coderepo'",
            "products are groups of a code repository provider; write `type: coderepo`";
    }
    Cluster {
        Whole ClusterHostMustBePhysical at "spec" -> ".clusterType":
            "self.usage != 'host' || self.clusterType == 'physical'",
            "a host cannot be virtual; write `clusterType: physical`, or `usage: worker`";
        Whole ClusterHostHasWorkerType at "spec" -> ".workerType":
            "self.usage != 'host' || !has(self.workerType) || self.workerType == ''",
            "a host has no worker type; leave `workerType` out, or write `usage: worker`";
        Whole ClusterPhysicalHasHost at "spec" -> ".hostCluster":
            "self.clusterType != 'physical' || !has(self.hostCluster) || self.hostCluster == ''",
            "a physical cluster has no host; leave `hostCluster` out, or write `clusterType: virtual`";
        Whole ClusterVirtualNeedsHost at "spec" -> ".hostCluster":
            "self.clusterType != 'virtual' || (has(self.hostCluster) && self.hostCluster != '')",
            "a virtual cluster needs a host; write `hostCluster:` with the name of a cluster of `usage: host`";
        Whole ClusterShapeUnknown at "spec" -> ".workerType":
            "self.usage != 'worker' || (has(self.workerType) && self.workerType != '')",
            "a worker needs a worker type; write `workerType: pipeline` or `workerType: deployment`";
        Part ClusterApiServer at "spec.apiServer":
            HTTP,
            "write the URL of the API server, for example https://10.0.0.1:6443";
        Part ClusterNodePort at "spec.vcluster.httpsNodePort":
            "self == '' || (self.matches('^[0-9]{1,5}$') && int(self) >= 1 && int(self) <= 65535)",
            "write the number of a port of the host, usually 30000 to 32767";
        Whole ClusterReservedNamespaceUnknown at "spec" -> ".reservedNamespacesAllowedProducts":
            concat!(
                "!has(self.reservedNamespacesAllowedProducts) || self.reservedNamespacesAllowedProducts.all(n, n != '' && n in [",
                "has(self.componentsList.certManagement) ? self.componentsList.certManagement.__namespace__ : '', ",
                "has(self.componentsList.deployment) ? self.componentsList.deployment.__namespace__ : '', ",
                "has(self.componentsList.eventListener) ? self.componentsList.eventListener.__namespace__ : '', ",
                "has(self.componentsList.gateway) ? self.componentsList.gateway.__namespace__ : '', ",
                "has(self.componentsList.multiTenant) ? self.componentsList.multiTenant.__namespace__ : '', ",
                "has(self.componentsList.oauthProxy) ? self.componentsList.oauthProxy.__namespace__ : '', ",
                "has(self.componentsList.pipeline) ? self.componentsList.pipeline.__namespace__ : '', ",
                "has(self.componentsList.progressiveDelivery) ? self.componentsList.progressiveDelivery.__namespace__ : '', ",
                "has(self.componentsList.secretManagement) ? self.componentsList.secretManagement.__namespace__ : '', ",
                "has(self.componentsList.secretSync) ? self.componentsList.secretSync.__namespace__ : ''])",
            ),
            "a namespace opened to products must be that of one of the cluster's components";
        Whole ClusterNamespaceShared at "spec" -> ".componentsList":
            apart! {
                certManagement: deployment eventListener gateway multiTenant oauthProxy pipeline progressiveDelivery secretManagement secretSync;
                deployment: eventListener gateway multiTenant oauthProxy pipeline progressiveDelivery secretManagement secretSync;
                eventListener: gateway multiTenant oauthProxy pipeline progressiveDelivery secretManagement secretSync;
                gateway: multiTenant oauthProxy pipeline progressiveDelivery secretManagement secretSync;
                multiTenant: oauthProxy pipeline progressiveDelivery secretManagement secretSync;
                oauthProxy: pipeline progressiveDelivery secretManagement secretSync;
                pipeline: progressiveDelivery secretManagement secretSync;
                progressiveDelivery: secretManagement secretSync;
                secretManagement: secretSync;
            },
            "two components share a namespace that is opened to products; give each a namespace of its own";
        Whole NameInvalid at "spec.componentsList.*.namespace": LABEL, NAME;
        Whole ClusterComponentNamespace at "spec.componentsList.*.namespace":
            "!self.startsWith('product-')",
            "it is the namespace of a product; give the component one of its own";
        Part ClusterMapValue at "spec.productAllowedClusterResources{}[].kind":
            r"self.matches(r'^(\*|[A-Z][A-Za-z0-9]*)$')",
            "it is no kind; write it as manifests do, for example ClusterRole";
        Part ClusterMapValue at "spec.productAllowedClusterResources{}[].group":
            r"self.matches(r'^(\*|[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*)?$')",
            "it is no group; write for example rbac.authorization.k8s.io, without the version, or '' for the core group";
        Part NameTooLong at "" -> ".spec.clusterType":
            "self.spec.clusterType != 'virtual' || size(self.metadata.name) <= 52",
            "the name of a virtual cluster has at most 52 characters; choose a shorter name";
    }
    Product {
        Whole ProductPath at "" -> ".spec.git.gitlab.path":
            "!has(self.spec.git) || !has(self.spec.git.gitlab) || !has(self.spec.git.gitlab.path) || \
             self.spec.git.gitlab.path in ['', self.metadata.name, has(self.spec.name) ? self.spec.name : '']",
            "the path of the group is the name of the product; write it so, or leave it out";
    }
    ArtifactRepo {
        Whole ArtifactRepoName at "spec.repoName":
            "self.matches('^[A-Za-z0-9][A-Za-z0-9._-]*$')",
            "use letters, digits, '.', '_' and '-', and begin with a letter or digit";
    }
    CodeRepo {
        Part CodeRepoUrl at "spec.url":
            r"self == '' || (!self.matches(r'[\x00-\x20\x7f-\x{9f}]') && (self.contains('://') ? self.matches('^([Hh][Tt][Tt][Pp][Ss]?|[Ss][Ss][Hh]):') : self.matches('^[^@:-][^@:]*@[^:-][^:]*:/*[^/]')))",
            "use git@host:group/repository.git, or an ssh:// or https:// URL without a password";
        Whole CodeRepoPath at "" -> ".spec.repoName":
            "!has(self.spec.repoName) || self.spec.repoName in ['', self.metadata.name] || self.metadata.name.matches('^repo-[0-9]+$')",
            "the path of a code repository is its name; write it so, or leave it out";
        Whole CodeRepoPath at "" -> ".spec.git.gitlab.path":
            "!has(self.spec.git) || !has(self.spec.git.gitlab) || !has(self.spec.git.gitlab.path) || \
             self.spec.git.gitlab.path in ['', has(self.spec.repoName) && self.spec.repoName != '' ? self.spec.repoName : self.metadata.name]",
            "the path of a code repository is its name; write it so, or leave it out";
        Whole CodeRepoWebhookEvent at "spec.webhook.events":
            "self.all(e, e in ['', 'confidential_issues_events', 'confidential_note_events', 'deployment_events', \
             'issues_events', 'job_events', 'merge_requests_events', 'note_events', 'pipeline_events', 'push_events', \
             'releases_events', 'tag_push_events'])",
            "only events that the forge knows can be reported, for example push_events";
    }
    CodeRepoBinding {
        Whole BindingGrantee at "spec" -> ".product":
            "has(self.product) && self.product != ''",
            "no product is named; write `product:` with the product that may use the repository";
    }
    ProjectPipelineRuntime {
        Whole PipelineStatic at "spec.project": NOT_EMPTY, "it is empty; write the name of a project";
        Whole PipelineStatic at "spec.pipelineSource": NOT_EMPTY, "it is empty; write the name of a code repository";
        Whole PipelineStatic at "spec.destination.environment": NOT_EMPTY, "it is empty; write the name of an environment";
        Whole PipelineStatic at "spec.pipelines": NOT_NONE, "it is empty; add a pipeline";
        Whole PipelineStatic at "spec.eventSources": NOT_NONE, "it is empty; add an event source";
        Whole PipelineStatic at "spec.pipelineTriggers": NOT_NONE, "it is empty; add a trigger";
        Whole PipelineStatic at "spec" -> ".pipelineTriggers":
            "self.pipelineTriggers.all(t, self.eventSources.exists(s, s.name == t.eventSource))",
            "a trigger names an event source that is not there; name one of `eventSources`";
        Whole PipelineStatic at "spec" -> ".pipelineTriggers":
            "self.pipelineTriggers.all(t, self.pipelines.exists(p, p.name == t.pipeline))",
            "a trigger names a pipeline that is not there; name one of `pipelines`";
        Whole PipelineStatic at "spec.pipelineTriggers":
            "self.all(t, self.exists_one(o, o.eventSource == t.eventSource && o.pipeline == t.pipeline && \
             has(o.revision) == has(t.revision) && (!has(o.revision) || o.revision == t.revision)))",
            "the same trigger stands twice; remove one of the two";
        Whole PipelineStatic at "spec.additionalResources.git":
            "(has(self.codeRepo) && self.codeRepo != '') || (has(self.url) && self.url != '')",
            "neither codeRepo nor url is given; write one of the two";
        Whole PipelineStatic at "spec.additionalResources.git.path": INSIDE, PATH;
        Whole PipelinePath at "spec.pipelines[].path": INSIDE, PATH;
        Whole PipelinePath at "spec.pipelines":
            "self.all(p, self.exists_one(o, o.path == p.path))",
            "a file stands at two pipelines; list each once, several triggers may start it";
        Whole PipelineInput at "spec.pipelineTriggers[].inputs[].source":
            "(has(self.builtInVar) && self.builtInVar != '') != (has(self.fromEvent) && self.fromEvent != '')",
            "an input has one source; write either builtInVar or fromEvent";
        Whole PipelineInput at "spec.pipelineTriggers[].inputs[].source.builtInVar":
            "self in ['', 'CodeRepoProviderURL', 'EventSourceCodeRepoName', 'EventSourceCodeRepoURL', 'Namespace', \
             'PipelineCodeRepoName', 'PipelineCodeRepoURL', 'PipelineDashBoardURL', 'PipelineFilePath', 'PipelineLabel', \
             'PipelineRevision', 'ProviderType', 'ServiceAccount']",
            "there is no such built-in variable; write for example Namespace or PipelineRevision";
        Whole PipelineInput at "spec.pipelineTriggers[].inputs[]" -> ".transmissionMethod":
            "has(self.transmissionMethod) && has(self.transmissionMethod.kustomization) && \
             self.transmissionMethod.kustomization.path != ''",
            "the input has no place in the pipeline; write `kustomization:` with the `path:` of a field";
        Part PipelineEvent at "spec.eventSources[]":
            "has(self.gitlab) || has(self.calendar)",
            "the event source listens to nothing; write `gitlab:` or `calendar:`";
        Part PipelineEvent at "spec.eventSources[].gitlab.events":
            "size(self) > 0 && self.all(e, e in ['deployment_events', 'issues_events', 'job_events', \
             'merge_requests_events', 'note_events', 'pipeline_events', 'push_events', 'releases_events', \
             'tag_push_events'])",
            "name events that can start a pipeline, for example `events: [push_events]`";
        Part PipelineEvent at "spec.eventSources[].calendar":
            "(has(self.schedule) && self.schedule != '') || (has(self.interval) && self.interval != '')",
            "neither schedule nor interval is given; write `schedule: \"0 3 * * *\"` or `interval: 1h`";
        Part PipelineEvent at "spec.eventSources[].calendar.interval":
            "self == '' || (self.matches('^([0-9]+[smh])+$') && !self.matches('^(0+[smh])+$'))",
            "it is not a duration; write for example 10m or 1h30m";
        Part PipelineEvent at "spec.eventSources[].calendar.timezone":
            "self.matches('^[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+)*$')",
            "it is not the name of a time zone; write for example Europe/Paris or UTC";
        Whole PipelineRevision at "spec" -> ".pipelineTriggers":
            "self.pipelineTriggers.all(t, (has(t.revision) && t.revision != '') || \
             !self.eventSources.exists(s, s.name == t.eventSource && !has(s.gitlab) && has(s.calendar)))",
            "a trigger by time has no revision to follow; write `revision:` with a branch of the pipeline repository";
        Whole HookDuplicate at "spec.hooks.preHooks": HOOK_ONCE, "a hook stands twice; keep one of the two";
        Whole HookDuplicate at "spec.hooks.postHooks": HOOK_ONCE, "a hook stands twice; keep one of the two";
        Whole HookAlias at "spec.hooks":
            concat!(
                "((has(self.preHooks) ? self.preHooks.map(h, (has(h.alias) && h.alias != '' ? h.alias : h.name)) : []) + (has(self.postHooks) ? self.postHooks.map(h, (has(h.alias) && h.alias != '' ? h.alias : h.name)) : []))", ".all(n, ",
                "((has(self.preHooks) ? self.preHooks.map(h, (has(h.alias) && h.alias != '' ? h.alias : h.name)) : []) + (has(self.postHooks) ? self.postHooks.map(h, (has(h.alias) && h.alias != '' ? h.alias : h.name)) : []))", ".exists_one(o, o == n))",
            ),
            "two hooks have the same name; write `alias:` with a name of its own";
        Whole NameInvalid at "spec.destination.namespace": LABEL_OR_NONE, NAME;
        Whole NameInvalid at "spec.account": LABEL_OR_NONE, NAME;
        Whole NameInvalid at "spec.pipelines[].name": DOTTED, NAME;
        Whole NameInvalid at "spec.eventSources[].name": DOTTED, NAME;
        Whole NameInvalid at "spec.hooks.preHooks[]" -> ".alias": TASK, NAME;
        Whole NameInvalid at "spec.hooks.postHooks[]" -> ".alias": TASK, NAME;
        Part NameTooLong at "spec.pipelines[].name": SHORT, "a name has at most 63 characters; choose a shorter one";
        Part NameTooLong at "spec.eventSources[].name": SHORT, "a name has at most 63 characters; choose a shorter one";
    }
    DeploymentRuntime {
        Whole DeploymentSource at "spec.manifestSource.codeRepo": NOT_EMPTY, "it is empty; write the name of a code repository";
        Whole DeploymentSource at "spec.manifestSource.targetRevision": NOT_EMPTY, "it is empty; write a branch, a tag or a commit";
        Whole DeploymentSource at "spec.manifestSource.path": NOT_EMPTY, "it is empty; write a folder of the repository, `.` for all of it";
        Whole DeploymentSource at "spec.manifestSource.path": INSIDE, PATH;
        Whole DeploymentSource at "spec.destination.environment": NOT_EMPTY, "it is empty; write the name of an environment";
        Whole NameInvalid at "spec.destination.namespaces[]": LABEL, NAME;
        Part NameTooLong at "spec.destination.namespaces[]": SHORT, "a name has at most 63 characters; choose a shorter one";
        Whole NameInvalid at "spec.account": LABEL_OR_NONE, NAME;
    }
}
