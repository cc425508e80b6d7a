//! Artifact repositories and the projects that use them.

use std::collections::BTreeMap;

use nautes_model::fix::Action;
use nautes_model::kinds::artifact::{ArtifactRepoType, PackageType};
use nautes_model::{Finding, Fix, Identity, Kind, Resource, Sourced};

use super::{Standard, call, newcomers, related, say};
use crate::catalogue::artifact_platform;
use crate::rule::Checked;

pub(super) const RULES: &[Standard] = &[
    Standard {
        id: "ArtifactRepoName",
        summary: "an artifact repository has a name that its platform can carry",
        why: "the name becomes part of the URL of every artifact; write letters, digits, '.', '_' and '-', and begin with a letter or digit",
        check: name,
    },
    Standard {
        id: "ArtifactRepoNameTaken",
        summary: "no two artifact repositories of a platform have the same name",
        why: "both would be one repository, and whoever may publish to one could replace the artifacts of the other; the one that was there first keeps the name",
        check: name_taken,
    },
    Standard {
        id: "ArtifactRepoImmutable",
        summary: "the platform, name and type of an artifact repository do not change",
        why: "the artifacts would stay behind in the old repository and builds would find an empty one; declare another repository and move its users",
        check: immutable,
    },
    Standard {
        id: "ArtifactRepoPackageType",
        summary: "the platform of an artifact repository can hold what the repository holds",
        why: "not every platform has every type of repository for every type of package; of a platform that Nautes does not know nothing is said",
        check: package_type,
    },
    Standard {
        id: "ArtifactRepoNotPermitted",
        summary: "a project uses only artifact repositories that are opened to it",
        why: "`projects` of an artifact repository lists who may use it, all projects of the product when it is empty; add the project there, or take the use away",
        check: not_permitted,
    },
    Standard {
        id: "ProjectArtifactRepoDuplicate",
        summary: "a project uses an artifact repository once",
        why: "a second declaration adds nothing, and removing one of the two would not do what it says",
        check: duplicate,
    },
];

fn name(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, repo) in on.artifact_repos() {
        let name = repo.spec.repo_name.as_str();
        let fits = name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && name
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if !fits {
            let shown: String = name.chars().take(80).collect();
            out.push(
                on.error(
                    id,
                    resource,
                    "spec.repoName",
                    format!("{shown:?} is no name of a repository"),
                )
                .hint("use letters, digits, '.', '_' and '-', and begin with a letter or digit"),
            );
        }
    }
}

/// What an artifact repository is on its platform.
fn place<'c>(on: &'c Checked<'_>, of: &'c Sourced) -> Option<(&'c Identity, &'c str)> {
    let Resource::ArtifactRepo(repo) = &of.resource else {
        return None;
    };
    let provider = on.found(&of.identity, "spec.artifactRepoProvider")?;
    Some((provider, &repo.spec.repo_name))
}

fn name_taken(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let mut by_place: BTreeMap<(&Identity, &str), Vec<&Sourced>> = BTreeMap::new();
    for resource in on.of_kind(Kind::ArtifactRepo) {
        if let Some(place) = place(on, resource) {
            by_place.entry(place).or_default().push(resource);
        }
    }
    for (here, all) in by_place.into_iter().filter(|(_, all)| all.len() > 1) {
        let had = |who: &Identity| {
            on.before.is_some_and(|before| {
                let was = before.scopes.get(who);
                was.and_then(|was| place(before, was)) == Some(here)
            })
        };
        let told = newcomers(all.iter().map(|r| &r.identity), had);
        for resource in all
            .iter()
            .filter(|r| on.wants(&r.identity) && told.contains(&r.identity))
        {
            let of = &resource.identity;
            let mut others = all.iter().map(|r| &r.identity).filter(|other| *other != of);
            let own = others.clone().find(|other| other.product == of.product);
            let (by, named) = call(own.or_else(|| others.next()).as_slice(), of);
            let message = format!("{:?} of {} is also that of {by}", here.1, say(here.0, of));
            let finding = on
                .error(id, resource, "spec.repoName", message)
                .hint("give the repository a name of its own on the platform");
            out.push(related(finding, named));
        }
    }
}

fn immutable(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, now) in on.artifact_repos() {
        let Some(Resource::ArtifactRepo(was)) = on.changed_from(resource).map(|s| &s.resource) else {
            continue;
        };
        let (was, now) = (&was.spec, &now.spec);
        let changes = [
            (
                "spec.artifactRepoProvider",
                was.artifact_repo_provider.clone(),
                now.artifact_repo_provider.clone(),
            ),
            ("spec.repoName", was.repo_name.clone(), now.repo_name.clone()),
            (
                "spec.repoType",
                repo_word(was.repo_type).to_owned(),
                repo_word(now.repo_type).to_owned(),
            ),
            (
                "spec.packageType",
                package_word(was.package_type).to_owned(),
                package_word(now.package_type).to_owned(),
            ),
        ];
        for (field, from, to) in changes.into_iter().filter(|(_, from, to)| from != to) {
            out.push(
                on.error(id, resource, field, format!("it changes from {from:?} to {to:?}"))
                    .hint("add an artifact repository of another name and move what uses this one"),
            );
        }
    }
}

