//! What a group on a forge has, read without changing anything.

use crate::host::{DeployKey, Group, Hook, HostError, Repository, Session};

/// The name of the repository that holds the manifests of a product.
const DEFAULT_PROJECT: &str = "default.project";

/// A group, and what is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// The group.
    pub group: Group,
    /// Its repositories, by path, without the product's own.
    pub repositories: Vec<Surveyed>,
    /// The repository for the manifests of a product, where the group has one.
    pub default_project: Option<Surveyed>,
    /// The paths of the groups below it that the caller is a member of, in order.
    pub subgroups: Vec<String>,
}

/// A repository, and what it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Surveyed {
    /// The repository.
    pub repository: Repository,
    /// Whether it has neither branches nor tags.
    pub is_empty: bool,
    /// Its deploy keys, by id; `None` where the caller may not see them.
    pub keys: Option<Vec<DeployKey>>,
    /// Its hooks, by id; `None` where the caller may not see them.
    pub hooks: Option<Vec<Hook>>,
}

/// Reads a group with everything in it that can be read.
///
/// # Errors
/// There is no such group for this caller, the forge does not answer, or it cannot list groups and repositories at all.
pub async fn survey(session: &dyn Session, name: &str) -> Result<Survey, HostError> {
    let group = session.group(name).await?;
    let group = group.ok_or_else(|| HostError::not_found(format!("group {name}")))?;
    let below = format!("{name}/");
    let subgroups = session.groups().await?.into_iter().map(|group| group.name);
    let mut found = Survey {
        repositories: Vec::new(),
        default_project: None,
        subgroups: subgroups.filter(|other| other.starts_with(&below)).collect(),
        group,
    };
    for repository in session.repositories(name).await? {
        let path = &repository.path;
        let surveyed = Surveyed {
            is_empty: session.refs(path).await?.is_empty(),
            keys: visible(session.deploy_keys(path).await)?,
            hooks: visible(session.hooks(path).await)?,
            repository,
        };
        if surveyed.repository.path.name() == DEFAULT_PROJECT {
            found.default_project = Some(surveyed);
        } else {
            found.repositories.push(surveyed);
        }
    }
    Ok(found)
}

/// Tells what may not be seen from what cannot be read now.
fn visible<T>(read: Result<T, HostError>) -> Result<Option<T>, HostError> {
    match read {
        Ok(found) => Ok(Some(found)),
        Err(HostError::Forbidden { .. } | HostError::Unsupported { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}
