//! Pipeline runtimes.

use std::collections::BTreeMap;

use nautes_model::kinds::ProjectPipelineRuntime;
use nautes_model::kinds::cluster::{Slot, WorkerType};
use nautes_model::kinds::pipeline_runtime::{EventSource, Pipeline, PipelineTrigger};
use nautes_model::name::ResourceName;
use nautes_model::secret::{Grant, GrantLevel, Principal, SecretRef};
use nautes_model::{Identity, Known};
use nautes_validate::Level;

use super::deployment::{cluster_kinds, render, uncertain};
use super::{InPlace, Parts, Stop, check_part, check_whole};
use crate::engine::{Rendered, Unsupported, slots_of_a_pipeline};
use crate::intent::{Application, PipelineSpace, RepoAddress, SecretMount};
use crate::plan::model::{Planned, Verdict};
use crate::plan::product::Context;
use crate::plan::product::place::{self, Place};
use crate::plan::product::repos::{self, Right};
use crate::plan::trigger::{RefPattern, check_inputs};

const SOURCE: &str = "spec.pipelineSource";
const ADDITIONAL: &str = "spec.additionalResources";

pub(super) fn resolve<'a>(
    on: &Context<'a>,
    identity: &Identity,
    runtime: &ProjectPipelineRuntime,
    parts: &mut Parts,
) -> Result<InPlace<'a>, Stop<'a>> {
    let is_item = |field: &str| {
        ["spec.eventSources[", "spec.pipelineTriggers[", "spec.pipelines["]
            .iter()
            .any(|list| field.starts_with(list))
            || field.starts_with(ADDITIONAL)
    };
    if let Some(verdict) = Verdict::of_needs(&on.judged.needs_of(identity, SOURCE)) {
        return Err(verdict.into());
    }
    check_whole(on, identity, |field| is_item(field) || field == SOURCE)?;
    let place = place::find(
        on,
        identity,
        &[runtime.namespace_name()],
        runtime.account(),
        WorkerType::Pipeline,
        &slots_of_a_pipeline(),
    )?;
    let project = ResourceName::new(&runtime.spec.project)
        .map_err(|error| Verdict::failed("ProjectInvalid", error.to_string()))?;
    let source = on
        .judged
        .on
        .found(identity, SOURCE)
        .ok_or_else(|| Verdict::failed("CodeRepoInvalid", "it names no pipeline repository"))?;
    let level = match repos::right(on, Some(&project), source) {
        Right::Has(level) => level,
        Right::Uncertain => return Err(uncertain(source).into()),
        Right::Lost => {
            let message = format!("project {project} may not use {source}");
            let verdict = Verdict::failed("RepoNotPermitted", message);
            return Err(Stop::detach(place, verdict));
        }
    };
    let source_key = repos::key(on, source, level)?;
    let event_sources = event_sources(on, identity, runtime, &project, parts)?;
    let pipelines = pipelines(on, identity, runtime, parts);
    let space = PipelineSpace {
        runtime: identity.clone(),
        product: on.product.clone(),
        namespace: first(&place)?,
        account: place.account.clone(),
        project: runtime.spec.project.clone(),
        pipeline_source: source.clone(),
        source_key,
        vars: vars(on, runtime, &place, source),
        repos: event_sources
            .iter()
            .filter_map(|(_, repo)| repo.clone())
            .map(|repo| (repo.clone(), repos::address(on, &repo)))
            .collect::<BTreeMap<Identity, RepoAddress>>(),
        triggers: triggers(on, identity, runtime, &event_sources, &pipelines, parts),
        event_sources,
        pipelines,
        pre_hooks: runtime
            .spec
            .hooks
            .as_ref()
            .map_or_else(Vec::new, |h| h.pre_hooks.clone()),
        post_hooks: runtime
            .spec
            .hooks
            .as_ref()
            .map_or_else(Vec::new, |h| h.post_hooks.clone()),
    };
    let mut rendered = render_pipelines(on, &place, &space, parts)?;
    rendered.grants.extend(key_grants(on, &place, &project));
    if let Some(more) = additional(on, identity, runtime, &project, &place, parts)? {
        rendered.extend(more);
    }
    Ok(InPlace {
        place,
        rendered,
        pipelines: Some(space),
    })
}

fn first(place: &Place<'_>) -> Result<nautes_model::name::NamespaceName, Verdict> {
    let first = place.namespaces.first().cloned();
    first.ok_or_else(|| Verdict::failed("NamespaceInvalid", "it has no namespace"))
}

/// The event sources that the runtime may use; others are left out and named.
fn event_sources<'a>(
    on: &Context<'a>,
    identity: &Identity,
    runtime: &ProjectPipelineRuntime,
    project: &ResourceName,
    parts: &mut Parts,
) -> Result<Vec<(EventSource, Option<Identity>)>, Stop<'a>> {
    let mut kept = Vec::new();
    for (i, source) in runtime.spec.event_sources.iter().enumerate() {
        match event_source(on, identity, i, source, project) {
            Ok(repo) => kept.push((source.clone(), repo)),
            Err(Part::Unknown(verdict)) => return Err(verdict.into()),
            Err(Part::Drop(verdict)) => {
                parts.drop(&format!("event source {}", source.name), verdict);
                // Its times are not a matter of the repository.
                if source.calendar.is_some() {
                    let only_times = EventSource {
                        gitlab: None,
                        ..source.clone()
                    };
                    kept.push((only_times, None));
                }
            }
        }
    }
    Ok(kept)
}

