//! Deployment runtimes.

use std::collections::BTreeSet;

use nautes_model::kinds::DeploymentRuntime;
use nautes_model::kinds::cluster::{Slot, WorkerType};
use nautes_model::name::ResourceName;
use nautes_model::{Identity, Kind};

use super::{InPlace, Parts, Stop, check_whole};
use crate::engine::{Rendered, slots_of_a_deployment};
use crate::intent::Application;
use crate::plan::model::Verdict;
use crate::plan::product::Context;
use crate::plan::product::place::{self, Place};
use crate::plan::product::repos::{self, Right};

const SOURCE: &str = "spec.manifestSource.codeRepo";

pub(super) fn resolve<'a>(
    on: &Context<'a>,
    identity: &Identity,
    runtime: &DeploymentRuntime,
    parts: &mut Parts,
) -> Result<InPlace<'a>, Stop<'a>> {
    // Rights are judged below, where what is lost can be told from what is unknown.
    let is_part = |field: &str| field.starts_with("spec.projectsRef[") || field == SOURCE;
    check_source(on, identity)?;
    check_whole(on, identity, is_part)?;
    let place = place::find(
        on,
        identity,
        &runtime.namespaces(),
        runtime.account(),
        WorkerType::Deployment,
        &slots_of_a_deployment(),
    )?;
    let repo = on
        .judged
        .on
        .found(identity, SOURCE)
        .ok_or_else(|| Verdict::failed("CodeRepoInvalid", "it names no repository"))?;
    check_rights(on, identity, runtime, repo, &place, parts)?;
    let application = Application {
        runtime: identity.clone(),
        product: on.product.clone(),
        code_repo: Some(repo.clone()),
        url: repos::address(on, repo).url,
        target_revision: runtime.spec.manifest_source.target_revision.clone(),
        path: runtime.spec.manifest_source.path.clone(),
        namespaces: place.namespaces.clone(),
        account: place.account.clone(),
        cluster_kinds: cluster_kinds(on, &place),
    };
    let rendered = render(on, &place, &application)?;
    Ok(InPlace {
        place,
        rendered,
        pipelines: None,
    })
}

/// The repository must be known to be there, or known not to be.
fn check_source(on: &Context<'_>, identity: &Identity) -> Result<(), Verdict> {
    Verdict::of_needs(&on.judged.needs_of(identity, SOURCE)).map_or(Ok(()), Err)
}

/// Every project must have the right; those that have not are named. Without projects the product must.
fn check_rights<'a>(
    on: &Context<'a>,
    identity: &Identity,
    runtime: &DeploymentRuntime,
    repo: &Identity,
    place: &Place<'a>,
    parts: &mut Parts,
) -> Result<(), Stop<'a>> {
    let projects = &runtime.spec.projects_ref;
    if projects.is_empty() {
        return match repos::right(on, None, repo) {
            Right::Has(_) => Ok(()),
            Right::Lost => {
                let message = format!("product {} as a whole may not use {repo}", on.product);
                Err(Stop::detach(
                    place.clone(),
                    Verdict::failed("RepoNotPermitted", message),
                ))
            }
            Right::Uncertain => Err(uncertain(repo).into()),
        };
    }
    let mut legal = 0;
    let mut lost = Vec::new();
    for (i, project) in projects.iter().enumerate() {
        if let Some(verdict) =
            Verdict::of_needs(&on.judged.needs_of(identity, &format!("spec.projectsRef[{i}]")))
        {
            parts.drop(&format!("project {project}"), verdict);
            continue;
        }
        let name = ResourceName::new(project).ok();
        match name.map(|name| repos::right(on, Some(&name), repo)) {
            Some(Right::Has(_)) => legal += 1,
            Some(Right::Uncertain) => return Err(uncertain(repo).into()),
            Some(Right::Lost) | None => lost.push(project),
        }
    }
    for project in &lost {
        let verdict = Verdict::failed("RuntimeProjectIllegal", format!("it may not use {repo}"));
        parts.drop(&format!("project {project}"), verdict);
    }
    match (legal, lost.is_empty()) {
        (0, false) => Err(Stop::detach(
            place.clone(),
            Verdict::failed(
                "RuntimeProjectIllegal",
                format!("none of its projects may use {repo}"),
            ),
        )),
        (0, true) => Err(parts.verdict().into()),
        _ => Ok(()),
    }
}

/// Nobody can tell whether a repository may be used.
pub(super) fn uncertain(repo: &Identity) -> Verdict {
    Verdict::unknown(format!("a file that may say who may use {repo} cannot be read"))
}

/// Renders an application by the deployment engine of the cluster.
pub(super) fn render(
    on: &Context<'_>,
    place: &Place<'_>,
    application: &Application,
) -> Result<Rendered, Verdict> {
    place::check_slot(on, &place.name, place.cluster, Slot::Deployment)?;
    let engine = place
        .component(Slot::Deployment)
        .and_then(|component| on.engines.deployment(&component.name));
    let (Some(engine), Some(at)) = (engine, place.on(Slot::Deployment)) else {
        return Err(Verdict::failed(
            "EngineMissing",
            "there is no engine that deploys",
        ));
    };
    engine
        .render(at, application)
        .map_err(|error| Verdict::failed("Unsupported", error.to_string()))
}

/// Cluster-scoped kinds that the cluster allows the product, which it may name by its name or its group's path.
pub(super) fn cluster_kinds(on: &Context<'_>, place: &Place<'_>) -> BTreeSet<(String, String)> {
    let product = Identity::tenant(
        Kind::Product,
        match ResourceName::new(on.product.as_str()) {
            Ok(name) => name,
            Err(_) => return BTreeSet::new(),
        },
    );
    let cluster = Identity::tenant(
        Kind::Cluster,
        match ResourceName::new(place.name.as_str()) {
            Ok(name) => name,
            Err(_) => return BTreeSet::new(),
        },
    );
    let allowed = &place.cluster.spec.product_allowed_cluster_resources;
    allowed
        .iter()
        .filter(|(named, _)| {
            let field = format!("spec.productAllowedClusterResources.{named}");
            on.judged.on.found(&cluster, &field) == Some(&product)
        })
        .flat_map(|(_, kinds)| kinds)
        .map(|kind| (kind.group.clone(), kind.kind.clone()))
        .collect()
}
