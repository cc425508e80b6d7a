//! Code repositories.

use std::collections::BTreeMap;

use nautes_model::fix::Action;
use nautes_model::kinds::CodeRepo;
use nautes_model::{Finding, Fix, Identity, Kind, Resource, Sourced};

use super::{Standard, meant, newcomers, related, replaced, say, way_out};
use crate::catalogue::{OTHER_EVENTS, PIPELINE_EVENTS};
use crate::rule::Checked;

pub(super) const RULES: &[Standard] = &[
    Standard {
        id: "CodeRepoUrl",
        summary: "the URL of a code repository is one that can be cloned",
        why: "https and ssh can be cloned; user names and passwords belong into the secret store, not into a URL",
        check: url,
    },
    Standard {
        id: "CodeRepoPath",
        summary: "the path of a code repository on the forge is its name",
        why: "people, the forge and Nautes call a repository by one name; names that an older version wrote (`repo-297`) may differ",
        check: path,
    },
    Standard {
        id: "CodeRepoPathTaken",
        summary: "no two code repositories of a product have the same path on the forge",
        why: "each is a repository of its own",
        check: taken,
    },
    Standard {
        id: "CodeRepoPathImmutable",
        summary: "the path of a code repository does not change",
        why: "the repository would be left behind on the forge and a new, empty one made",
        check: immutable,
    },
    Standard {
        id: "CodeRepoProviderImmutable",
        summary: "the platform of a code repository does not change",
        why: "the repository would be left behind on the old platform and a new, empty one made",
        check: provider_immutable,
    },
    Standard {
        id: "CodeRepoIdTaken",
        summary: "an id that an older version gave to a code repository is that of one",
        why: "names such as `repo-297` carry the number of the repository on the forge; of two products that declare the same number one declares what belongs to the other",
        check: id_taken,
    },
    Standard {
        id: "CodeRepoWebhookEvent",
        summary: "the events that a code repository reports are known",
        why: "the forge would refuse, or never report, an event that it does not know",
        check: events,
    },
    Standard {
        id: "CodeRepoUse",
        summary: "a code repository that runtimes use says so",
        why: "`deploymentRuntime` and `pipelineRuntime` tell people what a repository is for",
        check: declared_use,
    },
];

fn url(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, repo) in on.code_repos() {
        if !repo.spec.url.is_empty()
            && let Err(problem) = clone_url(&repo.spec.url)
        {
            out.push(
                on.error(id, resource, "spec.url", problem).hint(
                    "use git@host:group/repository.git, or an ssh:// or https:// URL without a password",
                ),
            );
        }
    }
}

/// Whether a text is the URL of a repository: the short form of ssh, or a URL of a scheme that clones.
fn clone_url(text: &str) -> Result<(), String> {
    if text.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err("the URL has white space in it".to_owned());
    }
    if !text.contains("://") {
        let short = text.split_once('@').and_then(|(user, rest)| {
            let (host, path) = rest.split_once(':')?;
            (!user.is_empty()
                && !host.is_empty()
                && !host.starts_with('-')
                && !path.trim_matches('/').is_empty())
            .then_some(user)
        });
        return match short {
            Some(user) if !user.starts_with('-') && !user.contains(':') => Ok(()),
            _ => Err("it is not the URL of a repository".to_owned()),
        };
    }
    let url = url::Url::parse(text).map_err(|e| format!("it is not a URL: {e}"))?;
    if !matches!(url.scheme(), "https" | "http" | "ssh") {
        return Err(format!(
            "repositories cannot be cloned from {:?} URLs",
            url.scheme()
        ));
    }
    if url.host_str().is_none_or(str::is_empty) {
        return Err("the URL has no host".to_owned());
    }
    if url.path().trim_matches('/').is_empty() {
        return Err("the URL has no path".to_owned());
    }
    if url.password().is_some() || (url.scheme() != "ssh" && !url.username().is_empty()) {
        return Err("the URL has a user name or password in it".to_owned());
    }
    Ok(())
}

/// The path within the product's group.
fn forge_path<'r>(resource: &'r Sourced, repo: &'r CodeRepo) -> &'r str {
    if repo.spec.repo_name.is_empty() {
        resource.identity.name.as_str()
    } else {
        &repo.spec.repo_name
    }
}

/// Whether an older version made the name from the number of the repository on the forge.
fn is_legacy(name: &str) -> bool {
    name.strip_prefix("repo-")
        .is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

fn path(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, repo) in on.code_repos() {
        let name = resource.identity.name.as_str();
        let path = forge_path(resource, repo);
        if path != name && !is_legacy(name) {
            let message = format!("the path {path:?} is not the name of the repository, {name:?}");
            out.push(
                on.error(id, resource, "spec.repoName", message)
                    .hint(format!("write `repoName: {name}`, or leave it out"))
                    .fix(Fix::of(resource, Action::set("spec.repoName", name))),
            );
        }
        let gitlab = repo.spec.git.as_ref().and_then(|g| g.gitlab.as_ref());
        let git_path = gitlab.and_then(|g| g.path.as_deref()).unwrap_or_default();
        if !git_path.is_empty() && git_path != path {
            let message = format!("the path {git_path:?} is not the name of the repository, {path:?}");
            out.push(
                on.error(id, resource, "spec.git.gitlab.path", message)
                    .hint(format!("write `path: {path}`, or leave it out"))
                    .fix(Fix::of(resource, Action::set("spec.git.gitlab.path", path))),
            );
        }
    }
}