/// Why a part is not used.
enum Part {
    /// It is left out.
    Drop(Verdict),
    /// Nobody can tell, so nothing is decided about the whole.
    Unknown(Verdict),
}

fn event_source(
    on: &Context<'_>,
    identity: &Identity,
    position: usize,
    source: &EventSource,
    project: &ResourceName,
) -> Result<Option<Identity>, Part> {
    let part = format!("spec.eventSources[{position}]");
    let repo = match &source.gitlab {
        Some(gitlab) => {
            RefPattern::parse(gitlab.revision.as_deref())
                .map_err(|error| Part::Drop(Verdict::failed("RevisionInvalid", error.to_string())))?;
            let field = format!("{part}.gitlab.repoName");
            Some(permitted(on, identity, &field, project)?)
        }
        None => None,
    };
    check_part(on, identity, &part).map_err(Part::Drop)?;
    Ok(repo)
}

/// The repository that a field names, if the project may use it.
fn permitted(
    on: &Context<'_>,
    identity: &Identity,
    field: &str,
    project: &ResourceName,
) -> Result<Identity, Part> {
    if let Some(verdict) = Verdict::of_needs(&on.judged.needs_of(identity, field)) {
        return Err(Part::Drop(verdict));
    }
    let Some(repo) = on.judged.on.found(identity, field) else {
        let message = format!("{field} names no repository");
        return Err(Part::Drop(Verdict::failed("CodeRepoInvalid", message)));
    };
    match repos::right(on, Some(project), repo) {
        Right::Has(_) => Ok(repo.clone()),
        Right::Uncertain => Err(Part::Unknown(uncertain(repo))),
        Right::Lost => {
            let message = format!("project {project} may not use {repo}");
            Err(Part::Drop(Verdict::failed("RepoNotPermitted", message)))
        }
    }
}

fn pipelines(
    on: &Context<'_>,
    identity: &Identity,
    runtime: &ProjectPipelineRuntime,
    parts: &mut Parts,
) -> Vec<Pipeline> {
    let mut kept = Vec::new();
    for (i, pipeline) in runtime.spec.pipelines.iter().enumerate() {
        match check_part(on, identity, &format!("spec.pipelines[{i}]")) {
            Ok(()) => kept.push(pipeline.clone()),
            Err(verdict) => parts.drop(&format!("pipeline {}", pipeline.name), verdict),
        }
    }
    kept
}

fn triggers(
    on: &Context<'_>,
    identity: &Identity,
    runtime: &ProjectPipelineRuntime,
    sources: &[(EventSource, Option<Identity>)],
    pipelines: &[Pipeline],
    parts: &mut Parts,
) -> Vec<PipelineTrigger> {
    let mut kept = Vec::new();
    for (i, trigger) in runtime.spec.pipeline_triggers.iter().enumerate() {
        let what = format!("trigger of {} by {}", trigger.pipeline, trigger.event_source);
        if let Err(verdict) = check_part(on, identity, &format!("spec.pipelineTriggers[{i}]")) {
            parts.drop(&what, verdict);
        } else if let Some(problem) = check_inputs(trigger) {
            parts.drop(&what, Verdict::failed("PipelineInput", problem));
        } else if sources.iter().any(|(s, _)| s.name == trigger.event_source)
            && pipelines.iter().any(|p| p.name == trigger.pipeline)
        {
            // What it names and is left out has been said already.
            kept.push(trigger.clone());
        }
    }
    kept
}

fn vars(
    on: &Context<'_>,
    runtime: &ProjectPipelineRuntime,
    place: &Place<'_>,
    source: &Identity,
) -> BTreeMap<String, String> {
    let address = repos::address(on, source);
    let provider = on
        .judged
        .on
        .found(source, "spec.codeRepoProvider")
        .and_then(|p| on.judged.scopes().tenant.code_repo_provider(p.name.as_str()))
        .map(|(_, provider)| &provider.spec);
    let host = place
        .component(Slot::Pipeline)
        .and_then(|component| component.additions.get("host"));
    let mut vars = BTreeMap::from([
        ("ServiceAccount", place.account.to_string()),
        ("Namespace", runtime.namespace_name().to_owned()),
        ("PipelineCodeRepoName", address.name),
        ("PipelineCodeRepoURL", address.url),
    ]);
    if let Some(provider) = provider {
        vars.insert("ProviderType", provider.provider_type.clone());
        vars.insert("CodeRepoProviderURL", provider.api_server.clone());
    }
    if let Some(host) = host {
        vars.insert("PipelineDashBoardURL", format!("https://{host}"));
    }
    vars.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()
}

