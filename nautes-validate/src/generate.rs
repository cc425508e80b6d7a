//! Platforms of any size for tests and benchmarks: valid, and the same for the same seed.

use nautes_model::kinds::cluster::{
    ClusterSpec, ClusterType, ClusterUsage, Component, ComponentsList, WorkerType,
};
use nautes_model::kinds::code_repo::{CodeRepoSpec, Webhook};
use nautes_model::kinds::code_repo_binding::{CodeRepoBindingSpec, Permission};
use nautes_model::kinds::deployment_runtime::{DeploymentDestination, DeploymentRuntimeSpec, ManifestSource};
use nautes_model::kinds::environment::EnvironmentSpec;
use nautes_model::kinds::pipeline_runtime::{
    EventSource, GitlabEvent, Pipeline, PipelineDestination, PipelineTrigger, ProjectPipelineRuntimeSpec,
};
use nautes_model::kinds::product::ProductSpec;
use nautes_model::kinds::project::ProjectSpec;
use nautes_model::kinds::provider::CodeRepoProviderSpec;
use nautes_model::kinds::{
    Cluster, CodeRepo, CodeRepoBinding, CodeRepoProvider, DeploymentRuntime, Environment, Product, Project,
    ProjectPipelineRuntime,
};
use nautes_model::name::{NameError, ProductName, ResourceName};
use nautes_model::{Identity, Kind, Resource, Scopes, Sourced};

mod text;

pub use text::{FAULTS, File, GenerateError, Options, files, joined};

/// Makes about `count` resources (at least one whole product) that belong together and break no rule.
///
/// # Errors
/// Never with names that this module makes.
pub fn platform(count: usize, seed: u64) -> Result<Vec<Sourced>, NameError> {
    let mut made = Maker {
        out: Vec::with_capacity(count + 32),
        random: seed,
    };
    made.tenant()?;
    let mut product = 0;
    while made.out.len() < count || product == 0 {
        let projects = 1 + made.below(4);
        made.product(product, projects)?;
        product += 1;
    }
    Ok(made.out)
}

/// Puts resources into scopes.
#[must_use]
pub fn scopes(resources: &[Sourced]) -> Scopes {
    let mut scopes = Scopes::default();
    for resource in resources {
        scopes.insert(resource.clone());
    }
    scopes
}

/// Puts resources into another order, by a seed.
pub fn shuffle<T>(items: &mut [T], seed: u64) {
    let mut random = seed;
    for i in (1..items.len()).rev() {
        let j = usize::try_from(next(&mut random) % (i as u64 + 1)).unwrap_or(0);
        items.swap(i, j);
    }
}

/// The splitmix64 generator.
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Products that share the clusters of one group.
const PRODUCTS_PER_GROUP: usize = 20;

struct Maker {
    out: Vec<Sourced>,
    random: u64,
}

impl Maker {
    fn below(&mut self, limit: u64) -> u64 {
        next(&mut self.random) % limit
    }

    fn add(
        &mut self,
        kind: Kind,
        product: Option<&ProductName>,
        name: &str,
        resource: impl Into<Resource>,
    ) -> Result<(), NameError> {
        let name = ResourceName::new(name)?;
        let identity = match product {
            Some(product) => Identity::product(kind, product.clone(), name),
            None => Identity::tenant(kind, name),
        };
        self.out.push(Sourced::made(identity, resource.into()));
        Ok(())
    }

    fn tenant(&mut self) -> Result<(), NameError> {
        let spec = CodeRepoProviderSpec {
            http_address: "https://gitlab.example.org".to_owned(),
            ssh_address: "ssh://git@gitlab.example.org".to_owned(),
            api_server: "https://gitlab.example.org".to_owned(),
            provider_type: "gitlab".to_owned(),
        };
        let provider = CodeRepoProvider::new("gitlab", spec);
        self.add(Kind::CodeRepoProvider, None, "gitlab", provider)
    }

    fn clusters(&mut self, group: usize) -> Result<(), NameError> {
        let host = format!("host-{group}");
        let base = ClusterSpec {
            api_server: format!("https://{host}.example.org:6443"),
            usage: ClusterUsage::Host,
            components_list: components(None),
            ..ClusterSpec::default()
        };
        self.add(Kind::Cluster, None, &host, Cluster::new(&host, base))?;
        for (name, type_) in [("pipe", WorkerType::Pipeline), ("run", WorkerType::Deployment)] {
            let name = format!("{name}-{group}");
            let spec = ClusterSpec {
                api_server: format!("https://{name}.example.org:6443"),
                cluster_type: ClusterType::Virtual,
                host_cluster: host.clone(),
                worker_type: Some(type_),
                primary_domain: "example.org".to_owned(),
                components_list: components(Some(type_)),
                ..ClusterSpec::default()
            };
            self.add(Kind::Cluster, None, &name, Cluster::new(&name, spec))?;
        }
        Ok(())
    }

