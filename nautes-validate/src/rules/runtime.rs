//! What holds for every runtime: its cluster, its repositories, its uniqueness.

use std::collections::BTreeMap;

use nautes_model::fix::{Action, Edit, Value};
use nautes_model::kind::API_VERSION;
use nautes_model::kinds::cluster::{ClusterUsage, WorkerType};
use nautes_model::kinds::code_repo_binding::{CodeRepoBindingSpec, Permission};
use nautes_model::name::ResourceName;
use nautes_model::{Finding, Fix, Identity, Kind, Resource, Severity, Sourced};

use super::{Standard, related, say};
use crate::rule::Checked;

pub(super) const RULES: &[Standard] = &[
    Standard {
        id: "RuntimeClusterType",
        summary: "a runtime runs on a cluster of its type",
        why: "deployment clusters have no pipeline engine and pipeline clusters serve no users",
        check: cluster_type,
    },
    Standard {
        id: "RuntimeDuplicate",
        summary: "no two runtimes do the same",
        why: "both would deploy, or start, the same thing in the same place",
        check: duplicate,
    },
    Standard {
        id: "RepoNotPermitted",
        summary: "a runtime uses only repositories that it may use",
        why: "a repository can be used by the project that owns it, and by whom a binding in the product that owns it names",
        check: not_permitted,
    },
    Standard {
        id: "RuntimeProjectIllegal",
        summary: "every project of a deployment may use the repository of the deployment",
        why: "the deployment acts for those projects, so each must have the permission",
        check: project_illegal,
    },
];

fn cluster_type(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for runtime in on.runtimes().iter().filter(|r| on.wants(&r.sourced.identity)) {
        let Some((cluster, spec)) = runtime.cluster else {
            continue;
        };
        let (wanted, name) = if runtime.is_deployment() {
            (WorkerType::Deployment, "deployment")
        } else {
            (WorkerType::Pipeline, "pipeline")
        };
        if spec.spec.usage == ClusterUsage::Worker && spec.spec.worker_type == Some(wanted) {
            continue;
        }
        let message = format!(
            "{} takes no {name} runtimes",
            say(&cluster.identity, &runtime.sourced.identity)
        );
        let finding = on
            .error(id, runtime.sourced, "spec.destination.environment", message)
            .hint(format!(
                "name an environment on a cluster of `workerType: {name}`"
            ));
        out.push(related(finding, [&cluster.identity]));
    }
}

/// What makes two runtimes the same; pipelines are compared file by file.
fn sameness(on: &Checked<'_>, runtime: &Sourced) -> Vec<String> {
    let repo = |field: &str, text: &str| {
        on.found(&runtime.identity, field)
            .map_or_else(|| text.to_owned(), ToString::to_string)
    };
    match &runtime.resource {
        Resource::DeploymentRuntime(r) => {
            let source = &r.spec.manifest_source;
            let repo = repo("spec.manifestSource.codeRepo", &source.code_repo);
            let path = source.path.trim_matches('/');
            let environment = &r.spec.destination.environment;
            vec![format!(
                "{repo} {:?} {path:?} {environment:?}",
                source.target_revision
            )]
        }
        Resource::ProjectPipelineRuntime(r) => {
            let repo = repo("spec.pipelineSource", &r.spec.pipeline_source);
            let to = &r.spec.destination;
            let mut keys: Vec<String> = r
                .spec
                .pipelines
                .iter()
                .map(|p| format!("{repo} {:?} {:?} {:?}", p.path, to.environment, to.namespace))
                .collect();
            keys.sort();
            keys.dedup();
            keys
        }
        _ => Vec::new(),
    }
}

fn duplicate(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let mut all: BTreeMap<(Option<&str>, Kind, String), Vec<&Sourced>> = BTreeMap::new();
    for runtime in on.runtimes() {
        for key in sameness(on, runtime.sourced) {
            let product = Some(runtime.product.as_str());
            all.entry((product, runtime.sourced.identity.kind, key))
                .or_default()
                .push(runtime.sourced);
        }
    }
    let mut said: BTreeMap<&Identity, (&Sourced, &Identity)> = BTreeMap::new();
    for same in all.values().filter(|same| same.len() > 1) {
        for (i, runtime) in same.iter().enumerate() {
            let other = &if i == 0 { same[1] } else { same[0] }.identity;
            said.entry(&runtime.identity).or_insert((runtime, other));
        }
    }
    for (identity, (runtime, other)) in said.into_iter().filter(|(i, _)| on.wants(i)) {
        let field = if identity.kind == Kind::DeploymentRuntime {
            "spec.manifestSource"
        } else {
            "spec.pipelines"
        };
        let message = format!("{} does the same in the same environment", say(other, identity));
        let finding = on
            .error(id, runtime, field, message)
            .hint("remove one of the two, or let them differ in source or environment");
        out.push(related(finding, [other]));
    }
}

/// A use of a repository by a runtime.
struct Use<'c> {
    field: &'c str,
    repo: &'c Identity,
}