/// Renders by the engines of the slots for pipelines, events and secrets.
fn render_pipelines(
    on: &Context<'_>,
    place: &Place<'_>,
    space: &PipelineSpace,
    parts: &mut Parts,
) -> Result<Rendered, Verdict> {
    let unsupported = |error: Unsupported| Verdict::failed("Unsupported", error.to_string());
    let missing = || Verdict::failed("EngineMissing", "an engine for pipelines is missing");
    let component = |slot| place.component(slot).map_or("", |c| c.name.as_str());
    let pipeline = on
        .engines
        .pipeline(component(Slot::Pipeline))
        .zip(place.on(Slot::Pipeline));
    let events = on
        .engines
        .events(component(Slot::EventListener))
        .zip(place.on(Slot::EventListener));
    let (engine, at) = pipeline.ok_or_else(missing)?;
    let mut rendered = engine.render(at, space).map_err(unsupported)?;
    let (engine, at) = events.ok_or_else(missing)?;
    rendered.extend(engine.render(at, space).map_err(unsupported)?);
    for mount in std::mem::take(&mut rendered.mounts) {
        match sync(on, place, &mount) {
            Ok(synced) => rendered.extend(synced),
            Err(verdict) => parts.drop(&format!("secret {}", mount.name), verdict),
        }
    }
    Ok(rendered)
}

/// Renders a mount by the secret-sync engine, if all its values are there as far as anybody knows.
fn sync(on: &Context<'_>, place: &Place<'_>, mount: &SecretMount) -> Result<Rendered, Verdict> {
    place::check_slot(on, &place.name, place.cluster, Slot::SecretSync)?;
    let absent = |reference: &&SecretRef| matches!(on.inputs.digest_of(reference), Some(Known::Absent));
    if let Some(reference) = mount.items.values().find(absent) {
        return Err(Verdict::pending(format!("waiting for secret {reference}")));
    }
    let engine = place
        .component(Slot::SecretSync)
        .and_then(|component| on.engines.secret_sync(&component.name));
    let (Some(engine), Some(at)) = (engine, place.on(Slot::SecretSync)) else {
        return Err(Verdict::failed("EngineMissing", "there is no engine for secrets"));
    };
    let mut rendered = engine
        .render(at, mount)
        .map_err(|error| Verdict::failed("Unsupported", error.to_string()))?;
    for (_, planned) in &mut rendered.objects {
        put_digests(on, planned);
    }
    Ok(rendered)
}

fn put_digests(on: &Context<'_>, planned: &mut Planned) {
    for material in planned.secrets.values_mut() {
        if let Some(Known::Known(digest)) = on.inputs.digest_of(&material.reference) {
            material.digest = Some(digest.clone());
        }
    }
}

/// The account may read the keys of every repository that its project may use, at the level that it has.
fn key_grants<'a>(
    on: &'a Context<'_>,
    place: &'a Place<'_>,
    project: &ResourceName,
) -> impl Iterator<Item = Grant> + use<'a> {
    let repos: BTreeMap<Identity, Level> = on.judged.on.access.repos_of(on.product, Some(project));
    repos.into_iter().filter_map(|(repo, level)| {
        Some(Grant {
            principal: Principal::Account {
                cluster: place.name.clone(),
                product: on.product.clone(),
                account: place.account.clone(),
            },
            secret: repos::key(on, &repo, level).ok()?.path,
            level: GrantLevel::Read,
        })
    })
}

/// More manifests for the namespace of the pipelines. What stands in their way does not stop the pipelines.
fn additional<'a>(
    on: &Context<'a>,
    identity: &Identity,
    runtime: &ProjectPipelineRuntime,
    project: &ResourceName,
    place: &Place<'a>,
    parts: &mut Parts,
) -> Result<Option<Rendered>, Stop<'a>> {
    let Some(git) = runtime
        .spec
        .additional_resources
        .as_ref()
        .and_then(|a| a.git.as_ref())
    else {
        return Ok(None);
    };
    let found = match &git.code_repo {
        Some(_) => permitted(on, identity, "spec.additionalResources.git.codeRepo", project).map(Some),
        None => Ok(None),
    };
    let rendered = found.and_then(|repo| {
        check_part(on, identity, ADDITIONAL).map_err(Part::Drop)?;
        let application = Application {
            runtime: identity.clone(),
            product: on.product.clone(),
            url: repo.as_ref().map_or_else(
                || git.url.clone().unwrap_or_default(),
                |repo| repos::address(on, repo).url,
            ),
            code_repo: repo,
            target_revision: git.revision.clone(),
            path: git.path.clone(),
            namespaces: place.namespaces.clone(),
            account: place.account.clone(),
            cluster_kinds: cluster_kinds(on, place),
        };
        render(on, place, &application).map_err(Part::Drop)
    });
    match rendered {
        Ok(rendered) => Ok(Some(rendered)),
        Err(Part::Unknown(verdict)) => Err(verdict.into()),
        Err(Part::Drop(verdict)) => {
            parts.detached = Some(verdict.message.clone());
            parts.drop("additional resources", verdict);
            Ok(None)
        }
    }
}