    fn product(&mut self, number: usize, projects: u64) -> Result<(), NameError> {
        let group = number / PRODUCTS_PER_GROUP;
        if number.is_multiple_of(PRODUCTS_PER_GROUP) {
            self.clusters(group)?;
        }
        let product = ProductName::new(format!("p{number}"))?;
        let name = product.as_str();
        let spec = ProductSpec {
            name: name.to_owned(),
            ..ProductSpec::default()
        };
        self.add(Kind::Product, None, name, Product::new(name, spec))?;
        for (env, cluster) in [("dev", "pipe"), ("test", "run")] {
            let spec = EnvironmentSpec {
                product: name.to_owned(),
                cluster: format!("{cluster}-{group}"),
                env_type: env.to_owned(),
            };
            self.add(
                Kind::Environment,
                Some(&product),
                env,
                Environment::new(env, spec),
            )?;
        }
        for project in 0..projects {
            self.project(&product, project)?;
        }
        if number > 0 && self.below(3) == 0 {
            self.share(&product, &ProductName::new(format!("p{}", number - 1))?)?;
        }
        Ok(())
    }

    fn project(&mut self, product: &ProductName, number: u64) -> Result<(), NameError> {
        let project = format!("project-{number}");
        let spec = ProjectSpec {
            product: product.to_string(),
            language: "rust".to_owned(),
        };
        self.add(
            Kind::Project,
            Some(product),
            &project,
            Project::new(&project, spec),
        )?;
        for (repo, owner) in [("source", &*project), ("pipeline", &*project), ("deploy", "")] {
            self.repo(product, &format!("{repo}-{number}"), owner)?;
        }
        let binding = format!("bind-{number}");
        let deploy = format!("deploy-{number}");
        let spec = CodeRepoBindingSpec {
            code_repo: deploy.clone(),
            product: product.to_string(),
            projects: vec![project.clone()],
            permissions: Permission::Readonly,
        };
        self.add(
            Kind::CodeRepoBinding,
            Some(product),
            &binding,
            CodeRepoBinding::new(&binding, spec),
        )?;
        self.runtimes(product, number, &project, deploy)
    }

    /// Opens a repository to another product.
    fn share(&mut self, product: &ProductName, with: &ProductName) -> Result<(), NameError> {
        let spec = CodeRepoBindingSpec {
            code_repo: "source-0".to_owned(),
            product: with.to_string(),
            projects: Vec::new(),
            permissions: Permission::Readonly,
        };
        let binding = CodeRepoBinding::new("share", spec);
        self.add(Kind::CodeRepoBinding, Some(product), "share", binding)
    }

    fn repo(&mut self, product: &ProductName, name: &str, project: &str) -> Result<(), NameError> {
        let spec = CodeRepoSpec {
            code_repo_provider: "gitlab".to_owned(),
            product: product.to_string(),
            project: project.to_owned(),
            repo_name: name.to_owned(),
            deployment_runtime: project.is_empty(),
            pipeline_runtime: !project.is_empty(),
            webhook: Some(Webhook {
                events: vec!["push_events".to_owned()],
            }),
            ..CodeRepoSpec::default()
        };
        self.add(Kind::CodeRepo, Some(product), name, CodeRepo::new(name, spec))
    }

    fn runtimes(
        &mut self,
        product: &ProductName,
        number: u64,
        project: &str,
        deploy: String,
    ) -> Result<(), NameError> {
        let name = format!("{product}-pr-{number}");
        let spec = ProjectPipelineRuntimeSpec {
            product: product.to_string(),
            project: project.to_owned(),
            pipeline_source: format!("pipeline-{number}"),
            pipelines: vec![Pipeline {
                name: "main".to_owned(),
                label: None,
                path: "pipelines/main.yaml".to_owned(),
            }],
            destination: PipelineDestination {
                environment: "dev".to_owned(),
                namespace: String::new(),
            },
            event_sources: vec![EventSource {
                name: "push".to_owned(),
                gitlab: Some(GitlabEvent {
                    repo_name: format!("source-{number}"),
                    revision: Some("main".to_owned()),
                    events: vec!["push_events".to_owned()],
                }),
                calendar: None,
            }],
            pipeline_triggers: vec![PipelineTrigger {
                event_source: "push".to_owned(),
                pipeline: "main".to_owned(),
                ..PipelineTrigger::default()
            }],
            ..ProjectPipelineRuntimeSpec::default()
        };
        self.add(
            Kind::ProjectPipelineRuntime,
            Some(product),
            &name,
            ProjectPipelineRuntime::new(&name, spec),
        )?;
        let name = format!("{product}-dr-{number}");
        let spec = DeploymentRuntimeSpec {
            product: product.to_string(),
            projects_ref: vec![project.to_owned()],
            manifest_source: ManifestSource {
                code_repo: deploy,
                target_revision: "main".to_owned(),
                path: "deployments".to_owned(),
            },
            destination: DeploymentDestination {
                environment: "test".to_owned(),
                namespaces: Vec::new(),
            },
            account: String::new(),
        };
        self.add(
            Kind::DeploymentRuntime,
            Some(product),
            &name,
            DeploymentRuntime::new(&name, spec),
        )
    }
}

fn components(worker: Option<WorkerType>) -> ComponentsList {
    let one = |name: &str| {
        Some(Component {
            name: name.to_owned(),
            namespace: format!("sys-{name}"),
            ..Component::default()
        })
    };
    let common = ComponentsList {
        multi_tenant: one("namespaces"),
        deployment: one("direct"),
        secret_sync: one("direct"),
        secret_management: one("local"),
        ..ComponentsList::default()
    };
    match worker {
        None => ComponentsList {
            secret_management: one("local"),
            ..ComponentsList::default()
        },
        Some(WorkerType::Deployment) => common,
        Some(WorkerType::Pipeline) => ComponentsList {
            pipeline: one("tekton"),
            event_listener: one("webhook"),
            ..common
        },
    }
}