const fn repo_word(of: ArtifactRepoType) -> &'static str {
    match of {
        ArtifactRepoType::Remote => "remote",
        ArtifactRepoType::Local => "local",
        ArtifactRepoType::Virtual => "virtual",
    }
}

const fn package_word(of: PackageType) -> &'static str {
    match of {
        PackageType::Maven => "maven",
        PackageType::Python => "python",
        PackageType::Go => "go",
    }
}

fn package_type(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, repo) in on.artifact_repos() {
        let provider = on
            .found(&resource.identity, "spec.artifactRepoProvider")
            .and_then(|p| on.artifact_repo_provider(p));
        let Some((provider, spec)) = provider else {
            continue;
        };
        let platform = spec.spec.provider_type.as_str();
        let Some(known) = artifact_platform(platform) else {
            continue;
        };
        let package = repo.spec.package_type;
        let types: Vec<ArtifactRepoType> = known
            .iter()
            .filter(|(p, _)| *p == package)
            .flat_map(|(_, types)| *types)
            .copied()
            .collect();
        if types.contains(&repo.spec.repo_type) {
            continue;
        }
        let word = package_word(package);
        let (field, message, hint) = if types.is_empty() {
            let held: Vec<&str> = known.iter().map(|(p, _)| package_word(*p)).collect();
            (
                "spec.packageType",
                format!("{platform} holds no {word} packages"),
                format!("it holds {}; name another platform for {word}", held.join(", ")),
            )
        } else {
            let there: Vec<&str> = types.iter().map(|t| repo_word(*t)).collect();
            (
                "spec.repoType",
                format!(
                    "{platform} has no {} repositories for {word}",
                    repo_word(repo.spec.repo_type)
                ),
                format!("for {word} it has {}", there.join(", ")),
            )
        };
        let finding = on.error(id, resource, field, message).hint(hint);
        out.push(related(finding, [&provider.identity]));
    }
}

fn not_permitted(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    for (resource, _) in on.project_artifact_repos() {
        let of = &resource.identity;
        let (Some(project), Some(repo)) = (on.found(of, "spec.project"), on.found(of, "spec.artifactRepo"))
        else {
            continue;
        };
        let Some((repo, spec)) = on.artifact_repo(repo) else {
            continue;
        };
        // Those of another product are another rule's.
        if repo.identity.product != of.product || project.product != of.product {
            continue;
        }
        let opened = spec.spec.projects.is_empty()
            || on
                .graph
                .references(&repo.identity)
                .iter()
                .any(|link| link.field.starts_with("spec.projects[") && link.to.found() == Some(project));
        if !opened {
            let message = format!(
                "{} is not opened to {}",
                say(&repo.identity, of),
                say(project, of)
            );
            let hint = format!(
                "add {:?} to `projects` of the artifact repository",
                project.name.as_str()
            );
            let fix = Fix::of(repo, Action::append("spec.projects", [project.name.as_str()]));
            let finding = on.error(id, resource, "spec.artifactRepo", message).hint(hint);
            out.push(related(finding.fix(fix), [&repo.identity, project]));
        }
    }
}

fn duplicate(id: &'static str, on: &Checked<'_>, out: &mut Vec<Finding>) {
    let mut uses: BTreeMap<(&Identity, &Identity), Vec<&Sourced>> = BTreeMap::new();
    for resource in on.of_kind(Kind::ProjectArtifactRepo) {
        let of = &resource.identity;
        if let (Some(project), Some(repo)) = (on.found(of, "spec.project"), on.found(of, "spec.artifactRepo"))
        {
            uses.entry((project, repo)).or_default().push(resource);
        }
    }
    for ((project, repo), all) in uses.into_iter().filter(|(_, all)| all.len() > 1) {
        for (i, resource) in all.iter().enumerate().filter(|(_, r)| on.wants(&r.identity)) {
            let of = &resource.identity;
            let other = &if i == 0 { all[1] } else { all[0] }.identity;
            let message = format!(
                "{} uses {} already by {}",
                say(project, of),
                say(repo, of),
                say(other, of)
            );
            let finding = on
                .error(id, resource, "spec.artifactRepo", message)
                .hint("keep one of the two");
            out.push(related(finding, [other]));
        }
    }
}