/// The repositories that a pipeline runtime, or a deployment for its whole product, uses.
fn uses<'c>(on: &'c Checked<'_>, runtime: &Sourced) -> Vec<Use<'c>> {
    on.graph
        .references(&runtime.identity)
        .iter()
        .filter_map(|link| {
            let repo = link.to.found().filter(|to| to.kind == Kind::CodeRepo)?;
            Some(Use {
                field: &link.field,
                repo,
            })
        })
        .collect()
}

fn not_permitted(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for runtime in on.runtimes().iter().filter(|r| on.wants(&r.sourced.identity)) {
        let of = &runtime.sourced.identity;
        let project = match &runtime.sourced.resource {
            // With projects named, RuntimeProjectIllegal looks at each of them.
            Resource::DeploymentRuntime(r) if !r.spec.projects_ref.is_empty() => continue,
            Resource::ProjectPipelineRuntime(r) => ResourceName::new(&r.spec.project).ok(),
            _ => None,
        };
        for wanted in uses(on, runtime.sourced) {
            if on
                .access
                .is_allowed(runtime.product, project.as_ref(), wanted.repo)
            {
                continue;
            }
            let who = project.as_ref().map_or_else(
                || format!("product {:?} as a whole", runtime.product.as_str()),
                |project| format!("project {:?}", project.as_str()),
            );
            let message = format!("{who} may not use {}", say(wanted.repo, of));
            let finding = on
                .error(id, runtime.sourced, wanted.field, message)
                .hint(how_to_permit(wanted.repo, of, project.as_ref()))
                .fix(permit(on, wanted.repo, of, project.as_ref()));
            out.push(related(unless_held(on, finding, wanted.repo), [wanted.repo]));
        }
    }
}

fn project_illegal(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, runtime) in on.deployment_runtimes() {
        let of = &resource.identity;
        let (Some(product), Some(repo)) = (&of.product, on.found(of, "spec.manifestSource.codeRepo")) else {
            continue;
        };
        for (i, text) in runtime.spec.projects_ref.iter().enumerate() {
            let field = format!("spec.projectsRef[{i}]");
            let Some(project) = on.found(of, &field) else {
                continue;
            };
            if project.product.as_ref() != Some(product)
                || on.access.is_allowed(product, Some(&project.name), repo)
            {
                continue;
            }
            let message = format!("project {text:?} may not use {}", say(repo, of));
            let finding = on
                .error(id, resource, &field, message)
                .hint(how_to_permit(repo, of, Some(&project.name)))
                .fix(permit(on, repo, of, Some(&project.name)));
            out.push(related(unless_held(on, finding, repo), [repo, project]));
        }
    }
}

/// Declares the binding that [`how_to_permit`] asks for, where the repository is the product's own: whether another
/// product opens one is for its people to say.
fn permit(on: &Checked<'_>, repo: &Identity, of: &Identity, project: Option<&ResourceName>) -> Option<Fix> {
    let product = of.product.as_ref().filter(|_| repo.product == of.product)?;
    let who = project.map_or(product.as_str(), |project| project.as_str());
    let name = ResourceName::new(format!("{}-for-{who}", repo.name)).ok()?;
    let binding = Identity::product(Kind::CodeRepoBinding, product.clone(), name);
    let (repo, _) = on.code_repo(repo).filter(|_| on.sourced(&binding).is_none())?;
    let spec = CodeRepoBindingSpec {
        code_repo: repo.identity.name.to_string(),
        product: product.to_string(),
        projects: project.iter().map(ToString::to_string).collect(),
        permissions: Permission::Readonly,
    };
    let manifest = serde_json::json!({
        "apiVersion": API_VERSION,
        "kind": binding.kind.name(),
        "metadata": { "name": binding.name.as_str(), "namespace": product.namespace() },
        "spec": spec,
    });
    Some(Fix::one(Edit {
        resource: Some(binding),
        action: Action::Add {
            manifest: Value::from_json(manifest)?,
        },
        ..Edit::of(repo, Action::Delete)
    }))
}

fn how_to_permit(repo: &Identity, of: &Identity, project: Option<&ResourceName>) -> String {
    let grantee = of.product.as_ref().map_or("", |p| p.as_str());
    let who = match project {
        Some(project) => format!("`product: {grantee}` and `projects: [{project}]`"),
        None => format!("`product: {grantee}` and no projects"),
    };
    let wher = match &repo.product {
        Some(product) if repo.product != of.product => format!(" in product {:?}", product.as_str()),
        _ => String::new(),
    };
    format!(
        "add a CodeRepoBinding{wher} with `codeRepo: {}`, {who}",
        repo.name
    )
}

/// Turns it into a warning while a binding of the owner cannot be read: that may be the permission.
fn unless_held(on: &Checked<'_>, mut finding: Finding, repo: &Identity) -> Finding {
    let broken = repo.product.as_ref().and_then(|p| on.scopes.products.get(p));
    let held = broken
        .into_iter()
        .flat_map(|p| &p.broken)
        .flat_map(|file| &file.identities)
        .any(|i| i.kind == Kind::CodeRepoBinding && on.resolver.is_held(i) && !on.resolver.is_present(i));
    if held {
        finding.severity = Severity::Warning;
        finding.hint = Some("mend the binding of the product that cannot be read now".to_owned());
        finding.fix = None;
    }
    finding
}
