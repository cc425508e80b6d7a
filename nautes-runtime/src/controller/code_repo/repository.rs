//! A repository on the forge: created, recognised, brought in line, archived or deleted.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use nautes_gitops::host::{RepoChange, RepoSpec, Repository, Visibility};
use nautes_gitops::{RepoPath, Session};
use nautes_model::kinds::{self, CodeRepo};
use nautes_model::{Identity, annotation};
use nautes_vault::keys::legacy_number;

use super::super::removal::Step;
use super::ForgeError;

/// What Nautes leaves in a repository to know it again.
pub(crate) fn marker(identity: &Identity) -> String {
    format!("nautes:{identity}")
}

/// Whether a repository was made by Nautes for this resource: by its marker, or because the Go version named
/// the resource after the id on the forge; or whether its manifest takes it over. One that was made for another resource
/// cannot be taken over.
pub(super) fn is_ours(found: &Repository, identity: &Identity, declared: &ObjectMeta) -> bool {
    found.marker.as_deref() == Some(&marker(identity))
        || legacy_number(identity.name.as_str()).is_some_and(|number| number == found.id)
        || found.marker.is_none() && annotation::adopted(declared) == Some(found.id)
}

/// Makes sure that the repository is there and is what is declared. Returns it and how many writes it took.
pub(super) async fn ensure(
    session: &dyn Session,
    identity: &Identity,
    declared: &CodeRepo,
    path: &RepoPath,
    known_id: Option<&str>,
    is_kept: bool,
) -> Result<(Repository, u64), ForgeError> {
    let failed = |source| ForgeError::host(format!("make the repository {path}"), source);
    let Some(found) = session.repository(path).await.map_err(failed)? else {
        if let Some(id) = known_id {
            return Err(ForgeError::Missing {
                path: path.clone(),
                now: whereabouts(session, id).await?,
                id: id.to_owned(),
            });
        }
        let spec = RepoSpec {
            visibility: visibility(declared).unwrap_or_default(),
            description: description(declared).unwrap_or_default().to_owned(),
            marker: Some(marker(identity)),
            ..RepoSpec::default()
        };
        let made = session.create_repository(path, &spec).await.map_err(failed)?;
        return Ok((made, 1));
    };
    // Where repositories are made by hand, none can be marked, and nothing is changed.
    if !session.abilities().manages {
        return Ok((found, 0));
    }
    if !is_ours(&found, identity, &declared.metadata) {
        return Err(ForgeError::NotOurs {
            path: path.clone(),
            id: found.id,
            is_marked: found.marker.is_some(),
        });
    }
    let mut writes = 0;
    let mut repository = found;
    if repository.archived {
        // It was seen before, so somebody archived it since; one that is declared once more was not, nor was one that
        // was kept for a time.
        if known_id.is_some() && !is_kept {
            return Err(ForgeError::Archived(path.clone()));
        }
        repository = session.archive_repository(path, false).await.map_err(failed)?;
        writes += 1;
    }
    let change = RepoChange {
        visibility: visibility(declared).filter(|v| *v != repository.visibility),
        description: description(declared)
            .filter(|text| *text != repository.description)
            .map(str::to_owned),
        ..RepoChange::default()
    };
    if change != RepoChange::default() {
        repository = session.update_repository(path, &change).await.map_err(failed)?;
        writes += 1;
    }
    Ok((repository, writes))
}

/// Where a repository is now that is not at its path any more; `None` where it is nowhere to be seen.
async fn whereabouts(session: &dyn Session, id: &str) -> Result<Option<RepoPath>, ForgeError> {
    let Ok(number) = id.parse() else { return Ok(None) };
    match session.repository_by_id(number).await {
        Ok(found) => Ok(found.map(|repository| repository.path)),
        Err(error) if error.is_unsupported() => Ok(None),
        Err(error) => Err(ForgeError::host(
            format!("look for the repository with the id {id}"),
            error,
        )),
    }
}

/// Archives or deletes a repository that Nautes made and nobody declares any more. Returns how many writes it took.
pub(super) async fn retire(session: &dyn Session, found: &Repository, step: Step) -> Result<u64, ForgeError> {
    let path = &found.path;
    let failed = |source| ForgeError::host(format!("retire the repository {path}"), source);
    match step {
        Step::Delete => {
            session.delete_repository(path).await.map_err(failed)?;
            Ok(1)
        }
        Step::Archive | Step::Keep(_) if found.archived => Ok(0),
        Step::Archive | Step::Keep(_) => {
            session.archive_repository(path, true).await.map_err(failed)?;
            Ok(1)
        }
    }
}

fn visibility(declared: &CodeRepo) -> Option<Visibility> {
    let gitlab = declared.spec.git.as_ref()?.gitlab.as_ref()?;
    Some(match gitlab.visibility? {
        kinds::Visibility::Private => Visibility::Private,
        kinds::Visibility::Internal => Visibility::Internal,
        kinds::Visibility::Public => Visibility::Public,
    })
}

fn description(declared: &CodeRepo) -> Option<&str> {
    declared
        .spec
        .git
        .as_ref()?
        .gitlab
        .as_ref()?
        .description
        .as_deref()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_else_has_is_taken_over_and_only_by_its_id() {
        let identity: Identity = Identity::product(
            nautes_model::Kind::CodeRepo,
            "shop".parse().unwrap(),
            "web".parse().unwrap(),
        );
        let with = |id: &str| ObjectMeta {
            annotations: Some([(annotation::ADOPT.to_owned(), id.to_owned())].into()),
            ..ObjectMeta::default()
        };
        let mut found = Repository {
            id: 7,
            path: "shop/web".parse().unwrap(),
            visibility: Visibility::Private,
            description: String::new(),
            archived: false,
            marker: None,
            default_branch: "main".to_owned(),
            http_url: String::new(),
            ssh_url: None,
        };
        assert!(!is_ours(&found, &identity, &ObjectMeta::default()));
        assert!(!is_ours(&found, &identity, &with("8")));
        assert!(is_ours(&found, &identity, &with("7")));
        found.marker = Some("nautes:CodeRepo/shop/other".to_owned());
        assert!(!is_ours(&found, &identity, &with("7")));
        found.marker = Some(marker(&identity));
        assert!(is_ours(&found, &identity, &ObjectMeta::default()));
    }
}