fn taken(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let mut by_path: BTreeMap<(_, &str), Vec<&Sourced>> = BTreeMap::new();
    for resource in on.of_kind(Kind::CodeRepo) {
        if let Resource::CodeRepo(repo) = &resource.resource {
            let key = (&resource.identity.product, forge_path(resource, repo));
            by_path.entry(key).or_default().push(resource);
        }
    }
    for ((_, path), all) in by_path.into_iter().filter(|(_, all)| all.len() > 1) {
        for (i, resource) in all.iter().enumerate().filter(|(_, r)| on.wants(&r.identity)) {
            let other = &if i == 0 { all[1] } else { all[0] }.identity;
            let message = format!(
                "the path {path:?} is also that of {}",
                say(other, &resource.identity)
            );
            let finding = on
                .error(id, resource, "spec.repoName", message)
                .hint("give each repository a path of its own");
            out.push(related(finding, [other]));
        }
    }
}

fn immutable(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, now) in on.code_repos() {
        let Some(old) = on.changed_from(resource) else {
            continue;
        };
        let Resource::CodeRepo(was) = &old.resource else {
            continue;
        };
        let (from, to) = (forge_path(old, was), forge_path(resource, now));
        if from != to {
            let message = format!("the path changes from {from:?} to {to:?}");
            out.push(
                on.error(id, resource, "spec.repoName", message)
                    .hint("add a repository of the other name and move what uses this one"),
            );
        }
    }
}

fn provider_immutable(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    const FIELD: &str = "spec.codeRepoProvider";
    for (resource, _) in on.code_repos() {
        let (Some(_), Some(before)) = (on.changed_from(resource), on.before) else {
            continue;
        };
        let of = &resource.identity;
        if let (Some(was), Some(now)) = (provider_of(before, of), provider_of(on, of))
            && was != now
        {
            let message = format!("it moves from {} to {}", say(was, of), say(now, of));
            let finding = on
                .error(id, resource, FIELD, message)
                .hint("add a repository of another name there and move what uses this one");
            out.push(related(finding, [was, now]));
        }
    }
}

/// The provider of a repository: the one that it names, else the only one.
fn provider_of<'c>(on: &'c Checked<'_>, of: &Identity) -> Option<&'c Identity> {
    if on.graph.target(of, "spec.codeRepoProvider").is_some() {
        return on.found(of, "spec.codeRepoProvider");
    }
    let mut all = on.resolver.code_repo_providers();
    let only = all.next()?;
    all.next().is_none().then_some(only)
}

fn id_taken(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let mut by_name: BTreeMap<&str, Vec<&Sourced>> = BTreeMap::new();
    for resource in on
        .of_kind(Kind::CodeRepo)
        .filter(|r| is_legacy(r.identity.name.as_str()))
    {
        by_name
            .entry(resource.identity.name.as_str())
            .or_default()
            .push(resource);
    }
    for (name, all) in by_name.into_iter().filter(|(_, all)| all.len() > 1) {
        let had = |who: &Identity| on.before.is_some_and(|before| before.scopes.get(who).is_some());
        let told = newcomers(all.iter().map(|r| &r.identity), had);
        for resource in all
            .iter()
            .filter(|r| on.wants(&r.identity) && told.contains(&r.identity))
        {
            out.push(
                on.error(
                    id,
                    resource,
                    "metadata.name",
                    format!("{name:?} is also declared by another product"),
                )
                .hint("give a new repository a name of its own, without the number"),
            );
        }
    }
}

fn events(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, repo) in on.code_repos() {
        let Some(all) = repo.spec.webhook.as_ref().map(|w| &w.events) else {
            continue;
        };
        for (i, event) in all.iter().enumerate().filter(|(_, e)| !e.is_empty()) {
            let known = PIPELINE_EVENTS.iter().chain(OTHER_EVENTS).copied();
            if known.clone().any(|k| k == event) {
                continue;
            }
            let field = format!("spec.webhook.events[{i}]");
            let out_of_it = meant(
                event,
                known,
                |near| replaced(&field, all, near),
                || format!("use some of {}", PIPELINE_EVENTS.join(", ")),
            );
            let finding = on.error(id, resource, &field, format!("{event:?} is not an event"));
            out.push(way_out(finding, resource, out_of_it));
        }
    }
}

fn declared_use(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, spec) in on.code_repos() {
        let repo = &resource.identity;
        let uses = [
            (
                Kind::ProjectPipelineRuntime,
                "spec.pipelineRuntime",
                spec.spec.pipeline_runtime,
            ),
            (
                Kind::DeploymentRuntime,
                "spec.deploymentRuntime",
                spec.spec.deployment_runtime,
            ),
        ];
        if uses.iter().all(|(_, _, says)| *says) {
            continue;
        }
        let users = on.graph.direct_dependents(repo);
        for (kind, field, says) in uses {
            let Some(runtime) = users.iter().find(|user| !says && user.kind == kind) else {
                continue;
            };
            let message = format!("is not set, but {} uses the repository", say(runtime, repo));
            let name = field.trim_start_matches("spec.");
            let finding = on
                .warning(id, resource, field, message)
                .hint(format!("write `{name}: true`"))
                .fix(Fix::of(resource, Action::set(field, true)));
            out.push(related(finding, [runtime]));
        }
    }
}
