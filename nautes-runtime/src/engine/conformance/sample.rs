//! Intents to try engines with.

use std::collections::{BTreeMap, BTreeSet};

use nautes_model::kinds::cluster::Component;
use nautes_model::kinds::pipeline_runtime::{EventSource, GitlabEvent, Pipeline, PipelineTrigger};
use nautes_model::name::{AccountName, ClusterName, NamespaceName, ProductName, ResourceName};
use nautes_model::secret::{SecretPath, SecretRef};
use nautes_model::{Identity, Kind};

use crate::intent::{Account, Application, PipelineSpace, RepoAddress, RunIntent, SecretMount, Space};

/// The cluster.
#[must_use]
pub fn cluster() -> ClusterName {
    ClusterName::new("worker").expect("a label")
}

/// The component that an engine of the given name is.
#[must_use]
pub fn component(name: &str) -> Component {
    Component {
        name: name.to_owned(),
        namespace: format!("{name}-system"),
        additions: BTreeMap::new(),
    }
}

/// The product.
#[must_use]
pub fn product() -> ProductName {
    ProductName::new("shop").expect("a label")
}

fn identity(kind: Kind, name: &str) -> Identity {
    Identity::product(kind, product(), ResourceName::new(name).expect("a label"))
}

fn namespace(name: &str) -> NamespaceName {
    NamespaceName::new(name).expect("a label")
}

fn account(name: &str) -> AccountName {
    AccountName::new(name).expect("a label")
}

/// Two deployment runtimes.
fn runtimes() -> [Identity; 2] {
    ["web", "api"].map(|name| identity(Kind::DeploymentRuntime, name))
}

/// Two namespaces, one of which two runtimes share.
#[must_use]
pub fn spaces() -> Vec<Space> {
    let [web, api] = runtimes();
    let space = |name: &str, owners: BTreeSet<Identity>| Space {
        product: product(),
        namespace: namespace(name),
        people: "shop".to_owned(),
        owners,
    };
    vec![
        space("shop-api", BTreeSet::from([api.clone()])),
        space("shop-web", BTreeSet::from([web, api])),
    ]
}

/// One account of two runtimes.
#[must_use]
pub fn accounts() -> Vec<Account> {
    let [web, api] = runtimes();
    let of = |owner: Identity, namespaces: &[&str]| Account {
        product: product(),
        name: account("deployer"),
        namespaces: namespaces.iter().map(|n| namespace(n)).collect(),
        owners: BTreeSet::from([owner]),
    };
    vec![of(api, &["shop-api", "shop-web"]), of(web, &["shop-web"])]
}

/// An application in two namespaces.
#[must_use]
pub fn application() -> Application {
    let [web, _] = runtimes();
    Application {
        runtime: web,
        product: product(),
        code_repo: Some(identity(Kind::CodeRepo, "web-deploy")),
        url: "https://forge.example/shop/web-deploy.git".to_owned(),
        target_revision: "main".to_owned(),
        path: "deployments".to_owned(),
        namespaces: vec![namespace("shop-web"), namespace("shop-more")],
        account: account("deployer"),
        cluster_kinds: BTreeSet::new(),
    }
}

fn key(repo: &str) -> SecretRef {
    SecretRef {
        path: SecretPath::new(format!("git/gitlab/{repo}/default/readonly")).expect("a path"),
        key: "deploykey".to_owned(),
    }
}

/// A pipeline with one trigger.
#[must_use]
pub fn pipelines() -> PipelineSpace {
    let source = identity(Kind::CodeRepo, "web-source");
    let gitlab = GitlabEvent {
        repo_name: "web-source".to_owned(),
        revision: Some("main".to_owned()),
        events: vec!["push_events".to_owned()],
    };
    PipelineSpace {
        runtime: identity(Kind::ProjectPipelineRuntime, "build"),
        product: product(),
        namespace: namespace("shop-build"),
        account: account("builder"),
        project: "web".to_owned(),
        pipeline_source: identity(Kind::CodeRepo, "web-pipeline"),
        source_key: key("shop-pipeline"),
        vars: BTreeMap::new(),
        repos: BTreeMap::from([(
            source.clone(),
            RepoAddress {
                name: "web-source".to_owned(),
                url: "https://forge.example/shop/web-source.git".to_owned(),
            },
        )]),
        pipelines: vec![pipeline()],
        event_sources: vec![(
            EventSource {
                name: "source".to_owned(),
                gitlab: Some(gitlab),
                calendar: None,
            },
            Some(source),
        )],
        triggers: vec![PipelineTrigger {
            event_source: "source".to_owned(),
            pipeline: "build".to_owned(),
            revision: Some("main".to_owned()),
            inputs: Vec::new(),
        }],
        pre_hooks: Vec::new(),
        post_hooks: Vec::new(),
    }
}

fn pipeline() -> Pipeline {
    Pipeline {
        name: "build".to_owned(),
        label: Some("main".to_owned()),
        path: "pipelines/main.yaml".to_owned(),
    }
}

/// A secret with one value.
#[must_use]
pub fn mount() -> SecretMount {
    SecretMount {
        name: "key".to_owned(),
        namespace: namespace("shop-build"),
        account: account("builder"),
        product: product(),
        items: BTreeMap::from([("id_rsa".to_owned(), key("shop-pipeline"))]),
        owners: BTreeSet::from([identity(Kind::ProjectPipelineRuntime, "build")]),
    }
}

/// A run that a push asks for, without inputs and hooks.
#[must_use]
pub fn run() -> RunIntent {
    let space = pipelines();
    RunIntent {
        cluster: cluster(),
        runtime: space.runtime,
        product: space.product,
        project: space.project,
        trigger: 0,
        event_source: "source".to_owned(),
        pipeline: pipeline(),
        pipeline_source: space.pipeline_source,
        pipeline_revision: "main".to_owned(),
        namespace: space.namespace,
        account: space.account,
        event_repo: Some(identity(Kind::CodeRepo, "web-source")),
        event_ref: "refs/heads/main".to_owned(),
        event_commit: "1".repeat(40),
        inputs: BTreeMap::new(),
        pre_hooks: Vec::new(),
        post_hooks: Vec::new(),
    }
}
